"""Messages as people write them, and replies as they read them, in the codecs of messages."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from typing import cast

import typer
from airswasm.messaging import NONE, Codecs, InvalidPayload

__all__ = ("NO_CODEC", "Reply", "check_codec", "written")

NO_CODEC = NONE
_BYTES = "raw"


def check_codec(name: str) -> None:
    """Check an option.

    Raises:
        UnknownCodec: No such codec is installed.
    """
    if name != NONE:
        Codecs.find().get(name)


def written(content: bytes, codec: str) -> bytes:
    """Return what a user has written as the payload of a message.

    Raises:
        BadParameter: The codec encodes values, and this is no JSON.
        UnknownCodec, Unencodable: It cannot be written in that codec.
    """
    codecs = Codecs.find()
    if codec in (NONE, _BYTES) or codecs.get(codec).encode is None:
        return codecs.encode(content, codec)
    try:
        value = codecs.decode(codecs.get("json").prefix + content)
    except InvalidPayload as error:
        raise typer.BadParameter(
            f"MESSAGE is sent as {codec}, so it has to be JSON, and is not: {error.reason}; a text "
            f"has quotation marks, '\"text\"'; --codec none sends MESSAGE as it is"
        ) from error
    return codecs.encode(value, codec)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply, decoded where the message was encoded.

    Attributes:
        content: Its bytes, without the prefix of `raw`.
        codec: The codec by which it was decoded; None if it was not.
        value: Its value as JSON has it.
        problem: Why it could not be decoded; empty otherwise.
    """

    content: bytes
    codec: str | None = None
    value: object = None
    problem: str = ""

    @classmethod
    def of(cls, reply: bytes | None, sent_as: str) -> Reply:
        """Decode a reply by its prefix, if the message was in a codec."""
        if reply is None or sent_as == NONE:
            return cls(reply or b"")
        codecs = Codecs.find()
        codec = codecs.of(reply)
        if codec is None or codec.decode is None:
            return cls(reply)
        try:
            value = codecs.decode(reply)
        except InvalidPayload as error:
            return cls(reply, problem=str(error))
        content = value if isinstance(value, bytes) else reply
        return cls(content, codec.name, _plain(value))

    @property
    def text(self) -> str | None:
        """The value as JSON; None if it is bytes, or was not decoded."""
        if self.codec in (None, _BYTES):
            return None
        return json.dumps(self.value, ensure_ascii=False, indent=2)


def _plain(value: object) -> object:
    """Return a value as JSON has it: bytes as an object that says that they are base64."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        pairs = cast("dict[object, object]", value).items()
        return {_key(key): _plain(each) for key, each in pairs}
    if isinstance(value, list):
        return [_plain(each) for each in cast("list[object]", value)]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _key(key: object) -> str:
    return base64.b64encode(key).decode() if isinstance(key, bytes) else str(key)
