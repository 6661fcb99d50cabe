"""Messages from Python code: values in, values out.

Components exchange bytes. A `Messenger` encodes what it sends with one codec, and decodes the
answers to what it has encoded by their prefix, so that Python code handles values. It is for
trusted code: it needs no capability and counts no rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import cast

import anyio
import anyio.lowlevel
from airswasm.actor import HOST, Accepted, ActorError, Context, Envelope, MessageBroker

from ._addresses import check_address
from ._codecs.codec import NONE
from ._codecs.installed import Codecs
from ._envelopes import new_chain, retained_value
from ._retained import RetainedTopics
from .errors import InvalidEnvelope, MessagingError

__all__ = ("Messenger",)


class Messenger:
    """Sends values over a broker.

    Args:
        broker: The actor system's broker.
        sender: The name that receivers see as the sender.
        codec: The encoding of values: the name of an installed codec, or `none` for bytes and
            texts as they are.
        timeout: Seconds to wait for an answer, unless a call sets another time.
        correlation: The id of a conversation that its messages belong to.
        traceparent: The W3C trace context of its messages.
        retained: Where `publish` keeps the values of topics.
        codecs: The codecs to choose from; None for those that are installed.

    Raises:
        InvalidEnvelope: The correlation or the trace context is malformed.
    """

    def __init__(
        self,
        broker: MessageBroker,
        *,
        sender: str = HOST,
        codec: str = "cbor",
        timeout: float = 5.0,
        correlation: str = "",
        traceparent: str = "",
        retained: RetainedTopics | None = None,
        codecs: Codecs | None = None,
    ) -> None:
        self._broker = broker
        self._context: Context | None = None
        self._chain = new_chain(correlation=correlation, traceparent=traceparent)
        self._retained = retained
        self._sender = sender
        self._codec = codec
        self._codecs = codecs or Codecs.find()
        self._timeout = timeout

    @classmethod
    def of(
        cls,
        context: Context,
        *,
        codec: str = "cbor",
        timeout: float = 5.0,
        retained: RetainedTopics | None = None,
    ) -> Messenger:
        """Return the messenger of an actor: its messages continue the chain of the one in hand."""
        made = cls(
            context.broker, sender=context.name, codec=codec, timeout=timeout, retained=retained
        )
        made._context = context
        return made

    def tell(
        self,
        target: str,
        value: object,
        *,
        codec: str | None = None,
        expires_after: float | None = None,
    ) -> None:
        """Put a message into the target's mailbox; do not wait, and not for a disk either.

        Args:
            target: The name.
            value: The value.
            codec: Another codec than the messenger's.
            expires_after: Seconds after which it is worthless: it is not handled any more then,
                nor is what follows from it.

        Raises:
            InvalidAddress: The target's name is malformed.
            UnknownCodec: No such codec is installed.
            Unencodable: The codec has no form for the value.
            CodecNotAccepted: The target does not read the codec.
            DeliveryError: The broker did not accept the message, see `MessageBroker.tell`.
        """
        payload = self._codecs.encode(value, codec or self._codec)
        envelope = self._envelope(target, expires_after)
        self._broker.tell(check_address(target), payload, sender=self._sender, envelope=envelope)

    def broadcast(
        self,
        targets: Iterable[str],
        value: object,
        *,
        codec: str | None = None,
        expires_after: float | None = None,
    ) -> list[MessagingError | ActorError | None]:
        """Put one message into the mailboxes of several targets; do not wait.

        Returns:
            The error of each target, in their order; None for one that has the message.

        Raises:
            Unencodable: The codec has no form for the value.
        """
        payload = self._codecs.encode(value, codec or self._codec)
        return [self._tell_one(target, payload, expires_after) for target in targets]

    def _tell_one(
        self, target: str, payload: bytes, expires_after: float | None
    ) -> MessagingError | ActorError | None:
        try:
            envelope = self._envelope(target, expires_after)
            self._broker.tell(
                check_address(target), payload, sender=self._sender, envelope=envelope
            )
        except (MessagingError, ActorError) as error:
            return error
        return None

    def _envelope(
        self, target: str, expires_after: float | None = None, *, is_question: bool = False
    ) -> Envelope | None:
        """Return what travels with a message: the chain of the one in hand, or a chain's start."""
        chain = self._chain
        if self._context is not None:
            chain = self._context.following(target, is_question=is_question)
        if expires_after is None:
            return chain
        if math.isnan(expires_after):
            raise InvalidEnvelope("expires_after", "nan", "a number of seconds")
        known, deadline = chain or Envelope(), self._broker.wall_time() + expires_after
        if known.deadline is not None:
            deadline = min(deadline, known.deadline)
        return Envelope("", known.correlation, deadline, known.hops, known.traceparent)

    async def send(
        self,
        target: str,
        value: object,
        *,
        codec: str | None = None,
        expires_after: float | None = None,
    ) -> None:
        """Put a message into the target's mailbox, and wait until it is accepted.

        A durable target has accepted it when it is on the disk; `tell` returns before that. A
        cancel leaves it sent, perhaps not on the disk yet.

        Args:
            target: The name.
            value: The value.
            codec: Another codec than the messenger's.
            expires_after: Seconds after which it is worthless, as for `tell`.

        Raises:
            InvalidAddress: The target's name is malformed.
            Unencodable: The codec has no form for the value.
            DeliveryError: It was not accepted: see `MessageBroker.tell`; or the disk refused it.
        """
        accepted = anyio.Event()
        errors: list[BaseException] = []

        def end(error: BaseException | None) -> None:
            if error is not None:
                errors.append(error)
            accepted.set()

        payload = self._codecs.encode(value, codec or self._codec)
        envelope = self._envelope(target, expires_after)
        is_accepted = self._broker.submit(
            check_address(target), payload, end, sender=self._sender, envelope=envelope
        )
        if is_accepted:
            await anyio.lowlevel.checkpoint()
            return
        await accepted.wait()
        if errors:
            raise errors[0]

    async def ask(
        self,
        target: str,
        value: object,
        *,
        timeout: float | None = None,
        codec: str | None = None,
    ) -> object:
        """Send a message and wait for the answer. A cancel ends the wait.

        Returns:
            The answer, None without one. With a codec, it is decoded by its prefix, which may name
            another codec; bytes that begin with the prefix of none that is decoded here, and all
            answers with `none`, are as they were sent.

        Raises:
            InvalidAddress: The target's name is malformed.
            UnknownCodec: No such codec is installed.
            Unencodable: The codec has no form for the value.
            CodecNotAccepted: The target does not read the codec.
            InvalidPayload: The answer is malformed.
            DeliveryError, AskError: As for `MessageBroker.ask`.
        """
        name = codec or self._codec
        answer = await self._broker.ask(
            check_address(target),
            self._codecs.encode(value, name),
            timeout=self._timeout if timeout is None else timeout,
            sender=self._sender,
            envelope=self._envelope(target, is_question=True),
        )
        if name == NONE or not isinstance(answer, bytes):
            return answer
        its_codec = self._codecs.of(answer)
        if its_codec is None or its_codec.decode is None:
            return answer
        steps = self._codecs.read(answer)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return cast("object", end.value)
            await anyio.lowlevel.checkpoint()  # a component may have sent it

    def publish(
        self,
        topic: str,
        value: object,
        *,
        codec: str | None = None,
        expires_after: float | None = None,
        retain: bool = False,
    ) -> int:
        """Publish to a topic; return the number of mailboxes that accepted it.

        A subscriber that does not read the codec is left out.

        Args:
            topic: The topic.
            value: The value.
            codec: Another codec than the messenger's.
            expires_after: Seconds after which it is worthless.
            retain: Whether later subscribers get it, too; an empty payload (`b""` with the codec
                `none`) removes what the topic has.

        Raises:
            InvalidTopic: The topic is malformed.
            Unencodable: The codec has no form for the value.
            RetainedFull: There is no room to retain it; nothing was published.
            ValueError: The messenger was made without `retained`.
        """
        payload = self._codecs.encode(value, codec or self._codec)
        envelope = self._envelope(topic, expires_after)
        take_back = self._retain(topic, payload, envelope, None) if retain else _nothing
        try:
            return self._broker.publish(topic, payload, sender=self._sender, envelope=envelope)
        except BaseException:
            take_back()
            raise

    async def publish_and_wait(
        self,
        topic: str,
        value: object,
        *,
        codec: str | None = None,
        expires_after: float | None = None,
        retain: bool = False,
    ) -> int:
        """Publish as `publish` does, and wait for the disk where it has a part in it.

        It has the messages of durable subscribers then, and a retained value that outlives the
        host. A cancel leaves the publication sent, perhaps not on the disk yet.

        Args:
            topic: The topic.
            value: The value.
            codec: Another codec than the messenger's.
            expires_after: Seconds after which it is worthless.
            retain: Whether later subscribers get it, too.

        Returns:
            The number of mailboxes that accepted it.

        Raises:
            InvalidTopic, Unencodable, RetainedFull, ValueError: As for `publish`.
            MessageNotWritten: The disk refuses; the topic has the value that it had before.
        """
        payload = self._codecs.encode(value, codec or self._codec)
        envelope = self._envelope(topic, expires_after)
        written, left, errors = anyio.Event(), 1, list[BaseException]()

        def end(error: BaseException | None) -> None:
            nonlocal left
            errors.extend(() if error is None else (error,))
            left -= 1
            if not left:
                written.set()

        left += retain
        take_back = self._retain(topic, payload, envelope, end) if retain else _nothing
        try:
            count, is_all = self._broker.submit_publication(
                topic, payload, end, sender=self._sender, envelope=envelope
            )
        except BaseException:
            take_back()
            raise
        if is_all:
            end(None)
        await written.wait()
        if errors:
            take_back()
            raise errors[0]
        return count

    def _retain(
        self, topic: str, payload: bytes, envelope: Envelope | None, done: Accepted | None
    ) -> Callable[[], None]:
        """Keep a payload as the value of a topic; return what takes it back."""
        if self._retained is None:
            raise ValueError("the messenger retains nothing: make it with `retained`")
        self._broker.check_topic(topic)
        value = retained_value(topic, payload, self._sender, envelope, self._broker)
        return self._retained.retain(value, done)


def _nothing() -> None:
    """Take nothing back: no value was retained."""
