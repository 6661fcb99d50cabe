"""A guest for componentize-py: runs code and answers with its `answer`, or its exception."""

import asyncio  # noqa: F401 - imported when the guest is built: there are no modules afterwards
import encodings.idna  # noqa: F401
import errno  # noqa: F401
import glob  # noqa: F401
import json  # noqa: F401
import os  # noqa: F401
import select  # noqa: F401
import shutil  # noqa: F401
import socket  # noqa: F401
import sqlite3  # noqa: F401
import stat  # noqa: F401
import tempfile  # noqa: F401
import urllib.request  # noqa: F401 - and with it http.client

import wit_world
from wit_world.imports import dns, filesystem, http, process, tcp, udp  # noqa: F401


class WitWorld(wit_world.WitWorld):
    def run(self, code: str) -> str:
        scope: dict[str, object] = {}
        try:
            exec(code, scope)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return str(scope.get("answer"))
