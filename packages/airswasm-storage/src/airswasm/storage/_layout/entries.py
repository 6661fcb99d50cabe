"""Entries of a generation as readers see them: without those that expired.

An entry that expired is there until the sweeper comes by (`expiring`). No reader sees it
meanwhile: every read, page, count, copy and export goes through this module. A namespace in
which nothing is due pays for that with one comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .._backends.backend import View
from .keys import DATA_PREFIX_BYTES, after_prefix, range_of
from .space import Space, charge, pack_time, unpack_time

__all__ = (
    "Expired",
    "Row",
    "expiry_of",
    "get_visible",
    "scan_charges",
    "scan_expired",
    "scan_pairs",
    "scan_rows",
)

_TIME_BYTES = 8


class Row(NamedTuple):
    """One entry.

    Attributes:
        key: The key, without the generation.
        value: The value.
        expires: When it expires, in milliseconds of the store's time; 0 for never.
    """

    key: bytes
    value: bytes
    expires: int = 0


class Expired(NamedTuple):
    """One entry that expired.

    Attributes:
        key: The key, without the generation.
        value_bytes: The length of its value.
        expires: When it expired, in milliseconds of the store's time.
    """

    key: bytes
    value_bytes: int
    expires: int

    @property
    def charged(self) -> int:
        """The bytes that it counts until it is swept."""
        return charge(len(self.key), self.value_bytes, expires=True)


def expiry_of(view: View, space: Space, key: bytes) -> int:
    """Return when a key expires, in milliseconds; 0 for never, or where there is no such key.

    Raises:
        StorageError: The store cannot be read.
    """
    return unpack_time(view.get(space.expiries + key)) if space.timed else 0


def get_visible(view: View, space: Space, key: bytes, now: int) -> bytes | None:
    """Return the value of a key that has not expired, or None.

    Raises:
        StorageError: The store cannot be read.
    """
    value = view.get(space.prefix + key)
    if value is None or space.due > now or not 0 < expiry_of(view, space, key) <= now:
        return value
    return None


def scan_pairs(
    view: View,
    space: Space,
    now: int,
    start: bytes = b"",
    end: bytes | None = None,
    *,
    reverse: bool = False,
) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values that have not expired, in the order of the keys.

    The keys begin with those `DATA_PREFIX_BYTES` that the generation has, as the engine has them:
    a page of a namespace in which nothing is due costs what the engine's scan costs.

    Args:
        view: The source; a snapshot where writes go on meanwhile.
        space: The counters and the generation at that moment.
        now: The store's time, in milliseconds.
        start: The lowest key.
        end: The key above the highest one; None for no bound.
        reverse: Begin at the high end.

    Raises:
        StorageError: The store cannot be read.
    """
    if space.due > now:
        return _scan(view, space.prefix, start, end, reverse=reverse)
    rows = _scan_timed(view, space, now, start, end, reverse=reverse)
    return ((key, value) for key, value, _ in rows)


def scan_rows(view: View, space: Space, now: int) -> Iterator[Row]:
    """Yield all entries that have not expired, with their expiry; see `scan_pairs`.

    Raises:
        StorageError: The store cannot be read.
    """
    if space.timed:
        found = _scan_timed(view, space, now, b"", None, reverse=False)
    else:
        found = ((key, value, 0) for key, value in view.scan(*range_of(space.prefix)))
    for key, value, expires in found:
        yield Row(key[DATA_PREFIX_BYTES:], value, expires)


def scan_expired(view: View, space: Space, now: int) -> Iterator[Expired]:
    """Yield the entries that expired and are not swept yet, the earliest first.

    Raises:
        StorageError: The store cannot be read.
    """
    if space.due > now:
        return
    start = space.deadlines
    at = len(start) + _TIME_BYTES
    for key, size in view.scan(start + pack_time(space.due), start + pack_time(now + 1)):
        yield Expired(key[at:], unpack_time(size), unpack_time(key[len(start) : at]))


def scan_charges(view: View, space: Space, now: int) -> Iterator[int]:
    """Yield what each entry counts, without trusting any counter.

    Raises:
        StorageError: The store cannot be read.
    """
    for key, value, expires in scan_rows(view, space, now):
        yield charge(len(key), len(value), expires=expires > 0)


def _scan_timed(
    view: View, space: Space, now: int, start: bytes, end: bytes | None, *, reverse: bool
) -> Iterator[tuple[bytes, bytes, int]]:
    """Walk over values and expiries side by side; every expiry is that of a value."""
    expiries = _scan(view, space.expiries, start, end, reverse=reverse)
    at = next(expiries, None)
    for key, value in _scan(view, space.prefix, start, end, reverse=reverse):
        bare = key[DATA_PREFIX_BYTES:]
        while at is not None and _comes_before(at[0][DATA_PREFIX_BYTES:], bare, reverse=reverse):
            at = next(expiries, None)
        is_timed = at is not None and at[0][DATA_PREFIX_BYTES:] == bare
        expires = unpack_time(at[1]) if at is not None and is_timed else 0
        if not 0 < expires <= now:
            yield key, value, expires


def _comes_before(one: bytes, other: bytes, *, reverse: bool) -> bool:
    return one > other if reverse else one < other


def _scan(
    view: View, prefix: bytes, start: bytes, end: bytes | None, *, reverse: bool
) -> Iterator[tuple[bytes, bytes]]:
    last = after_prefix(prefix) if end is None else prefix + end
    return view.scan(prefix + start, last, reverse=reverse)
