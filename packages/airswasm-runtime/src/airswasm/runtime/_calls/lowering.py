# ruff: noqa: ARG001 - every closure has the same signature
"""Python values to slots: the closures that lower arguments and results.

`struct` does the range checks for nothing: packing 2**40 as `I` raises. `bytes`
objects are the memory: a nested value is a `bytes` whose address goes into its
parent and which the call keeps alive until the engine has copied it.
"""

from __future__ import annotations

import ctypes
import struct
from binascii import hexlify
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import Any, TypeAlias, cast

from .._compose.text_bridge import (
    HEX_MARK,
    HEX_MOST_BYTES,
    STAGED_LEAST_BYTES,
    STAGED_TEXT_BYTES,
)
from .._shape import Handle, python_name
from .._values import Case, Err, Ok, Some
from .._wasmtime.value_layout import (
    DATA_OFFSET_BYTES,
    KIND_CHAR,
    KIND_ENUM,
    KIND_FLAGS,
    KIND_LIST,
    KIND_OPTION,
    KIND_RECORD,
    KIND_RESOURCE,
    KIND_RESULT,
    KIND_STRING,
    KIND_TUPLE,
    KIND_VARIANT,
    NUMBERS,
    U8_SLOT,
    pack_result,
    pack_three,
    pack_two,
    pack_word,
)
from .bytes_as_text import BytesAsText
from .crossing import AllowanceExceeded, Handles, Keep, Unfit

# Any: each closure names the type that it lowers, is given whatever the caller has, and fails
# with one of `crossing.UNFIT` on all else; a check before it would take as long as the lowering.
Encode: TypeAlias = Callable[[Any, Keep, Handles], bytes]
EncodeAll: TypeAlias = Callable[[Sequence[object], Keep, Handles], bytes]


def arguments_encoder(encoders: Sequence[Encode]) -> EncodeAll:
    """Build the slots of all arguments.

    Up to three are written out: a loop would take as long as what it calls.
    """

    def none(arguments: Sequence[object], keep: Keep, handles: Handles) -> bytes:
        if arguments:
            raise Unfit
        return b""

    def one(arguments: Sequence[object], keep: Keep, handles: Handles) -> bytes:
        (first,) = arguments
        return encoders[0](first, keep, handles)

    def two(arguments: Sequence[object], keep: Keep, handles: Handles) -> bytes:
        first, second = arguments
        return encode_first(first, keep, handles) + encode_second(second, keep, handles)

    def three(arguments: Sequence[object], keep: Keep, handles: Handles) -> bytes:
        first, second, third = arguments
        return (
            encode_first(first, keep, handles)
            + encode_second(second, keep, handles)
            + encode_third(third, keep, handles)
        )

    def many(arguments: Sequence[object], keep: Keep, handles: Handles) -> bytes:
        pairs = zip(encoders, arguments, strict=True)
        return b"".join([encode(value, keep, handles) for encode, value in pairs])

    if len(encoders) in (2, 3):
        encode_first, encode_second, encode_third = (*encoders, encoders[0])[:3]
    return {0: none, 1: one, 2: two, 3: three}.get(len(encoders), many)


def number_encoder(kind: int, code: str, padding: int) -> Encode:
    pack = struct.Struct(f"<B7x{code}{padding}x").pack

    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        return pack(kind, value)

    return encode


_FALSE = pack_word(0, 0)
_TRUE = pack_word(0, 1)


def _encode_bool(value: object, keep: Keep, handles: Handles) -> bytes:
    if value is True:
        return _TRUE
    if value is False:
        return _FALSE
    raise Unfit


def _encode_char(value: object, keep: Keep, handles: Handles) -> bytes:
    if not isinstance(value, str):
        raise Unfit
    value.encode()  # a lone surrogate is no char
    return pack_word(KIND_CHAR, ord(value))


