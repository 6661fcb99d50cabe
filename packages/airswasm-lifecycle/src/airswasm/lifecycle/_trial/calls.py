"""The arguments and the result of an exported function, as payloads that a recording keeps.

They are CBOR, as other payloads: an argument is a pair of its name and its plain form, so that they
can be shown, and redacted by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from airswasm.messaging import decode, encode
from airswasm.runtime import Component, FunctionShape

from .values import as_plain, from_plain

__all__ = ("RecordedCall", "pack_arguments", "pack_result", "shape_of", "unpack_arguments")


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call of an exported function, to be made again.

    Attributes:
        function: The path of the function.
        arguments: What `pack_arguments` has made of its arguments.
    """

    function: str
    arguments: bytes


def shape_of(component: Component, path: str) -> FunctionShape | None:
    """Return the shape of an exported function; None where there is none of that path."""
    interface, _, name = path.rpartition("#")
    shape = component.exports.get(interface)
    return None if shape is None else shape.functions.get(name)


def pack_arguments(shape: FunctionShape, arguments: Sequence[object]) -> bytes:
    """Return arguments as a payload.

    Raises:
        TypeError, ValueError, AttributeError, LookupError: They do not fit the function.
    """
    pairs = zip(shape.parameters, arguments, strict=True)
    return encode([[name, as_plain(type_, value)] for (name, type_), value in pairs])


def unpack_arguments(shape: FunctionShape, payload: bytes) -> tuple[object, ...]:
    """Return the arguments that `pack_arguments` has made a payload of, by their places.

    Raises:
        InvalidPayload: It is no such payload.
        TypeError, ValueError, AttributeError, LookupError: They do not fit the function.
    """
    pairs = zip(shape.parameters, cast("Sequence[Sequence[object]]", decode(payload)), strict=True)
    return tuple(from_plain(type_, plain) for (_, type_), (_, plain) in pairs)


def pack_result(shape: FunctionShape, value: object) -> bytes | None:
    """Return a result as a payload; None for a function without one."""
    return None if shape.result is None else encode(as_plain(shape.result, value))
