"""The messages between those outside of a host and its components; a part of `System`."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
from airswasm.actor import ActorError
from airswasm.messaging import (
    Acceptance,
    Messenger,
    RetainedTopics,
    TapEvent,
    TapPattern,
    new_chain,
)
from airswasm.security import AuditEvent

from ._composition import OpenHome
from ._hosting.exports import InstalledComponent
from ._hosting.profile import Delivered
from ._registry.limits import acceptance_of
from .errors import NotRunning

__all__ = ("DEFAULT_SEND_TIMEOUT", "Talking")

DEFAULT_SEND_TIMEOUT = 30.0


class Talking(OpenHome):
    """Sends to components, calls them, and watches what they send."""

    async def send(
        self,
        name: str,
        payload: bytes,
        timeout: float = DEFAULT_SEND_TIMEOUT,
        *,
        correlation: str = "",
        traceparent: str = "",
    ) -> bytes | None:
        """Deliver one message and wait for the reply.

        A durable component need not run: the message waits for it, also after the time is over.

        Args:
            name: The component.
            payload: The message's bytes.
            timeout: Seconds to wait. They are the message's deadline: after that it is handled
                only if the component had begun.
            correlation: The id of the conversation that it belongs to.
            traceparent: The W3C trace context.

        Returns:
            The reply, or None if there is none.

        Raises:
            HostOffline, NotInstalled, NotRunning: No component of that name can receive.
            InvalidEnvelope: The correlation or the trace context is malformed.
            ActorError: The component gave no answer (`GuestRefused`, `AskTimeout`, …).
        """
        envelope = new_chain(correlation=correlation, traceparent=traceparent)
        await self._wait_present(name, timeout, "send")
        reply = await self._actors.broker.ask(name, payload, timeout=timeout, envelope=envelope)
        return reply if isinstance(reply, bytes) else None

    def component(self, name: str) -> InstalledComponent:
        """Return an installed component, to call the functions that it exports of its own.

        Raises:
            HostOffline, NotInstalled: There is no such component here.
        """
        self._need_online("calling")
        self._registry.get(name)
        return InstalledComponent(name, self._calls)

    def messenger(self, *, correlation: str = "", traceparent: str = "") -> Messenger:
        """Return a messenger of this host, for values instead of bytes, topics and broadcasts.

        Raises:
            HostOffline: The home is open without a running host.
            InvalidEnvelope: The correlation or the trace context is malformed.
        """
        self._need_online("messenger")
        return Messenger(
            self._actors.broker,
            correlation=correlation,
            traceparent=traceparent,
            retained=self.services.get(RetainedTopics),  # type: ignore[type-abstract]
        )

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        correlation: str = "",
        traceparent: str = "",
    ) -> int:
        """Publish to a topic in the host's name, and wait for the disk where it has a part in it.

        Args:
            topic: The topic.
            payload: The message's bytes.
            retain: Whether later subscribers get it, too; an empty payload removes what the topic
                has.
            correlation: The id of the conversation that it belongs to.
            traceparent: The W3C trace context.

        Returns:
            The number of mailboxes that it was put into.

        Raises:
            HostOffline: The home is open without a running host.
            InvalidTopic, InvalidEnvelope: A text is malformed.
            RetainedFull: There is no room to retain it; nothing was published.
            MessageNotWritten: The disk refuses.
        """
        messenger = self.messenger(correlation=correlation, traceparent=traceparent)
        return await messenger.publish_and_wait(topic, payload, codec="none", retain=retain)

    async def post(self, name: str, payload: bytes) -> None:
        """Send one message, and wait until it is accepted: for a durable component, on the disk.

        The reply is dropped. A durable component need not run: it gets the message when it does.

        Raises:
            HostOffline, NotInstalled, NotRunning: No component of that name can receive.
            DeliveryError: It was not accepted (`MailboxFull`, `MessageNotWritten`, …).
        """
        await self._wait_present(name, DEFAULT_SEND_TIMEOUT, "post")
        await Messenger(self._actors.broker, codec="none").send(name, payload)

    async def deliver(
        self,
        name: str,
        payload: bytes,
        timeout: float = DEFAULT_SEND_TIMEOUT,
        *,
        correlation: str = "",
        traceparent: str = "",
    ) -> Delivered:
        """Deliver one message and wait for its receipt.

        Args:
            name: The component.
            payload: The message's bytes.
            timeout: Seconds to wait, as for `send`.
            correlation: The id of the conversation that it belongs to.
            traceparent: The W3C trace context.

        Returns:
            The reply, or the error of the component, and the receipt.

        Raises:
            HostOffline, NotInstalled, NotRunning: No component of that name can receive.
            InvalidEnvelope: The correlation or the trace context is malformed.
            ActorError: The component did not come to handle the message.
        """
        envelope = new_chain(correlation=correlation, traceparent=traceparent)
        await self._wait_present(name, timeout, "deliver")
        request = self._actors.broker.request(
            name,
            payload,
            lambda _request: None,
            timeout=timeout,
            wants_receipt=True,
            envelope=envelope,
        )
        reply: object = None
        error: ActorError | None = None
        try:
            reply = await request.wait()
        except ActorError as failure:
            error = failure
        if request.receipt is None:
            raise error or NotRunning(name, self._hosting.state(name))
        return Delivered(reply if isinstance(reply, bytes) else None, error, request.receipt)

    def acceptance_of(self, name: str) -> Acceptance:
        """Return the codecs of the messages that a component reads.

        Raises:
            NotInstalled: No such component is installed.
            ArtifactCorrupt: Its manifest is missing or changed.
        """
        return acceptance_of(self._stored.manifest(self._registry.get(name)))

    async def _wait_present(self, name: str, timeout: float, action: str) -> None:
        self._need_online(action)
        record = self._registry.get(name)
        if self._hosting.is_expected(name):  # a scope of its own costs as much as the message
            with anyio.move_on_after(timeout):
                await self._hosting.wait_begun(name)
        if not self._hosting.can_receive(name) and not self._actors.broker.is_carried(name):
            raise NotRunning(name, self._reporting.state(record))

    def tap(
        self, pattern: str = "**", *, payload_bytes: int = 0, sample: int = 1, rate: float = 0.0
    ) -> AsyncGenerator[TapEvent]:
        """Iterate over the live traffic until the host stops; the audit log has a line.

        A reader that is too slow loses events, and is told how many; no message waits for it.
        Close it when you leave early: `async with contextlib.aclosing(...)`.

        Args:
            pattern: With a slash a pattern of names, of senders and receivers (`shop/*`); without
                one a pattern of topics (`orders.**`), or one name.
            payload_bytes: How many bytes of each payload to show.
            sample: Show one message of so many, with all that happens to it.
            rate: Events in a second; 0 for no bound.

        Raises:
            HostOffline: This system runs no components.
            InvalidPattern: The pattern is malformed.
            AuditUnavailable: The audit log cannot be written.
        """
        self._need_online("tapping")
        found = TapPattern(pattern)
        how = f"with {payload_bytes} bytes of payloads" if payload_bytes else "without payloads"
        self._audit.record(AuditEvent("tap", outcome="done", resource=pattern, reason=how))
        return self._taps.read(found, payload_bytes=payload_bytes, sample=sample, rate=rate)

    def end_streams(self) -> None:
        """End what follows logs and traffic, after what waits for it: the host is about to stop."""
        self.logs.close()
        if self.mode == "online":
            self._taps.close()
