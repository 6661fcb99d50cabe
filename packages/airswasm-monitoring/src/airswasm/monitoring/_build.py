"""The versions of what runs, for `airswasm_build_info`."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version

__all__ = ("build_labels",)


@cache
def build_labels() -> dict[str, str]:
    """Return the labels of the build: versions of the runtime block, the engine and Python."""
    return {
        "version": version("airswasm-runtime"),
        "wasmtime": version("wasmtime"),
        "python": platform.python_version(),
    }
