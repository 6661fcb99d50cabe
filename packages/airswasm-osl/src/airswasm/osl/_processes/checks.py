"""A check of `airswasm doctor`: the protections of programs that hold on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from airswasm.wit import Finding

__all__ = ("check_programs",)

_MEANINGS = {
    "files": "they can read and write what this user can",
    "network": "they can reach the network and other processes",
    "number": "they can start processes without a bound",
    "processes": "what they start can outlive them",
}


def check_programs(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Try whether programs that components start can be confined."""
    del home
    if quick:
        return
    from airswasm.runtime import missing_protections

    missing = missing_protections()
    if missing:
        reasons = "; ".join(_MEANINGS[each] for each in missing)
        text = f"programs of components are refused, because {reasons}"
        yield Finding("programs", "note", f"{text}; to allow them: process.unconfined")
    else:
        names = ", ".join(_MEANINGS)
        yield Finding("programs", "ok", f"programs of components are confined: {names}")
