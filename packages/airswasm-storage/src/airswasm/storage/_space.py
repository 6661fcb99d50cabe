"""A namespace's record: how much it holds, and in which generation."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ._backend import View
from ._keys import data_prefix
from .errors import StorageCorrupted

if TYPE_CHECKING:
    import anyio

_RECORD = struct.Struct(">QQQ")
_NOWHERE = data_prefix(0)
"""No generation has the number 0, so a namespace that holds nothing reads from an empty range."""


@dataclass(slots=True)
class Space:
    """The state of a namespace in memory; the same object for every handle on it.

    Attributes:
        used_bytes: The bytes of all keys and values.
        keys: The number of keys.
        generation: Where the content is; 0 while there is none.
        prefix: The bytes before each key of the generation.
        touched: While the content is being copied elsewhere: the keys written meanwhile.
    """

    used_bytes: int = 0
    keys: int = 0
    generation: int = 0
    prefix: bytes = _NOWHERE
    touched: set[bytes] | None = None
    _turn: anyio.Lock | None = None

    @property
    def turn(self) -> anyio.Lock:
        """Held by the operation that replaces the content; writes need not wait for it."""
        if self._turn is None:
            import anyio  # here, because a reader of a store needs no event loop

            self._turn = anyio.Lock()
        return self._turn

    @classmethod
    def load(cls, view: View, record_key: bytes) -> Self:
        """Read the record at a key; an absent one is that of an empty namespace.

        Raises:
            StorageError: It cannot be read.
        """
        stored = view.get(record_key)
        return cls() if stored is None else cls.unpack(stored)

    @classmethod
    def unpack(cls, stored: bytes) -> Self:
        """Read the bytes of a record.

        Raises:
            StorageCorrupted: They are malformed.
        """
        if len(stored) != _RECORD.size:
            raise StorageCorrupted("storage", "the record of a namespace is malformed")
        used, keys, generation = _RECORD.unpack(stored)
        return cls(used, keys, generation, data_prefix(generation))

    def set(self, used_bytes: int, keys: int, generation: int) -> None:
        """Take over what was applied."""
        self.used_bytes, self.keys = used_bytes, keys
        if generation != self.generation:
            self.generation, self.prefix = generation, data_prefix(generation)


def pack_space(used_bytes: int, keys: int, generation: int) -> bytes | None:
    """Return the bytes of a record, or None, which removes it, when there are no keys."""
    return _RECORD.pack(used_bytes, keys, generation) if keys else None
