"""Codecs: how values become payloads.

Texts and bytes travel as they are, so that people and programs without this library can talk to a
component. All else is JSON, or what the component's codec makes of it. A codec of one's own derives
from `Codec`: with `convert` and `plain` it brings another library for types (pydantic, msgspec),
with `load` and `dump` another format.
"""

from __future__ import annotations

import json
from typing import NoReturn

from ._values import from_plain, to_plain
from .errors import PayloadError

__all__ = ("Codec", "JsonCodec")

MOST_BRACKETS = 1_000


class Codec:
    """Turns values into payloads and back; derive from it for another format or type library.

    Attributes:
        prefix: The codec's number in the multicodec table as a varint, which begins each payload;
            empty for payloads without one.
        has_bytes: Whether the format holds bytes; otherwise they are base64 inside of values.
    """

    prefix: bytes = b""
    has_bytes: bool = False

    def load(self, content: bytes) -> object:
        """Return the plain data of a payload without its prefix.

        Raises:
            PayloadError: It is not in this format.
        """
        raise NotImplementedError

    def dump(self, plain: object) -> bytes:
        """Return plain data in this format."""
        raise NotImplementedError

    def convert(self, plain: object, annotation: object) -> object:
        """Return plain data as the type of an annotation.

        Raises:
            PayloadError: It does not fit.
        """
        return from_plain(plain, annotation)

    def plain(self, value: object) -> object:
        """Return a value as plain data."""
        return to_plain(value, has_bytes=self.has_bytes)

    def read(self, payload: bytes) -> object:
        """Return the plain data of a payload.

        Raises:
            PayloadError: It is not in this format.
        """
        if self.prefix and not payload.startswith(self.prefix):
            raise PayloadError("the payload is in another codec")
        return self.load(payload[len(self.prefix) :])

    def write(self, plain: object) -> bytes:
        """Return the payload of plain data."""
        return self.prefix + self.dump(plain)

    def decode(self, payload: bytes, annotation: object) -> object:
        """Return a payload as the type of an annotation.

        Raises:
            PayloadError: It does not fit.
        """
        if annotation is bytes and not self.prefix:
            return payload
        if annotation is str and not self.prefix:
            try:
                return payload.decode()
            except UnicodeDecodeError:
                raise PayloadError("a text must be UTF-8") from None
        return self.convert(self.read(payload), annotation)

    def encode(self, value: object) -> bytes:
        """Return a value as a payload.

        Raises:
            PayloadError: It has no form in a message.
        """
        if not self.prefix and isinstance(value, bytes | bytearray):
            return bytes(value)
        if not self.prefix and type(value) is str:
            return value.encode()
        return self.write(self.plain(value))


class JsonCodec(Codec):
    """JSON.

    Args:
        is_prefixed: Begin payloads with the number of JSON, for receivers whose `[codecs] accepts`
            has it. Texts and bytes are JSON, too, then.
    """

    _NUMBER = b"\x80\x04"

    def __init__(self, *, is_prefixed: bool = False) -> None:
        self.prefix = self._NUMBER if is_prefixed else b""

    def load(self, content: bytes) -> object:
        """Return the value of JSON text; also of one that begins with its codec.

        Nesting takes stack, and a stack that is used up ends the component: no `except` sees it.
        Every level has a bracket, so counting those first bounds the depth.

        Raises:
            PayloadError: It is no JSON, or has more than 1,000 lists and objects.
        """
        content = content.removeprefix(self._NUMBER)
        if content.count(b"[") + content.count(b"{") > MOST_BRACKETS:
            raise PayloadError(f"JSON of more than {MOST_BRACKETS:,} lists and objects")
        try:
            return json.loads(content, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise PayloadError(f"not JSON: {error}") from None

    def dump(self, plain: object) -> bytes:
        """Return JSON text, in UTF-8 and without spaces."""
        try:
            text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            return text.encode()
        except (TypeError, ValueError) as error:
            raise PayloadError(f"not to be written as JSON: {error}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
