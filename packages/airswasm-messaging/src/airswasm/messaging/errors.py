"""Errors of this block, with one class for each condition.

Errors between actors (no route, full mailbox, time-out, ...) keep their types from airswasm-actor;
this module adds only this block's own.
"""

from __future__ import annotations

from airswasm.actor.errors import DeliveryError, MailboxFull, MessageTooLarge
from airswasm.wit import AirswasmError, ErrorCode, ExitStatus

__all__ = (
    "MessagingError",
    "InvalidAddress",
    "LetterUnknown",
    "LetterUnkept",
    "CodecError",
    "InvalidPayload",
    "Unencodable",
    "CodecNotAccepted",
    "UnknownCodec",
    "InvalidCodec",
    "PayloadTooLarge",
    "InvalidEnvelope",
    "RateExceeded",
    "MessageNotStorable",
    "DurableMailboxFull",
    "MessageNotWritten",
    "TimerInvalid",
    "TimerUnknown",
    "RecordUnreadable",
    "RetainedFull",
    "TooManyTargets",
)


class MessagingError(AirswasmError):
    """Root of this block's errors."""

    explanation = ErrorCode(
        "E0600",
        "messaging problem",
        "A message failed without a code of its own.",
        "read the message",
    )


class InvalidAddress(MessagingError):
    """The name of a target is malformed."""

    explanation = ErrorCode(
        "E0601",
        "wrong address",
        "The name of a target is malformed.",
        "a component's name is namespace/name",
    )

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        self.reason = reason
        super().__init__(f"{address[:140]!a} is no name to send to: {reason}")


class LetterUnknown(MessagingError):
    """There is no dead letter of an id."""

    explanation = ErrorCode(
        "E0635",
        "no such dead letter",
        "There is no dead letter of that id. It was replayed or dropped, it gave way to newer "
        "ones, or the host ended before it was written.",
        "`airswasm dlq list` shows those that are there",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, letter_id: str) -> None:
        self.letter_id = letter_id
        super().__init__(f"there is no dead letter {letter_id[:64]!a}")


class LetterUnkept(MessagingError):
    """A dead letter cannot be replayed, because its payload could not be kept."""

    explanation = ErrorCode(
        "E0636",
        "no payload to replay",
        "Of this dead letter only the evidence was kept: its payload was no bytes, or too large.",
        "send the message again from its source",
        ExitStatus.REFUSED,
    )

    def __init__(self, letter_id: str, reason: str) -> None:
        self.letter_id = letter_id
        self.reason = reason
        super().__init__(f"the payload of the dead letter {letter_id} was not kept: {reason}")


class CodecError(MessagingError):
    """Root of the errors in a payload's encoding."""

    explanation = ErrorCode(
        "E0602",
        "payload not readable",
        "The payload's encoding is wrong, or not accepted.",
        "send what `[codecs] accepts` in the target's Component.toml says",
    )


class InvalidPayload(CodecError):
    """A payload cannot be decoded here: its codec, its content or its size.

    Attributes:
        codec: The codec that its prefix names, or `none`.
        offset: The byte of the content, counted after the prefix, at which reading ended.
        reason: A sentence for people.
    """

    explanation = CodecError.explanation

    def __init__(self, codec: str, offset: int, reason: str) -> None:
        self.codec = codec
        self.offset = offset
        self.reason = reason
        what = "the payload" if codec == "none" else f"the {codec} payload"
        super().__init__(f"{what} cannot be decoded, at byte {offset}: {reason}")


class Unencodable(CodecError):
    """The codec has no form for a Python value."""

    explanation = CodecError.explanation

    def __init__(self, codec: str, reason: str) -> None:
        self.codec = codec
        self.reason = reason
        super().__init__(f"the value cannot be encoded as {codec}: {reason}")


