"""Operations on dead letters, and the tap, by a `System` of this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from .._control.document import Document
from .stored_host import to_document

if TYPE_CHECKING:
    from airswasm.lifecycle import System
    from airswasm.messaging import TapEvent

__all__ = ("LetterHost", "LocalLetters")


class LetterHost(Protocol):
    """A home's dead letters."""

    async def dead_letters(
        self, name: str = "", reason: str = "", since: float | None = None, recent: int = 100
    ) -> AsyncIterator[Document]:
        """Return the messages that were not handled, oldest first."""
        ...

    async def dead_letter(self, letter: str) -> Document:
        """Return a dead letter with the evidence."""
        ...

    async def dead_letter_payload(self, letter: str) -> bytes | None:
        """Return the payload of a dead letter; None if it was not kept."""
        ...

    async def replay_letter(
        self, letter: str, to: str | None = None, timeout: float = 30.0
    ) -> Document:
        """Send the message of a dead letter again, and return the outcome."""
        ...

    async def drop_letters(self, letters: str = "", name: str = "") -> int:
        """Remove dead letters; return how many."""
        ...

    async def tap(
        self, pattern: str = "**", sample: int = 1, rate: float = 1_000.0
    ) -> AsyncIterator[Document]:
        """Return live traffic, without payloads and without an end."""
        ...

    async def tap_payloads(
        self, pattern: str = "**", sample: int = 1, rate: float = 1_000.0, most: int = 1_024
    ) -> AsyncIterator[Document]:
        """Return live traffic with payloads, without an end."""
        ...


class LocalLetters:
    """The dead letters and the traffic of a `System`, in documents.

    Args:
        system: The open system.
    """

    def __init__(self, system: System) -> None:
        self._of = system

    async def dead_letters(
        self, name: str = "", reason: str = "", since: float | None = None, recent: int = 100
    ) -> AsyncIterator[Document]:
        """See `LetterHost`."""
        return self._listed(name, reason, since, recent)

    async def dead_letter(self, letter: str) -> Document:
        """See `LetterHost`."""
        from .._control.letter_answers import letter_document

        return to_document(letter_document(await self._of.dead_letters.get(letter)))

    async def dead_letter_payload(self, letter: str) -> bytes | None:
        """See `LetterHost`."""
        return (await self._of.dead_letters.get(letter)).payload

    async def replay_letter(
        self, letter: str, to: str | None = None, timeout: float = 30.0
    ) -> Document:
        """See `LetterHost`."""
        from .._control.letter_answers import replay_document

        done = await self._of.dead_letters.replay(letter, to=to, timeout=timeout)
        return to_document(replay_document(done))

    async def drop_letters(self, letters: str = "", name: str = "") -> int:
        """See `LetterHost`."""
        if name:
            return await self._of.dead_letters.drop_all(name)
        named = tuple(dict.fromkeys(filter(None, letters.split(","))))
        await self._of.dead_letters.drop(*named)
        return len(named)

    async def tap(
        self, pattern: str = "**", sample: int = 1, rate: float = 1_000.0
    ) -> AsyncIterator[Document]:
        """See `LetterHost`."""
        return _tapped(self._of.tap(pattern, sample=sample, rate=rate))

    async def tap_payloads(
        self, pattern: str = "**", sample: int = 1, rate: float = 1_000.0, most: int = 1_024
    ) -> AsyncIterator[Document]:
        """See `LetterHost`."""
        return _tapped(self._of.tap(pattern, payload_bytes=most, sample=sample, rate=rate))

    async def _listed(
        self, name: str, reason: str, since: float | None, recent: int
    ) -> AsyncIterator[Document]:
        from .._control.letter_answers import letter_document

        found = self._of.dead_letters.list(name, reason=reason, since=since, last=recent)
        async with aclosing(found):
            async for each in found:
                yield to_document(letter_document(each))


async def _tapped(events: AsyncGenerator[TapEvent]) -> AsyncIterator[Document]:
    from .._control.letter_answers import tap_document

    async with aclosing(events):
        async for each in events:
            yield to_document(tap_document(each))