def _encode_string(value: str, keep: Keep, handles: Handles) -> bytes:
    data = value.encode()
    size = len(data)
    handles.allowance -= size
    if handles.allowance < 0:
        raise AllowanceExceeded
    keep.append(data)
    return pack_two(KIND_STRING, size, id(data) + DATA_OFFSET_BYTES)


def encode_bytes(value: bytes | bytearray | memoryview, keep: Keep, handles: Handles) -> bytes:
    data = value if type(value) is bytes else bytes(memoryview(value))
    size = len(data)
    if not size:
        return _EMPTY_LIST
    handles.allowance -= size
    if handles.allowance < 0:
        raise AllowanceExceeded
    body = bytearray(U8_SLOT) * size
    body[8::32] = data
    pin = (ctypes.c_char * 1).from_buffer(body)
    keep.append(pin)
    return pack_two(KIND_LIST, size, ctypes.addressof(pin))


_HEX = HEX_MARK.to_bytes(2, "little")


def text_encoder(codec: BytesAsText, side: int) -> Encode:
    as_text = codec.encode

    def encode(value: bytes | bytearray | memoryview, keep: Keep, handles: Handles) -> bytes:
        data = value if type(value) is bytes else bytes(memoryview(value))
        size = len(data)
        handles.allowance -= size
        if handles.allowance < 0:
            raise AllowanceExceeded
        if size >= STAGED_LEAST_BYTES and (staging := handles.stagings[side]) is not None:
            staged = staging.put(data)
            if staged is not None:
                keep.append(staged)
                return pack_two(KIND_STRING, STAGED_TEXT_BYTES, id(staged) + DATA_OFFSET_BYTES)
            handles.unstaged = staging
        if not data.isascii():  # as the codec does it, without a call for what is short
            data = _HEX + hexlify(data) if size <= HEX_MOST_BYTES else as_text(data)
            size = len(data)
        keep.append(data)
        return pack_two(KIND_STRING, size, id(data) + DATA_OFFSET_BYTES)

    return encode


_EMPTY_LIST = pack_two(KIND_LIST, 0, 8)

PRIMITIVE_ENCODERS: Mapping[str, Encode] = {
    **{name: number_encoder(*layout) for name, layout in NUMBERS.items()},
    "bool": _encode_bool,
    "char": _encode_char,
    "string": _encode_string,
}


def list_encoder(element: Encode) -> Encode:
    def encode(value: Sequence[object], keep: Keep, handles: Handles) -> bytes:
        if not isinstance(value, (list, tuple)):
            raise Unfit
        if not value:
            return _EMPTY_LIST
        handles.allowance -= len(value)
        if handles.allowance < 0:
            raise AllowanceExceeded
        body = b"".join([element(item, keep, handles) for item in value])
        keep.append(body)
        return pack_two(KIND_LIST, len(value), id(body) + DATA_OFFSET_BYTES)

    return encode


def tuple_encoder(elements: Sequence[Encode]) -> Encode:
    count = len(elements)

    def encode(value: Sequence[object], keep: Keep, handles: Handles) -> bytes:
        if not isinstance(value, (tuple, list)) or len(value) != count:
            raise Unfit
        body = b"".join(
            [element(v, keep, handles) for element, v in zip(elements, value, strict=True)]
        )
        keep.append(body)
        return pack_two(KIND_TUPLE, count, id(body) + DATA_OFFSET_BYTES)

    return encode


_NONE = pack_word(KIND_OPTION, 0)


def option_encoder(some: Encode) -> Encode:
    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        if value is None:
            return _NONE
        body = some(value, keep, handles)
        keep.append(body)
        return pack_word(KIND_OPTION, id(body) + DATA_OFFSET_BYTES)

    return encode


def nested_option_encoder(some: Encode) -> Encode:
    def encode(value: Some[object] | None, keep: Keep, handles: Handles) -> bytes:
        if value is None:
            return _NONE
        if type(value) is not Some:
            raise Unfit
        body = some(value.value, keep, handles)
        keep.append(body)
        return pack_word(KIND_OPTION, id(body) + DATA_OFFSET_BYTES)

    return encode


