"""Objects of which there is one: what they own is freed once."""

from __future__ import annotations

from typing import NoReturn, SupportsIndex

from .errors import NotCopyable

__all__ = ("Single",)


class Single:
    """Base of what owns memory of the engine's, or counts what its owner gives back.

    A copy would free the same memory a second time, which ends the process. Python asks
    `__reduce_ex__` for a copy, a deep copy and a pickle.
    """

    __slots__ = ()

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> NoReturn:
        raise NotCopyable(type(self).__qualname__)
