"""Operations on recorded messages, by a `System` of this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from .._control.document import Document
from .stored_host import to_document

if TYPE_CHECKING:
    from airswasm.lifecycle import System

__all__ = ("LocalRecordings", "RecordingHost")


class RecordingHost(Protocol):
    """A home's recorded messages."""

    async def recordings(self) -> Sequence[Document]:
        """Return the recordings of messages."""
        ...

    async def recorded_messages(self, name: str) -> AsyncIterator[Document]:
        """Return the recorded messages of a component, without their content."""
        ...

    async def replay(self, name: str, to: str | None = None) -> Document:
        """Try a retained version on the recorded messages of a component, without an effect."""
        ...

    async def forget_recording(self, name: str) -> int:
        """Remove the recorded messages of a component; return how many."""
        ...


class LocalRecordings:
    """The recordings of a `System`, in documents.

    Args:
        system: The open system.
    """

    def __init__(self, system: System) -> None:
        self._of = system

    async def recordings(self) -> Sequence[Document]:
        """See `RecordingHost`."""
        return [to_document(each) for each in self._of.recordings.list()]

    async def recorded_messages(self, name: str) -> AsyncIterator[Document]:
        """See `RecordingHost`."""
        return self._recorded(name)

    async def replay(self, name: str, to: str | None = None) -> Document:
        """See `RecordingHost`."""
        from .._control.recording_answers import report_document

        return to_document(report_document(await self._of.recordings.replay(name, to)))

    async def forget_recording(self, name: str) -> int:
        """See `RecordingHost`."""
        return await self._of.recordings.forget(name)

    async def _recorded(self, name: str) -> AsyncIterator[Document]:
        from .._control.recording_answers import recorded_document

        async with aclosing(self._of.recordings.messages(name)) as found:
            async for each in found:
                yield to_document(recorded_document(each))
