"""Look through a binary payload of strangers before a decoder makes objects of it.

CBOR and MessagePack are alike: an item is a number or constant, a string of so many bytes, or a
container of so many items. One walk holds both to the same model and the same bounds: no length
beyond the payload (a decoder would reserve room for it), a bounded depth, a bounded number of
containers (an empty list takes sixty times the byte that it is written as), keys that are strings,
nothing after the value. It builds nothing, and goes in steps: a megabyte may hold a million items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from re import Pattern
from typing import TypeAlias

from ..errors import InvalidPayload

__all__ = ("ATOM", "LIST", "MAP", "MOST_CONTAINERS", "MOST_DEPTH", "STRING", "Head", "walk")

ATOM, STRING, LIST, MAP = range(4)
MOST_DEPTH = 32
MOST_CONTAINERS = 50_000
"""In one payload: some 12 MB of maps of one key, made in some 20 ms."""
_STEP_ITEMS = 1_000
"""Items in one step: less than a millisecond."""

Head: TypeAlias = Callable[[bytes, int, int], tuple[int, int, int]]
"""Given payload, position and end: the kind of an item, its number of bytes or items, and the
position after its head. Raises `InvalidPayload` for what is no item."""


def walk(
    codec: str, payload: bytes, start: int, head: Head, plain: Pattern[bytes]
) -> Iterator[None]:
    """Look at every item of a payload.

    Args:
        codec: The codec's name, for the error.
        payload: The payload with its prefix.
        start: Where the value begins.
        head: Reads the head of one item.
        plain: Matches a run of items of one byte each.

    Yields:
        After each step.

    Raises:
        InvalidPayload: The payload has another shape.
    """
    end, position = len(payload), start
    left, is_map = 1, False  # items to come in the innermost container
    outer: list[tuple[int, bool]] = []
    seen = containers = 0
    while left or outer:
        if not left:
            left, is_map = outer.pop()
            continue
        seen += 1
        if seen >= _STEP_ITEMS:
            yield
            seen = 0
        if not is_map and (run := plain.match(payload, position, position + left)):
            left -= run.end() - position
            position = run.end()
            continue
        left -= 1
        at = position
        kind, size, position = head(payload, at, end)
        if is_map and left & 1 and kind != STRING:
            raise InvalidPayload(codec, at, "a map key is neither a text nor bytes")
        if kind == STRING:
            position += size
        if kind < LIST:
            if position > end:
                raise InvalidPayload(codec, at, "a length reaches beyond the payload")
            continue
        outer.append((left, is_map))
        containers += 1
        is_map = kind == MAP
        left = size * 2 if is_map else size
        if left > end - position:  # each item takes at least a byte
            raise InvalidPayload(codec, at, "a length reaches beyond the payload")
        if len(outer) > MOST_DEPTH:
            raise InvalidPayload(codec, at, f"it is nested deeper than {MOST_DEPTH}")
        if containers > MOST_CONTAINERS:
            raise InvalidPayload(codec, at, f"it has more than {MOST_CONTAINERS:,} lists and maps")
    if position != end:
        raise InvalidPayload(codec, position, "bytes follow the value")
