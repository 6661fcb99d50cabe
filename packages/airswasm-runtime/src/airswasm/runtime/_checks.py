"""Checks of `airswasm doctor` for this block: the interpreter, the engine, its limits.

The engine is not asked what it can do but made to prove it: hostile probes must be stopped.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from pathlib import Path

from airswasm.wit import Finding

__all__ = ("check_engine", "check_limits", "check_python")

_TESTED = "50."


async def check_limits(home: Path, *, quick: bool) -> AsyncIterator[Finding]:
    """Attack an engine with hostile probes, unless quick: each must be stopped."""
    del home
    if quick:
        return
    from ._config import EngineConfig
    from ._self_test import self_test

    report = await self_test(EngineConfig.dense())  # as a host is set up
    for outcome in report.outcomes:
        yield Finding("limits", "ok" if outcome.has_held else "problem", str(outcome))


def check_python(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Look at the interpreter and the platform."""
    del home, quick
    text = f"{platform.python_implementation()} {platform.python_version()} on {sys.platform}"
    if sys.version_info[:3] == (3, 14, 0):
        hint = "it takes the guests' stacks for an overflow: use 3.14.1 or later"
        yield Finding("python", "problem", text, hint)
    elif sys.platform != "linux":
        hint = "Linux is where hosts are tested; here some protections are weaker"
        yield Finding("python", "warning", text, hint)
    else:
        yield Finding("python", "ok", f"{text} {platform.release()}")


def check_engine(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Compare the engine with the versions that were tested."""
    del home, quick
    found = version("wasmtime")
    if found.startswith(_TESTED):
        yield Finding("engine", "ok", f"wasmtime {found}")
    else:
        hint = "this version of airswasm was tested with 50.x"
        yield Finding("engine", "warning", f"wasmtime {found}", hint)
