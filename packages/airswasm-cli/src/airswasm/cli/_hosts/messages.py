"""Messages to components, and what they cost, by a `System` of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .._control.document import Document
from .stored_host import to_document

if TYPE_CHECKING:
    from airswasm.lifecycle import System

__all__ = ("MessageHost", "LocalMessages")


class MessageHost(Protocol):
    """The messages to components of a host."""

    async def send(
        self,
        name: str,
        payload: bytes,
        timeout: float = 30.0,
        correlation: str = "",
        traceparent: str = "",
    ) -> bytes | None:
        """Deliver a message and return the reply."""
        ...

    async def deliver(
        self,
        name: str,
        payload: bytes,
        timeout: float = 30.0,
        correlation: str = "",
        traceparent: str = "",
    ) -> Document:
        """Deliver a message and return its receipt, with the reply or the error."""
        ...

    async def codecs(self, name: str) -> Document:
        """Return the codecs of the messages that a component reads."""
        ...

    async def publish(
        self,
        topic: str,
        payload: bytes,
        retain: bool = False,
        correlation: str = "",
        traceparent: str = "",
    ) -> Document:
        """Publish to a topic; return the number of mailboxes."""
        ...

    async def profile(self, name: str) -> Document:
        """Return where a component's time and fuel go."""
        ...


class LocalMessages:
    """The messages of a `System`, in documents."""

    def __init__(self, system: System) -> None:
        self._system = system

    async def send(
        self,
        name: str,
        payload: bytes,
        timeout: float = 30.0,
        correlation: str = "",
        traceparent: str = "",
    ) -> bytes | None:
        """See `MessageHost`."""
        return await self._system.send(
            name, payload, timeout, correlation=correlation, traceparent=traceparent
        )

    async def deliver(
        self,
        name: str,
        payload: bytes,
        timeout: float = 30.0,
        correlation: str = "",
        traceparent: str = "",
    ) -> Document:
        """See `MessageHost`."""
        from base64 import b64encode

        from .._control.answers import MessageReport
        from .._session.problem import problem_of
        from .._session.problem import to_document as to_error

        done = await self._system.deliver(
            name, payload, timeout, correlation=correlation, traceparent=traceparent
        )
        return to_document(
            MessageReport(
                reply=None if done.reply is None else b64encode(done.reply).decode(),
                error=None if done.error is None else to_error(problem_of(done.error)),
                receipt=done.receipt,
            )
        )

    async def codecs(self, name: str) -> Document:
        """See `MessageHost`."""
        from .._control.answers import CodecReport

        read = self._system.acceptance_of(name)
        return to_document(CodecReport(read.accepts, read.prefers))

    async def publish(
        self,
        topic: str,
        payload: bytes,
        retain: bool = False,
        correlation: str = "",
        traceparent: str = "",
    ) -> Document:
        """See `MessageHost`."""
        from .._control.answers import Publication

        count = await self._system.publish(
            topic, payload, retain=retain, correlation=correlation, traceparent=traceparent
        )
        return to_document(Publication(topic, count))

    async def profile(self, name: str) -> Document:
        """See `MessageHost`."""
        return to_document(self._system.profile(name))
