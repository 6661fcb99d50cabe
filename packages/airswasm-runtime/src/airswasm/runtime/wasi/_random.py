"""wasi:random: one good source behind all three interfaces.

"Insecure" random numbers are allowed to be weak, not obliged to: giving the
same quality everywhere costs nothing and cannot be confused.
"""

from __future__ import annotations

from collections.abc import Iterable

from .._host import Caller, Effect, HostFunction, HostInterface
from ._io import misuse

RANDOM_AT_MOST_BYTES = 1024 * 1024
"""WASI has no way to answer less than was asked for, so more than this is refused."""


def _bytes(caller: Caller, length: int) -> bytes:
    if length > RANDOM_AT_MOST_BYTES:
        raise misuse(
            caller,
            "wasi:random/random#get-random-bytes",
            f"{length:,} bytes are more than the {RANDOM_AT_MOST_BYTES:,} of one call",
        )
    return caller.wasi.config.random_bytes(length)


def _u64(caller: Caller) -> int:
    return int.from_bytes(caller.wasi.config.random_bytes(8), "little")


def _seed(caller: Caller) -> tuple[int, int]:
    return (_u64(caller), _u64(caller))


_FUNCTIONS: dict[str, dict[str, HostFunction]] = {
    "random": {"get-random-bytes": _bytes, "get-random-u64": _u64},
    "insecure": {"get-insecure-random-bytes": _bytes, "get-insecure-random-u64": _u64},
    "insecure-seed": {"insecure-seed": _seed},
}


def interfaces(version: str) -> Iterable[HostInterface]:
    """Offer wasi:random."""
    for name, functions in _FUNCTIONS.items():
        yield HostInterface(
            f"wasi:random/{name}@{version}",
            functions,
            effects=dict.fromkeys(functions, Effect.READS),
        )
