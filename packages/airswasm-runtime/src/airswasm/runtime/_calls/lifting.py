# ruff: noqa: ARG001 - every closure has the same signature
"""Slots to Python values: the closures that lift results and what guests pass.

Every string and list is taken off the call's allowance before it is copied, so
that no call carries more than `Limits.host_call_bytes`.
"""

from __future__ import annotations

import struct
from binascii import unhexlify
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from .._compose.text_bridge import HEX_MOST_BYTES, TEXT_OVERHEAD_BYTES
from .._shape import Handle
from .._values import Case, Err, Ok, Some
from .._wasmtime.bindings import memory
from .._wasmtime.value_layout import (
    CASE_AND_WORD,
    FIELD_BYTES,
    NAME_BYTES,
    NUMBERS,
    SLOT_BYTES,
    TWO_WORDS,
    WORD,
)
from .bytes_as_text import BytesAsText
from .crossing import AllowanceExceeded, Handles
from .staging import STAGED, OutsideMemory

Decode: TypeAlias = Callable[[int, Handles], object]


def number_decoder(code: str) -> Decode:
    unpack = struct.Struct(f"<{code}").unpack_from

    def decode(at: int, handles: Handles) -> object:
        return unpack(memory, at + 8)[0]

    return decode


def _decode_bool(at: int, handles: Handles) -> object:
    return memory[at + 8 : at + 9] != b"\0"


def _decode_char(at: int, handles: Handles) -> object:
    return chr(int.from_bytes(memory[at + 8 : at + 12], "little"))


def _decode_string(at: int, handles: Handles) -> object:
    size, address = TWO_WORDS(memory, at + 8)
    if not size:
        return ""
    handles.allowance -= size
    if handles.allowance < 0:
        raise AllowanceExceeded
    return memory[address : address + size].decode()


def decode_bytes(at: int, handles: Handles) -> object:
    size, address = TWO_WORDS(memory, at + 8)
    if not size:
        return b""
    handles.allowance -= size
    if handles.allowance < 0:
        raise AllowanceExceeded
    return memory[address + 8 : address + 8 + size * SLOT_BYTES : SLOT_BYTES]


def text_decoder(codec: BytesAsText, side: int) -> Decode:
    decode_at = codec.decode_at

    def decode(at: int, handles: Handles) -> object:
        size, address = TWO_WORDS(memory, at + 8)
        if not size:
            return b""
        if size > 2 * handles.allowance + TEXT_OVERHEAD_BYTES:
            raise AllowanceExceeded
        data = memory[address : address + size] if size <= HEX_MOST_BYTES else b""
        if not data:
            data = decode_at(address, size)
            if (staging := handles.stagings[side]) is not None:
                staging.begin()
                staging.find()
        elif not data.isascii():  # short text is plain, hexadecimal or names a place
            if data[:2] == STAGED:
                return _staged(data, handles, side)
            data = unhexlify(data[2:])
        handles.allowance -= len(data)
        if handles.allowance < 0:
            raise AllowanceExceeded
        return data

    return decode


def _staged(text: bytes, handles: Handles, side: int) -> bytes:
    staging = handles.stagings[side]
    if staging is None:
        raise OutsideMemory
    handles.allowance -= staging.size_of(text)
    if handles.allowance < 0:
        raise AllowanceExceeded
    return staging.take(text)


PRIMITIVE_DECODERS: Mapping[str, Decode] = {
    **{name: number_decoder(code) for name, (_, code, _) in NUMBERS.items()},
    "bool": _decode_bool,
    "char": _decode_char,
    "string": _decode_string,
}


def list_decoder(element: Decode, weight: int) -> Decode:
    """Lift lists; `weight` is what an item takes of the call's allowance, beside its own."""

    def decode(at: int, handles: Handles) -> object:
        size, address = TWO_WORDS(memory, at + 8)
        if not size:
            return []
        handles.allowance -= size * weight
        if handles.allowance < 0:
            raise AllowanceExceeded
        end = address + size * SLOT_BYTES
        return [element(start, handles) for start in range(address, end, SLOT_BYTES)]

    return decode


def tuple_decoder(elements: Sequence[Decode]) -> Decode:
    starts = [(element, index * SLOT_BYTES) for index, element in enumerate(elements)]

    def decode(at: int, handles: Handles) -> object:
        body = WORD(memory, at + 16)[0]
        return tuple([element(body + start, handles) for element, start in starts])

    return decode


def option_decoder(some: Decode) -> Decode:
    def decode(at: int, handles: Handles) -> object:
        address = WORD(memory, at + 8)[0]
        return some(address, handles) if address else None

    return decode


def nested_option_decoder(some: Decode) -> Decode:
    def decode(at: int, handles: Handles) -> object:
        address = WORD(memory, at + 8)[0]
        return Some(some(address, handles)) if address else None

    return decode


_OK_NOTHING: Ok[None] = Ok(None)
_ERR_NOTHING: Err[None] = Err(None)
_new: Callable[[type[Ok[object]]], Ok[object]] = object.__new__
_set_ok = vars(Ok)["value"].__set__  # the slot's own: `frozen` is for users


def result_decoder(ok: Decode | None, err: Decode | None) -> Decode:
    def decode(at: int, handles: Handles) -> object:
        is_ok, address = CASE_AND_WORD(memory, at + 8)
        if is_ok:
            if ok is None:
                return _OK_NOTHING
            lifted = _new(Ok)
            _set_ok(lifted, ok(address, handles))
            return lifted
        if err is None:
            return _ERR_NOTHING
        return Err(err(address, handles))

    return decode


def record_decoder(make: Callable[[], type], fields: Sequence[Decode]) -> Decode:
    record: type | None = None  # making a dataclass takes 1.5 ms, and most are never needed
    starts = [(field, index * FIELD_BYTES + NAME_BYTES) for index, field in enumerate(fields)]

    def decode(at: int, handles: Handles) -> object:
        nonlocal record
        if record is None:
            record = make()
        body = WORD(memory, at + 16)[0]
        return record(*[field(body + start, handles) for field, start in starts])

    return decode


def variant_decoder(cases: Mapping[str, Decode | None]) -> Decode:
    table = {name.encode(): (name, decode) for name, decode in cases.items()}
    read = struct.Struct("<QQQ").unpack_from

    def decode(at: int, handles: Handles) -> object:
        size, name_address, address = read(memory, at + 8)
        name, inner = table[memory[name_address : name_address + size]]
        if inner is None:
            return Case(name)
        return Case(name, inner(address, handles))

    return decode


def enum_decoder(cases: Sequence[str]) -> Decode:
    table = {name.encode(): name for name in cases}

    def decode(at: int, handles: Handles) -> object:
        size, address = TWO_WORDS(memory, at + 8)
        return table[memory[address : address + size]]

    return decode


def flags_decoder(flags: Sequence[str]) -> Decode:
    table = {name.encode(): name for name in flags}

    def decode(at: int, handles: Handles) -> object:
        size, address = TWO_WORDS(memory, at + 8)
        starts = range(address, address + size * NAME_BYTES, NAME_BYTES)
        names = [TWO_WORDS(memory, start) for start in starts]
        return frozenset([table[memory[data : data + length]] for length, data in names])

    return decode


def handle_decoder(type_: Handle) -> Decode:
    def decode(at: int, handles: Handles) -> object:
        return handles.lift_handle(type_, WORD(memory, at + 8)[0])

    return decode
