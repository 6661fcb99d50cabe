"""The host's half of the copies: bytes into a bridge's memory, and out of it.

The memory of a bridge is ours, and where memories are packed we know where it lies. So
bytes need not cross the engine as values: the host copies them into that memory, and a
short text says where they are (`_compose.text_bridge`). The guest's own memory is never
touched from here; code of the bridge moves what is for the guest, as it does with text.

A stale address would write into another tenant: a memory that grows may move, and its
old place is given to the next instance at once. Hence the invariant, which the shape of
`Staging` keeps:

- It stores no address. Each copy reads address and size from the live memory, checks
  both ends against that size in Python's integers, which do not overflow, and is over
  when the function returns. It holds the interpreter's lock throughout: nothing grows
  or ends a memory meanwhile. No view and no address leaves the module.
- It copies only between two steps of the engine: before a call's first poll and after
  its last, or in a callback, while the guest stands in it, on the thread that polls.
- A memory that has ended has no bytes: each copy out of it is refused, none goes in.

A component's bridges are found by nonces, 16 random bytes of the compile child's with
which their memories begin. A guest does not learn them; should another memory begin
so all the same, the bytes of that component's bridge cross as text. So they do where
memories are not packed, in the start code, and when the memory has no room yet: the
text makes it grow, and the next payload of that size is copied.

Rejected: an export that makes room (one more entry into the guest for each growth, and
none for imports), and the guest's own memory (two copies less at 1 MiB, but each
pointer of the guest's would have to be checked here).
"""

from __future__ import annotations

import struct
from binascii import hexlify, unhexlify
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from .._compose.bridging import Side
from .._compose.text_bridge import COPIES_AT, HEADER, STAGED_MARK, USED_AT
from .._wasmtime.bindings import memory as process_memory
from .._wasmtime.bindings import writable_memory
from .._wasmtime.slot_allocator import Memory

STAGED = STAGED_MARK.to_bytes(2, "little")
SIDES = tuple(Side)

_header = struct.Struct(HEADER)
_word = struct.Struct("<I")
_read_word, _write_word = _word.unpack_from, _word.pack_into
_place = struct.Struct("<II")
_read_place: Callable[[bytes], tuple[int, int]] = _place.unpack
_ONE = _word.pack(1)


class OutsideMemory(Exception):
    """A bridge has named bytes that are not in its memory."""


class Staging:
    """The memory of one bridge of one instance; see the module for what must hold."""

    __slots__ = ("_heap", "_memory")

    def __init__(self, memory: Memory, heap: int) -> None:
        self._memory = memory
        self._heap = heap

    def put(self, data: bytes) -> bytes | None:
        """Copy a payload in.

        Returns:
            The text that stands for it; None when there is no room.
        """
        memory, size = self._memory, len(data)
        if memory.size <= self._heap:
            return None
        base = memory.address
        at = self._heap + _read_word(writable_memory, base + USED_AT)[0]
        end = at + size
        if end > memory.size:
            return None
        writable_memory[base + at : base + end] = data
        _write_word(writable_memory, base + USED_AT, (end - self._heap + 15) & -16)
        return STAGED + hexlify(_place.pack(at, size))

    def size_of(self, text: bytes) -> int:
        """Return how many bytes a text stands for, for the allowance; nothing is copied."""
        _, size = _read_place(unhexlify(text[2:]))
        return size

    def take(self, text: bytes) -> bytes:
        """Copy the payload out that a text stands for.

        Raises:
            OutsideMemory: it is not in the memory, or that has ended.
        """
        at, size = _read_place(unhexlify(text[2:]))
        memory = self._memory
        if at + size > memory.size:
            raise OutsideMemory
        start = memory.address + at
        return process_memory[start : start + size]

    def forget(self) -> None:
        """Give the room back that the arguments of a call took which does not begin."""
        memory = self._memory
        if memory.size:
            _write_word(writable_memory, memory.address + USED_AT, 0)

    def rest(self) -> None:
        """Give the pages of the payloads back; only while no call is in progress."""
        self._memory.rest()


Stagings: TypeAlias = tuple[Staging | None, ...]
"""By the position of a bridge's side in `SIDES`; None for bytes that cross as text."""
NO_STAGINGS: Stagings = (None,) * len(SIDES)


class StagingFinder:
    """Finds the memories of a component's bridges among those of an instance.

    They are made in the same order for each instance, so the first one shows which they
    are. Of the others only that one is looked at.

    Args:
        nonces: by side, what the memories begin with, in hex.
    """

    def __init__(self, nonces: Mapping[str, str]) -> None:
        self._nonces = {Side(side): bytes.fromhex(nonce) for side, nonce in nonces.items()}
        self._places: dict[Side, int] | None = None

    @property
    def has_found(self) -> bool:
        """Whether each bridge that has a nonce was found in the first instance."""
        return (
            bool(self._nonces)
            and self._places is not None
            and (self._places.keys() == self._nonces.keys())
        )

    def find(self, memories: Sequence[Memory]) -> Stagings:
        """Return the bridges of an instance that has begun, and let their code use copies."""
        if not memories or not self._nonces:
            return NO_STAGINGS
        if self._places is None:
            self._places = {
                side: hits[0]
                for side, nonce in self._nonces.items()
                if len(hits := [at for at, each in enumerate(memories) if _begins(each, nonce)])
                == 1
            }
        return tuple([self._staging(side, memories) for side in SIDES])

    def _staging(self, side: Side, memories: Sequence[Memory]) -> Staging | None:
        place = (self._places or {}).get(side)
        if place is None or place >= len(memories):
            return None
        found = memories[place]
        if not _begins(found, self._nonces[side]):
            return None
        heap = _header.unpack_from(writable_memory, found.address)[3]
        writable_memory[found.address + COPIES_AT : found.address + COPIES_AT + 4] = _ONE
        return Staging(found, heap)


def _begins(memory: Memory, nonce: bytes) -> bool:
    if memory.size < _header.size:
        return False
    return process_memory[memory.address : memory.address + len(nonce)] == nonce
