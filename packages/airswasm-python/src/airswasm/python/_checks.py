"""The check of `airswasm doctor` for this block: whether the interpreter is there, and compiled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from airswasm.lifecycle import is_compiled
from airswasm.wit import Finding

from ._interpreter import ABI, component

__all__ = ("check_interpreter",)


def check_interpreter(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Look for the interpreter, and for its compiled form in the home's cache."""
    try:
        wasm = component()
    except OSError as error:
        hint = "python -m airswasm.python.build"
        yield Finding("python-guests", "problem", f"{ABI} was not built: {error.strerror}", hint)
        return
    text = f"{ABI}, {len(wasm):,} bytes, sha256 {hashlib.sha256(wasm).hexdigest()[:16]}"
    if quick:
        yield Finding("python-guests", "ok", text)
    elif is_compiled(home, wasm):
        yield Finding("python-guests", "ok", f"{text}, compiled")
    else:
        yield Finding("python-guests", "note", f"{text}; the first component compiles it")