class CodecNotAccepted(CodecError, DeliveryError):
    """The receiver does not read this payload's codec. The message was not accepted.

    Attributes:
        target: The receiver.
        codec: The codec of the payload; None if its first bytes name none.
        accepted: What the receiver reads.
        preferred: What it would rather read; None if it says nothing.
    """

    explanation = ErrorCode(
        "E0616",
        "codec not accepted",
        "The receiver does not read the codec that the payload's first bytes name.",
        "send what the receiver accepts (`airswasm send --codec`), or add the codec to "
        "`[codecs] accepts` in its Component.toml",
    )

    def __init__(
        self, target: str, codec: str | None, accepted: tuple[str, ...], preferred: str | None
    ) -> None:
        self.codec = codec
        self.accepted = accepted
        self.preferred = preferred
        sent = codec or "a payload whose first bytes name no codec"
        rather = f" (prefers {preferred})" if preferred else ""
        text = f"{target} accepts {', '.join(accepted)}{rather} and was sent {sent}"
        DeliveryError.__init__(self, target, text)


class UnknownCodec(CodecError):
    """No codec of that name is installed.

    Attributes:
        name: The name.
        known: The names that there are.
        meant: The nearest of them, or empty.
    """

    explanation = ErrorCode(
        "E0617",
        "unknown codec",
        "No codec of that name is installed on this host.",
        "`airswasm doctor` lists the codecs; a package adds one by the entry point airswasm.codecs",
    )

    def __init__(self, name: str, known: tuple[str, ...], meant: str = "") -> None:
        self.name = name
        self.known = known
        self.meant = meant
        rest = f"; did you mean {meant}?" if meant else f"; there are {', '.join(known)}"
        super().__init__(f"there is no codec {name[:64]!a}{rest}")


class InvalidCodec(CodecError):
    """A codec cannot be registered."""

    explanation = ErrorCode(
        "E0618",
        "invalid codec",
        "A package registers a codec with a name or number that is invalid, or taken.",
        "give it another name, and a code of the multicodec table or from 0x300000 to 0x3fffff",
    )

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"the codec {name[:64]!a} cannot be registered: {reason}")


class PayloadTooLarge(MessagingError):
    """A payload exceeds the size that the host allows."""

    explanation = MessageTooLarge.explanation

    def __init__(self, payload_bytes: int, limit_bytes: int) -> None:
        self.payload_bytes = payload_bytes
        self.limit_bytes = limit_bytes
        super().__init__(
            f"the payload has {payload_bytes} bytes, and {limit_bytes} are allowed; "
            "send it in parts, or store it and send the key"
        )


class RateExceeded(MessagingError):
    """A sender sent more than its rate, or the host's, allows.

    Attributes:
        sender: The sender.
        reason: A sentence for people.
        of: What was used up: `messages`, `bytes`, or another of its bounds.
    """

    explanation = ErrorCode(
        "E0604",
        "too many messages",
        "The sender sent more than its rate, or that of all components together, allows.",
        "send less often, or raise `messages` or `bytes` under [limits.rates]; for all components "
        "together, messaging.total_messages or messaging.total_bytes in config.toml",
    )

    def __init__(self, sender: str, reason: str, of: str = "") -> None:
        self.sender = sender
        self.reason = reason
        self.of = of
        super().__init__(f"{sender} sends too much: {reason}; try again later")


class MessageNotStorable(MessagingError):
    """A message that must outlive its host holds an object, and not bytes."""

    explanation = ErrorCode(
        "E0626",
        "message not storable",
        "A message to a durable target holds an object that has no stored form.",
        "send bytes, or send through a Messenger, which encodes values",
    )

    def __init__(self, target: str, kind: str) -> None:
        self.target = target
        self.kind = kind
        super().__init__(
            f"a message to {target} is stored, and a payload of the type {kind} cannot be; "
            "send bytes, or send through a Messenger, which encodes values"
        )


class RecordUnreadable(MessagingError):
    """A stored message cannot be read."""

    explanation = ErrorCode(
        "E0627",
        "stored message unreadable",
        "The record of a message is damaged, or a newer airswasm wrote it.",
        "run `airswasm verify`; restore a backup, or install the newer version again",
    )

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"a stored message cannot be read: {reason}")


