"""Checks of `airswasm doctor` for this block."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from airswasm.wit import Finding

from ._running.dispatcher import is_compiled

__all__ = ("check_build",)


def check_build(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Say which build of the actors is installed."""
    del home, quick
    way = "compiled" if is_compiled() else "interpreted: a wheel for this platform is faster"
    yield Finding("actors", "ok", f"airswasm-actor {version('airswasm-actor')}, {way}")
