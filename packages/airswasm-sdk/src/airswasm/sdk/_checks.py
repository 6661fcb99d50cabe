"""Checks of `airswasm doctor` for this block: the languages that this machine can build."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from airswasm.wit import Finding

__all__ = ("check_tools",)

_TOOLS = (("python", "componentize-py"), ("c", "ziglang"))


def check_tools(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Look for the build tool of each language."""
    del home, quick
    for language, package in _TOOLS:
        try:
            found = version(package)
        except PackageNotFoundError:
            hint = f"pip install 'airswasm-sdk[{language}]'"
            yield Finding("tools", "note", f"cannot build {language}: {hint}")
            continue
        yield Finding("tools", "ok", f"builds {language} with {package} {found}")
