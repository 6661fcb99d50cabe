"""Checks of `airswasm doctor` for the command's own parts: the signing key and the host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from airswasm.security import load_private_key
from airswasm.wit import Finding

from .._control.endpoint import endpoint_of, probe
from .._session.settings import read_settings

__all__ = ("check_host", "check_key")


def check_host(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Report whether a host runs for this home."""
    del quick
    endpoint = endpoint_of(home)
    state = probe(endpoint)
    if state == "alive":
        yield Finding("host", "ok", f"runs, at {endpoint.path}")
    elif state == "dead":
        text = f"no host runs; {endpoint.path} remains from a killed one"
        yield Finding("host", "note", text)
    else:
        yield Finding("host", "note", "none runs")


def check_key(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Read the key that `sign` would use."""
    del quick
    key = read_settings(os.environ, home=home).key
    if not key.exists():
        yield Finding("key", "note", f"no signing key at {key}; `airswasm keygen` creates one")
        return
    yield Finding("key", "ok", f"{load_private_key(key).public.fingerprint[:16]} at {key}")
