"""Finds a Python interpreter for children of this process, which need not run in one itself."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_PYTHON = re.compile(r"(?:python|pypy)[\d.]*[a-z]{0,2}(?:\.exe)?", re.IGNORECASE)


def find_interpreter() -> str | None:
    """Return the path of the interpreter of this Python; None where there is none.

    `sys.executable` is what started this process, which need not be one: a server
    that embeds Python gives its own name or none, a frozen program its own. Running
    that would start the server again. So it counts only if it is called as an
    interpreter is; otherwise the one that this Python was installed with is taken.
    """
    if getattr(sys, "frozen", False):
        return None
    for candidate in _candidates():
        if _PYTHON.fullmatch(Path(candidate).name) and os.access(candidate, os.X_OK):
            return candidate
    return None


def _candidates() -> Iterator[str]:
    yield from filter(None, (sys.executable, getattr(sys, "_base_executable", None)))
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for prefix in (sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix):
        for path in (Path("bin", version), Path("bin", "python3"), Path("python.exe")):
            yield str(Path(prefix) / path)
