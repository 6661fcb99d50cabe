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

A component's bridges are found by nonces: 16 random bytes of the compile child's, which
the code of a bridge writes to the beginning of its memory in each call. The host looks
for them when a payload has crossed as text that could be copied: the bridge has written
them then, and of two memories that begin so, one is not ours. A guest does not learn
them; should it write them all the same, the bytes of that component's bridge cross as
text. So they do where memories are not packed, in an instance's first calls, and when the
memory has no room yet: the text makes it grow, and the next payload of that size is
copied.

Rejected: an export that makes room (one more entry into the guest for each growth, and
none for imports), and the guest's own memory (two copies less at 1 MiB, but each
pointer of the guest's would have to be checked here).
"""

from __future__ import annotations

import struct
from binascii import hexlify, unhexlify
from collections.abc import Callable, Sequence
from typing import TypeAlias

from .._compose.bridging import Side
from .._compose.text_bridge import (
    COPIES_AT,
    HEAP_AT,
    NONCE_BYTES,
    RESULT_AREA,
    STAGED_MARK,
    USED_AT,
)
from .._wasmtime.bindings import memory as process_memory
from .._wasmtime.bindings import writable_memory
from .._wasmtime.slot_allocator import Memory

STAGED = STAGED_MARK.to_bytes(2, "little")
SIDES = tuple(Side)

_word = struct.Struct("<I")
_read_word, _write_word = _word.unpack_from, _word.pack_into
_place = struct.Struct("<II")
_pack_place = _place.pack
_read_place: Callable[[bytes], tuple[int, int]] = _place.unpack


class OutsideMemory(Exception):
    """A bridge has named bytes that are not in its memory."""


class StagingFinder:
    """Finds the memory of one bridge among those of an instance.

    They are made in the same order for each instance, so the first one shows which it is. Of
    the others only that one is looked at.

    Args:
        nonce: what it begins with, in hex.
    """

    __slots__ = ("_nonce", "_place", "is_forged")

    def __init__(self, nonce: str) -> None:
        self._nonce = bytes.fromhex(nonce)
        self._place: int | None = None
        self.is_forged = False

    @property
    def has_found(self) -> bool:
        """Whether an instance has shown which memory it is."""
        return self._place is not None

    def find(self, memories: Sequence[Memory]) -> Memory | None:
        """Return the bridge's memory, once it has begun to use it."""
        if self.is_forged:
            return None
        if self._place is None:
            hits = [at for at, each in enumerate(memories) if self._begins(each)]
            self.is_forged = len(hits) > 1
            if len(hits) != 1:
                return None
            self._place = hits[0]
        if self._place >= len(memories):
            return None
        found = memories[self._place]
        return found if self._begins(found) else None

    def _begins(self, memory: Memory) -> bool:
        if memory.size < RESULT_AREA:
            return False
        return process_memory[memory.address : memory.address + NONCE_BYTES] == self._nonce


class Staging:
    """The memory of one bridge of one instance; see the module for what must hold.

    Args:
        finder: finds it.
        memories: those of the instance, while there are any.
        has_begun: whether the bridge has certainly written its nonce whenever this is used.
    """

    __slots__ = ("_finder", "_has_begun", "_heap", "_memories", "_memory")

    def __init__(
        self, finder: StagingFinder, memories: Sequence[Memory], *, has_begun: bool
    ) -> None:
        self._finder = finder
        self._has_begun = has_begun
        self._memories = memories
        self._memory: Memory | None = None
        self._heap = 0

    def begin(self) -> None:
        """Note that the bridge's code has run, so that its memory can be looked for."""
        self._has_begun = True

    def find(self) -> Memory | None:
        """Look for the memory, if it is not known, and let the bridge's code name places in it."""
        if (
            self._memory is None
            and self._has_begun
            and (found := self._finder.find(self._memories)) is not None
        ):
            base = found.address
            self._heap = _read_word(writable_memory, base + HEAP_AT)[0]
            _write_word(writable_memory, base + COPIES_AT, 1)
            self._memory = found
        return self._memory

    def put(self, data: bytes) -> bytes | None:
        """Copy a payload in.

        Returns:
            The text that stands for it; None when there is no room.
        """
        memory, size = self._memory or self.find(), len(data)
        if memory is None or memory.size <= self._heap:
            return None
        base = memory.address
        at = self._heap + _read_word(writable_memory, base + USED_AT)[0]
        end = at + size
        if end > memory.size:
            return None
        writable_memory[base + at : base + end] = data
        _write_word(writable_memory, base + USED_AT, (end - self._heap + 15) & -16)
        return STAGED + hexlify(_pack_place(at, size))

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
        if memory is None or at + size > memory.size:
            raise OutsideMemory
        start = memory.address + at
        return process_memory[start : start + size]

    def forget(self) -> None:
        """Give the room back that the arguments of a call took which does not begin."""
        memory = self._memory
        if memory is not None and memory.size:
            _write_word(writable_memory, memory.address + USED_AT, 0)

    def rest(self) -> None:
        """Give the pages of the payloads back; only while no call is in progress."""
        if self._memory is not None:
            self._memory.rest()


Stagings: TypeAlias = tuple[Staging | None, ...]
"""By the position of a bridge's side in `SIDES`; None for bytes that cross as text."""
NO_STAGINGS: Stagings = (None,) * len(SIDES)
