"""The interpreter's component, as it was built with this package."""

from __future__ import annotations

from pathlib import Path

__all__ = ("ABI", "component")

ABI = "python-3.14-1"
"""The language, its version, and the version of what the guest modules of this package promise."""


def component() -> bytes:
    """Return the component's bytes.

    Raises:
        FileNotFoundError: It was not built; `python -m airswasm.python.build` does.
    """
    from .build import read_interpreter

    return read_interpreter(Path(__file__).parent)
