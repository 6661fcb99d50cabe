"""The codecs that one receiver reads, compared with each payload where it enters the mailbox.

A mailbox is the one place that every message passes, by whatever way it comes. There the sender
still waits for its outcome, so a mismatch is the sender's error. Only the prefix is compared, which
takes the same time for every payload: what follows it is the receiver's to judge, and the host
translates nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import CodecNotAccepted
from .codec import ANY
from .installed import Codecs, codec_of

__all__ = ("Acceptance",)

_LOOKED_AT = 16
"""Bytes; a prefix has ten at most."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The payloads that one receiver takes.

    Use `refuse` as `MailboxSpec.refuse`.

    Attributes:
        target: The receiver's name, for the error.
        accepts: Names of codecs; `any` alone takes every payload, unexamined.
        prefers: The codec for a sender that has the choice; None leaves it to the sender.

    Raises:
        UnknownCodec: A codec is not installed here.
    """

    target: str
    accepts: tuple[str, ...] = (ANY,)
    prefers: str | None = None
    _prefixes: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        codecs = Codecs.find()
        named = () if self.takes_any else self.accepts
        object.__setattr__(self, "_prefixes", tuple(codecs.get(name).prefix for name in named))

    @property
    def takes_any(self) -> bool:
        """Whether every payload is taken."""
        return ANY in self.accepts

    def refuse(self, payload: object) -> CodecNotAccepted | None:
        """Return the sender's error for a payload that the receiver does not read."""
        if type(payload) is bytes and payload.startswith(self._prefixes):
            return None  # as nearly all are
        if self.takes_any:
            return None
        if isinstance(payload, memoryview):
            payload = payload[:_LOOKED_AT].tobytes()
        if not isinstance(payload, (bytes, bytearray)):
            return None  # an object of Python's: not encoded at all
        if payload.startswith(self._prefixes):
            return None
        codec = codec_of(bytes(payload[:_LOOKED_AT]))
        return CodecNotAccepted(self.target, codec, self.accepts, self.prefers)

    def codec_of(self, payload: object) -> str | None:
        """Return the codec of a payload that was accepted; None where nothing was agreed on."""
        if self.takes_any or not isinstance(payload, bytes):
            return None
        return codec_of(payload[:_LOOKED_AT])
