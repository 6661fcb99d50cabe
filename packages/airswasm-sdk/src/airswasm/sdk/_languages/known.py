"""The languages that `build` has a toolchain for."""

from __future__ import annotations

from .._toolchain import CToolchain, PythonToolchain, Toolchain
from .go import GoToolchain
from .javascript import JavaScriptToolchain
from .rust import RustToolchain

__all__ = ("LANGUAGES", "toolchain_of")

_TOOLCHAINS: dict[str, Toolchain] = {
    "python": PythonToolchain(),
    "c": CToolchain(),
    "rust": RustToolchain(),
    "go": GoToolchain(),
    "javascript": JavaScriptToolchain(),
}
LANGUAGES = tuple(_TOOLCHAINS)


def toolchain_of(language: str) -> Toolchain | None:
    """Return the toolchain of a language, or None if only `[build] command` can build it."""
    return _TOOLCHAINS.get(language)
