"""Checks of `airswasm doctor` for this block: the codecs of messages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from airswasm.wit import Finding

__all__ = ("check_codecs",)


def check_codecs(home: Path, *, quick: bool) -> Iterator[Finding]:
    """List the installed codecs, and the registrations that were left out."""
    del home, quick
    from ._codecs.installed import CODEC_GROUP, Codecs

    codecs = Codecs.find()
    yield Finding("codecs", "ok", ", ".join(f"{each.name} ({each.code:#x})" for each in codecs))
    for problem in codecs.problems:
        hint = f"mend or remove the package that registers it under {CODEC_GROUP}"
        yield Finding("codecs", "warning", f"left out: {problem}", hint)
