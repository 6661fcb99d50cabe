"""Operations on timers, by a `System` of this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from .._control.document import Document
from .stored_host import to_document

if TYPE_CHECKING:
    from airswasm.lifecycle import System

__all__ = ("LocalTimers", "TimerHost")


class TimerHost(Protocol):
    """A home's timers."""

    async def timers(self, name: str = "") -> Sequence[Document]:
        """Return the messages that components send later."""
        ...

    async def cancel_timers(self, timers: str = "", name: str = "") -> Sequence[Document]:
        """End timers, and return them as they were."""
        ...


class LocalTimers:
    """The timers of a `System`, in documents.

    Args:
        system: The open system.
    """

    def __init__(self, system: System) -> None:
        self._of = system

    async def timers(self, name: str = "") -> Sequence[Document]:
        """See `TimerHost`."""
        return [to_document(each) for each in self._of.timers.list(name)]

    async def cancel_timers(self, timers: str = "", name: str = "") -> Sequence[Document]:
        """See `TimerHost`."""
        from airswasm.messaging import TimerUnknown

        if name:
            return [to_document(each) for each in await self._of.timers.cancel_all(name)]
        numbers: list[int] = []
        for each in filter(None, timers.split(",")):
            if not each.isascii() or not each.isdigit() or len(each) > _MOST_DIGITS:
                raise TimerUnknown(each)
            numbers.append(int(each))
        return [to_document(each) for each in await self._of.timers.cancel(*numbers)]


_MOST_DIGITS = 20
