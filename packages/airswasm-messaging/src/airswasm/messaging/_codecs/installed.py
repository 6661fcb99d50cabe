"""The codecs of this host: those of this package, and those that other packages register.

A package registers by entry point, group `airswasm.codecs`, an object `Codec`. One that cannot be
loaded, or that takes the name or number of another, is left out and named by `problems`; the host
runs without it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType

from ..errors import InvalidCodec, InvalidPayload, Unencodable, UnknownCodec
from .cbor import CBOR
from .codec import NONE, Codec, Reading, read_varint
from .json_text import JSON
from .messagepack import MESSAGEPACK
from .raw import RAW, plain_bytes

__all__ = ("CODEC_GROUP", "Codecs", "codec_of", "decode", "encode", "read_payload")

CODEC_GROUP = "airswasm.codecs"

_OWN = (
    CBOR,
    JSON,
    MESSAGEPACK,
    RAW,
    Codec("protobuf", 0x50),
    Codec("dag-cbor", 0x71),
    Codec("borsh", 0x300000),
    Codec("bincode", 0x300001),
)


class Codecs:
    """Codecs by name.

    Args:
        more: Codecs beside those of this package.

    Attributes:
        by_name: The codecs.
        problems: A sentence for each registration that was left out.

    Raises:
        InvalidCodec: Two have the same name or number.
    """

    def __init__(self, more: tuple[Codec, ...] = (), problems: tuple[str, ...] = ()) -> None:
        names: dict[str, Codec] = {}
        self._by_code: dict[int, Codec] = {}
        for codec in (*_OWN, *more):
            other = names.get(codec.name) or self._by_code.get(codec.code)
            if other is not None:
                raise InvalidCodec(
                    codec.name, f"its name or its code {codec.code:#x} is {other.name}'s already"
                )
            names[codec.name] = self._by_code[codec.code] = codec
        self.by_name: Mapping[str, Codec] = MappingProxyType(names)
        self.problems = problems

    def __iter__(self) -> Iterator[Codec]:
        return iter(self.by_name.values())

    @classmethod
    @cache
    def find(cls) -> Codecs:
        """Return the installed codecs; a process looks for them once."""
        found: tuple[Codec, ...] = ()
        problems: list[str] = []
        for entry in sorted(entry_points(group=CODEC_GROUP), key=lambda each: each.name):
            try:
                codec = entry.load()
                if not isinstance(codec, Codec):
                    raise InvalidCodec(entry.name, f"{entry.value} is no Codec")
                cls((*found, codec))
                found = (*found, codec)
            except (Exception, SystemExit) as error:  # a module that is a script ends with one
                problems.append(
                    f"{entry.name}, from {entry.value}: {error or type(error).__name__}"
                )
        return cls(found, tuple(problems))

    def get(self, name: str) -> Codec:
        """Return the codec of a name.

        Raises:
            UnknownCodec: None is installed under that name.
        """
        codec = self.by_name.get(name)
        if codec is None:
            raise UnknownCodec(name, tuple(self.by_name), _meant(name, self.by_name))
        return codec

    def of(self, payload: bytes) -> Codec | None:
        """Return the codec that a payload claims by its prefix; None if it names none."""
        first = payload[:1]
        if first < b"\x80":
            return self._by_code.get(first[0]) if first else None
        head = read_varint(payload)
        return None if head is None else self._by_code.get(head[0])

    def encode(self, value: object, name: str) -> bytes:
        """Return a value as a payload with its prefix.

        Args:
            value: None, a bool, a number of at most 64 bits, a text, bytes (not in JSON), or lists
                and mappings (keys: texts or bytes) of them. For `raw`, `none`, and a codec that
                this host cannot encode, bytes or a text.
            name: The codec; `none` for the bytes as they are, without a prefix.

        Raises:
            UnknownCodec: No such codec is installed.
            Unencodable: The codec has no form for the value.
        """
        codec = None if name == NONE else self.get(name)
        write = None if codec is None else codec.encode
        try:
            return (b"" if codec is None else codec.prefix) + (write or plain_bytes)(value)
        except Unencodable:
            raise
        except InvalidPayload as error:
            raise Unencodable(name, error.reason) from error
        except Exception as error:  # of a library, for a value of a caller's
            raise Unencodable(name, str(error) or type(error).__name__) from error

    def decode(self, payload: bytes) -> object:
        """Return the value of a payload.

        Raises:
            InvalidPayload: Its prefix is of no codec that is decoded here, or its content is
                malformed, or more than is accepted.
        """
        codec = self._decodable(payload)
        try:
            return codec.decode(payload[len(codec.prefix) :])  # type: ignore[misc]
        except InvalidPayload:
            raise
        except Exception as error:
            raise _invalid(codec, error) from error

    def read(self, payload: bytes) -> Reading:
        """Decode as `decode` does, in steps: a long payload of strangers holds nothing up.

        Yields:
            After each step; the generator returns the value.
        """
        codec = self._decodable(payload)
        content = payload[len(codec.prefix) :]
        if codec.read is None:
            return self.decode(payload)
        try:
            return (yield from codec.read(content))
        except InvalidPayload:
            raise
        except Exception as error:
            raise _invalid(codec, error) from error

    def _decodable(self, payload: bytes) -> Codec:
        codec = self.of(payload)
        if codec is None:
            raise InvalidPayload(NONE, 0, "its first bytes name no codec that is installed")
        if codec.decode is None:
            raise InvalidPayload(codec.name, 0, "this host has no decoder for it")
        return codec


def encode(value: object, codec: str = "cbor") -> bytes:
    """Return a value as a payload with its prefix; see `Codecs.encode`."""
    return Codecs.find().encode(value, codec)


def decode(payload: bytes) -> object:
    """Return the value of a payload, by its prefix; see `Codecs.decode`."""
    return Codecs.find().decode(payload)


def read_payload(payload: bytes) -> Reading:
    """Decode in steps; see `Codecs.read`."""
    return Codecs.find().read(payload)


def codec_of(payload: bytes) -> str | None:
    """Return the name of the codec that a payload claims by its prefix; None if it names none."""
    codec = Codecs.find().of(payload)
    return None if codec is None else codec.name


def _invalid(codec: Codec, error: Exception) -> InvalidPayload:
    return InvalidPayload(codec.name, len(codec.prefix), str(error) or type(error).__name__)


def _meant(name: str, known: Mapping[str, Codec]) -> str:
    also = {"messagepack": "msgpack", "text": "none", "binary": "raw", "bytes": "raw"}
    near = difflib.get_close_matches(name[:32].lower(), known, 1, 0.6)
    return also.get(name.lower(), near[0] if near else "")
