"""Errors of this block, with one class for each condition.

Errors between actors (no route, full mailbox, time-out, ...) keep their types from airswasm-actor;
this module adds only this block's own.
"""

from __future__ import annotations

from airswasm.actor.errors import MessageTooLarge
from airswasm.wit import AirswasmError, ErrorCode, ExitStatus

__all__ = (
    "MessagingError",
    "InvalidAddress",
    "LetterUnknown",
    "LetterUnkept",
    "CodecError",
    "InvalidCbor",
    "Unencodable",
    "CodecNotAccepted",
    "PayloadTooLarge",
    "InvalidEnvelope",
    "RateExceeded",
    "MessageNotStorable",
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


class InvalidCbor(CodecError):
    """The payload is marked as CBOR, but this host does not accept it."""

    explanation = CodecError.explanation

    def __init__(self, offset: int, reason: str) -> None:
        self.offset = offset
        self.reason = reason
        super().__init__(f"the CBOR payload is refused at byte {offset}: {reason}")


class Unencodable(CodecError):
    """The codec has no form for a Python value."""

    explanation = CodecError.explanation

    def __init__(self, codec: str, reason: str) -> None:
        self.codec = codec
        self.reason = reason
        super().__init__(f"the value cannot be encoded as {codec}: {reason}")


class CodecNotAccepted(CodecError):
    """The target does not read this payload's codec."""

    explanation = CodecError.explanation

    def __init__(self, target: str, codec: str, accepted: frozenset[str]) -> None:
        self.target = target
        self.codec = codec
        self.accepted = accepted
        super().__init__(
            f"{target} accepts {', '.join(sorted(accepted))} and was sent {codec}; "
            "send what it accepts, or add the codec to [codecs] accepts in its Component.toml"
        )


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
    """A sender sent more than its rate allows."""

    explanation = ErrorCode(
        "E0604",
        "too many messages",
        "The sender sent more than its rate allows.",
        "send less often, or raise `messages` under [limits.rates]",
    )

    def __init__(self, sender: str, reason: str) -> None:
        self.sender = sender
        self.reason = reason
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
    """A text that is to travel with a message is malformed.

    Attributes:
        field: `correlation` or `traceparent`.
        value: The text.
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
