"""A namespace's record: how much it holds, and in which generation.

Rejected: charging keys and values alone, as format 1 of the store did. An entry of a three-byte
key without a value was charged 3 bytes, and took up to twenty times that on the disk
(docs/adr/0020).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from .._backends.backend import View
from ..errors import StorageCorrupted
from .keys import data_prefix, deadline_prefix, expiry_prefix

if TYPE_CHECKING:
    import anyio

__all__ = (
    "ENTRY_BYTES",
    "NEVER",
    "Space",
    "charge",
    "expiry_charge",
    "pack_space",
    "pack_time",
    "unpack_time",
)

ENTRY_BYTES = 64
"""Charged for each entry beside key and value, and once more for each row that an expiry adds."""

NEVER = 2**63
"""A time that does not come, in milliseconds."""

_RECORD = struct.Struct(">QQQQ")
_RECORD_1 = struct.Struct(">QQQ")
"""Of stores of format 1, which charged keys and values alone, and knew no expiry."""


def charge(key_bytes: int, value_bytes: int, *, expires: bool = False) -> int:
    """Return the bytes that an entry counts."""
    return key_bytes + value_bytes + ENTRY_BYTES + (expiry_charge(key_bytes) if expires else 0)


def expiry_charge(key_bytes: int) -> int:
    """Return the bytes that an expiry adds, which is two rows of the engine."""
    return 2 * (key_bytes + ENTRY_BYTES)


def pack_time(milliseconds: int) -> bytes:
    """Return the bytes of a time, which sort as the times do."""
    return milliseconds.to_bytes(8, "big")


def unpack_time(stored: bytes | None) -> int:
    """Return a time; 0 where none is stored."""
    return int.from_bytes(stored or b"", "big")


@dataclass(slots=True)
class Space:
    """The state of a namespace in memory; the same object for every handle on it.

    Attributes:
        used_bytes: The bytes of all entries, as `charge` counts them.
        keys: The number of keys.
        timed: How many of them expire.
        due: No entry expires before this time, in milliseconds.
        generation: Where the content is; 0 while there is none. No generation has the number 0,
            so that a namespace without content reads from an empty range.
        prefix: The bytes before each key of the generation.
        touched: While the content is being copied elsewhere: the keys written meanwhile.
    """

    used_bytes: int = 0
    keys: int = 0
    generation: int = 0
    timed: int = 0
    due: int = NEVER
    prefix: bytes = data_prefix(0)
    touched: set[bytes] | None = None
    _turn: anyio.Lock | None = None

    @property
    def turn(self) -> anyio.Lock:
        """Held by the operation that replaces the content; writes need not wait for it."""
        if self._turn is None:
            import anyio  # here, because a reader of a store needs no event loop

            self._turn = anyio.Lock()
        return self._turn

    @property
    def expiries(self) -> bytes:
        """The bytes before each key whose value expires."""
        return expiry_prefix(self.generation)

    @property
    def deadlines(self) -> bytes:
        """The bytes before each time at which a value expires."""
        return deadline_prefix(self.generation)

    @classmethod
    def load(cls, view: View, record_key: bytes) -> Self:
        """Read the record at a key; an absent one is that of an empty namespace.

        Raises:
            StorageError: It cannot be read.
        """
        stored = view.get(record_key)
        if stored is None:
            return cls()
        space = cls.unpack(stored)
        space.find_due(view)
        return space

    @classmethod
    def unpack(cls, stored: bytes) -> Self:
        """Read the bytes of a record, of this format or of the one before.

        Raises:
            StorageCorrupted: They are malformed.
        """
        if len(stored) == _RECORD_1.size:
            used, keys, generation = _RECORD_1.unpack(stored)
            used, timed = used + keys * ENTRY_BYTES, 0
        elif len(stored) == _RECORD.size:
            used, keys, generation, timed = _RECORD.unpack(stored)
        else:
            raise StorageCorrupted("storage", "the record of a namespace is malformed")
        return cls(used, keys, generation, timed, prefix=data_prefix(generation))

    def find_due(self, view: View, after: int = 0) -> None:
        """Look up when the next entry expires.

        Args:
            view: The source.
            after: No entry expires before. The engine need not step over what was removed there.

        Raises:
            StorageError: The store cannot be read.
        """
        self.due = NEVER
        if self.timed:
            start = self.deadlines
            for key, _ in view.scan(start + pack_time(after), start + pack_time(NEVER)):
                self.due = unpack_time(key[len(start) : len(start) + 8])
                return

    def set(self, used_bytes: int, keys: int, generation: int, timed: int = 0) -> None:
        """Take over what was applied."""
        self.used_bytes, self.keys, self.timed = used_bytes, keys, timed
        if not timed:
            self.due = NEVER
        if generation != self.generation:
            self.generation, self.prefix = generation, data_prefix(generation)


def pack_space(used_bytes: int, keys: int, generation: int, timed: int = 0) -> bytes | None:
    """Return the bytes of a record, or None, which removes it, when there are no keys."""
    return _RECORD.pack(used_bytes, keys, generation, timed) if keys else None