def result_encoder(ok: Encode | None, err: Encode | None) -> Encode:
    def encode(value: Ok[object] | Err[object], keep: Keep, handles: Handles) -> bytes:
        kind = type(value)
        if kind is Ok:
            inner = ok
        elif kind is Err:
            inner = err
        else:
            raise Unfit
        payload = value.value
        if inner is None:
            if payload is not None:
                raise Unfit
            return pack_result(KIND_RESULT, kind is Ok, 0)
        body = inner(payload, keep, handles)
        keep.append(body)
        return pack_result(KIND_RESULT, kind is Ok, id(body) + DATA_OFFSET_BYTES)

    return encode


def _name_slot(name: str, keep: Keep) -> bytes:
    data = name.encode()
    keep.append(data)
    return struct.pack("<QQ", len(data), id(data) + DATA_OFFSET_BYTES)


def record_encoder(fields: Sequence[tuple[str, Encode]]) -> Encode:
    names: Keep = []
    headers = [_name_slot(name, names) for name, _ in fields]
    attributes = [python_name(name) for name, _ in fields]
    encoders = [encode for _, encode in fields]
    read = attrgetter(*attributes)
    steps = list(zip(headers, encoders, strict=True))
    is_single = len(fields) == 1

    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        if isinstance(value, Mapping):
            by_name = cast("Mapping[str, object]", value)  # pyright loses the types of a narrowed
            if len(by_name) != len(attributes):
                raise Unfit
            values = tuple([by_name[name] for name in attributes])
        else:
            values = (read(value),) if is_single else read(value)
        parts: list[bytes] = []
        for (header, step), item in zip(steps, values, strict=True):
            parts.append(header)
            parts.append(step(item, keep, handles))
        body = b"".join(parts)
        keep.append(body)
        keep.append(names)
        return pack_two(KIND_RECORD, len(steps), id(body) + DATA_OFFSET_BYTES)

    return encode


def variant_encoder(cases: Mapping[str, Encode | None]) -> Encode:
    names: Keep = []
    table = {
        name: (*struct.unpack("<QQ", _name_slot(name, names)), encode)
        for name, encode in cases.items()
    }

    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        if type(value) is not Case:
            raise Unfit
        size, address, inner = table[value.name]
        keep.append(names)
        if inner is None:
            if value.value is not None:
                raise Unfit
            return pack_three(KIND_VARIANT, size, address, 0)
        body = inner(value.value, keep, handles)
        keep.append(body)
        return pack_three(KIND_VARIANT, size, address, id(body) + DATA_OFFSET_BYTES)

    return encode


def enum_encoder(cases: Sequence[str]) -> Encode:
    names: Keep = []
    table = {
        name: pack_two(KIND_ENUM, *struct.unpack("<QQ", _name_slot(name, names))) for name in cases
    }

    def encode(value: str, keep: Keep, handles: Handles) -> bytes:
        keep.append(names)
        return table[value]

    return encode


def flags_encoder(flags: Sequence[str]) -> Encode:
    names: Keep = []
    table = {name: _name_slot(name, names) for name in flags}

    def encode(value: AbstractSet[str], keep: Keep, handles: Handles) -> bytes:
        if not isinstance(value, (frozenset, set)):
            raise Unfit
        keep.append(names)
        if not value:
            return pack_two(KIND_FLAGS, 0, 8)
        body = b"".join([table[name] for name in value])
        keep.append(body)
        return pack_two(KIND_FLAGS, len(value), id(body) + DATA_OFFSET_BYTES)

    return encode


def handle_encoder(type_: Handle) -> Encode:
    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        return pack_word(KIND_RESOURCE, handles.lower_handle(type_, value, keep))

    return encode