class RetainedFull(MessagingError):
    """There is no room to retain the value of a topic; it was not published either.

    Attributes:
        sender: The publisher.
        topic: The topic.
        setting: The setting that bounds it, of `MessagingLimits`.
        most: Its value.
    """

    explanation = ErrorCode(
        "E0607",
        "too many retained values",
        "Publishers have retained as many values, or bytes, as the host keeps.",
        "retain fewer topics, remove some with an empty payload, or raise the named setting "
        "under [messaging]",
    )

    def __init__(self, sender: str, topic: str, setting: str, most: int) -> None:
        self.sender = sender
        self.topic = topic
        self.setting = setting
        self.most = most
        super().__init__(
            f"{sender} cannot retain a value of {topic[:140]!a}: {setting} is {most:,}; remove "
            "the values of other topics with an empty payload"
        )


class TooManyTargets(MessagingError):
    """A broadcast names more targets than the host allows."""

    explanation = ErrorCode(
        "E0608",
        "too many targets",
        "A broadcast names more targets than the host allows.",
        "send to them in parts, or publish to a topic; `broadcast_targets` under [messaging] is "
        "the bound",
    )

    def __init__(self, targets: int, most: int) -> None:
        self.targets = targets
        self.most = most
        super().__init__(
            f"a broadcast to {targets:,} targets is more than {most:,}; send it in parts, or "
            "publish to a topic"
        )


class InvalidEnvelope(MessagingError):
    """A part of an envelope, which is to travel with a message, is malformed.

    Attributes:
        field: `correlation`, `traceparent` or `expires_after`.
        value: The part, as text.
        expected: The form that it must have.
    """

    explanation = ErrorCode(
        "E0609",
        "wrong envelope",
        "A text that is to travel with a message is malformed.",
        "a correlation is 1 to 128 visible ASCII characters; a traceparent is as the W3C's "
        "Trace Context has it",
    )

    def __init__(self, field: str, value: str, expected: str) -> None:
        self.field = field
        self.value = value
        self.expected = expected
        super().__init__(f"{value[:140]!a} is no {field}: write {expected}")


class DurableMailboxFull(MailboxFull):
    """As many messages wait in the log of a durable target as may."""

    explanation = ErrorCode(
        "E0628",
        "durable mailbox full",
        "As many messages, or bytes, wait in the log of a durable component as may.",
        "start the component if it is stopped; or raise `messages` or `size` under [durable] in "
        "config.toml, and under [delivery] in its Component.toml",
    )

    def __init__(self, target: str, messages: int, size_bytes: int) -> None:
        self.messages = messages
        self.size_bytes = size_bytes
        self.limit = "capacity"
        self.value = messages
        DeliveryError.__init__(
            self,
            target,
            f"{messages:,} messages or {size_bytes:,} bytes wait for {target}, which is as much as "
            "may; send again later, or start it if it is stopped",
        )


class MessageNotWritten(DeliveryError):
    """The disk did not take a message for a durable target, so it is not accepted."""

    explanation = ErrorCode(
        "E0629",
        "message not written",
        "The disk did not take a message for a durable component, so it was not accepted.",
        "make room on the disk; `airswasm doctor` says more; then send again",
    )

    def __init__(self, target: str, reason: str) -> None:
        self.reason = reason
        super().__init__(target, f"the message for {target} was not written: {reason}")


class TimerInvalid(MessagingError):
    """A timer's delay or interval is out of its bounds."""

    explanation = ErrorCode(
        "E0630",
        "timer invalid",
        "A timer's delay or interval is out of its bounds.",
        "use another interval; `shortest` under [timers] in config.toml is the least",
    )

    def __init__(self, owner: str, reason: str) -> None:
        self.owner = owner
        self.reason = reason
        super().__init__(f"{owner} sets a timer that cannot be: {reason}")


class TimerUnknown(MessagingError):
    """There is no timer of an id."""

    explanation = ErrorCode(
        "E0637",
        "no such timer",
        "There is no timer of that id. It was sent or cancelled, or ended with its component, its "
        "grant or, unless it was durable, the host.",
        "`airswasm timers list` shows those that are there",
        ExitStatus.NOT_FOUND,
    )

    def __init__(self, timer_id: int | str) -> None:
        self.timer_id = timer_id
        super().__init__(f"there is no timer {str(timer_id)[:64]!a}")
