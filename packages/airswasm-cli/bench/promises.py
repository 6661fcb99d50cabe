"""The ratios that airswasm-cli promises.

How much longer the command takes to start than Python does with a dozen modules of the standard
library.

The base imports, too: a bare start of Python is small enough to stay in the cache, and a busy
machine then slows the subject alone (`bench/startup.py` prints multiples of a bare start).
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from paired import Promise, Promises, Work, times

STANDARD = (
    "import argparse, asyncio, ctypes, decimal, email.message, http.client, json, logging.config, "
    "sqlite3, ssl, unittest, xml.etree.ElementTree"
)
ENVIRONMENT = {"NO_COLOR": "1", "COLUMNS": "100", "PYTHONHASHSEED": "0"}


def of_children() -> float:
    """Return the processor seconds of the children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


@asynccontextmanager
async def promises(folder: Path) -> AsyncIterator[Promises]:
    """Give the promises."""
    environment = {**os.environ, **ENVIRONMENT, "AIRSWASM_HOME": str(folder / "home")}

    def start(*arguments: str) -> None:
        command = [sys.executable, "-I", *arguments]
        subprocess.run(command, check=True, capture_output=True, env=environment)

    base = Work(times(partial(start, "-c", STANDARD)), of_children, count=1)

    def starting(*arguments: str) -> Promise:
        command = partial(start, "-m", "airswasm.cli", *arguments)
        return Promise(Work(times(command), of_children, count=1), base)

    yield {
        "version": starting("--version"),
        "help": starting("--help"),
        "explain": starting("explain", "E0312"),
        "list": starting("list"),
    }
