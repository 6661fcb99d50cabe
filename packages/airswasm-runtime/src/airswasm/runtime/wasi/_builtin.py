"""WASI 0.2, ours: what every component is offered, and how little it gives away.

Guests from Python, Rust, Go and JavaScript import WASI whether they use it or
not, so all of it links. What is harmless works: clocks, random numbers,
arguments, environment, and stdio as log lines. What reaches out of the sandbox
(files, sockets, http) answers with WASI's own codes for "not permitted" until
a provider replaces the interface by name. The engine's own WASI was rejected:
a guest's sleep in it holds the thread, and no limit can stop it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .._host import Effect, HostInterface
from . import _cli, _clocks, _filesystem, _http, _io, _random, _sockets
from ._state import WasiConfig, WasiState

__all__ = (
    "WASI_VERSION",
    "WasiConfig",
    "WasiState",
    "interfaces",
    "interfaces_with_effects",
    "wit_files",
)

WASI_VERSION = "0.2.12"
"""The newest version that is offered; older 0.2 imports match it by semver."""


def wit_files() -> tuple[Path, ...]:
    """Return the WIT of all that is offered."""
    return tuple(sorted(Path(__file__).with_name("wit").glob("*.wit")))


def interfaces() -> tuple[HostInterface, ...]:
    """Return everything of WASI 0.2 that guests import, by interface."""
    modules = (_io, _cli, _clocks, _random, _filesystem, _sockets, _http)
    return tuple(interface for module in modules for interface in module.interfaces(WASI_VERSION))


def interfaces_with_effects() -> tuple[HostInterface, ...]:
    """Return the same, with the effect of each function: none, but of clocks and random."""
    return tuple(
        replace(each, effects={**dict.fromkeys(each.functions, Effect.NONE), **each.effects})
        for each in interfaces()
    )
