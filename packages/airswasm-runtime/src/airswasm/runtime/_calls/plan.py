# ruff: noqa: ARG001 - every closure has the same signature
"""Call plans: how one function's values are laid out, derived once from its type.

The engine exchanges 32-byte slots: a kind byte, then up to three words. A plan
is a tree of small closures, one for each type, that build such slots as Python
`bytes` and read them back. `bytes` objects are the memory: the engine copies
arguments, so a nested value is a `bytes` whose address goes into its parent and
which the call keeps alive. That made reusable buffers, allocators and ctypes
structures unnecessary, and is faster than all three.

`struct` does the range checks for nothing: packing 2**40 as `I` raises. On any
such complaint a second, slow walk (`mismatch`) finds out where and why; the
fast one never pays for messages.

Both ways are bounded: every string and list is taken off the call's allowance
before it is copied, so that no call carries more than `Limits.host_call_bytes`.
"""

from __future__ import annotations

import ctypes
import struct
from binascii import hexlify, unhexlify
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, make_dataclass
from functools import partial
from operator import attrgetter
from typing import Protocol

from .._compose.text_bridge import HEX_MARK, HEX_MOST_BYTES, TEXT_OVERHEAD_BYTES
from .._shape import (
    EnumOf,
    FlagsOf,
    FunctionShape,
    HandleOf,
    ListOf,
    OptionOf,
    Primitive,
    RecordOf,
    ResultOf,
    TupleOf,
    VariantOf,
    WitType,
    python_name,
)
from .._values import Case, Err, Ok, Some
from .._wasmtime.bindings import memory as memory
from .bytes_as_text import BytesAsText

SLOT_BYTES = 32
FIELD_BYTES = 48
NAME_BYTES = 16

KIND_LIST = 13
KIND_RECORD = 14
KIND_TUPLE = 15
KIND_VARIANT = 16
KIND_ENUM = 17
KIND_OPTION = 18
KIND_RESULT = 19
KIND_FLAGS = 20
KIND_RESOURCE = 21

# kind, struct code, padding after it; kinds as in wasmtime/component/val.h
NUMBERS = {
    "s8": (1, "b", 23),
    "u8": (2, "B", 23),
    "s16": (3, "h", 22),
    "u16": (4, "H", 22),
    "s32": (5, "i", 20),
    "u32": (6, "I", 20),
    "s64": (7, "q", 16),
    "u64": (8, "Q", 16),
    "f32": (9, "f", 20),
    "f64": (10, "d", 16),
}
KIND_CHAR = 11
KIND_STRING = 12

# where CPython keeps the data of a `bytes` object: it ends with the NUL byte
_DATA = bytes.__basicsize__ - 1
_U8 = struct.pack("<B7xB23x", 2, 0)
_WORD = struct.Struct("<Q").unpack_from
_TWO_WORDS = struct.Struct("<QQ").unpack_from
_pack_word = struct.Struct("<B7xQ16x").pack
_pack_two = struct.Struct("<B7xQQ8x").pack
_pack_three = struct.Struct("<B7xQQQ").pack
_pack_result = struct.Struct("<B7xB7xQ8x").pack
_CASE_AND_WORD = struct.Struct("<?7xQ").unpack_from

Keep = list[object]
"""What a call keeps alive until the engine has copied it."""


class Unfit(Exception):
    """A value does not fit, found by a check of ours; `mismatch` says where."""


class AllowanceExceeded(Exception):
    """More bytes than one call may carry."""


class Handles(Protocol):
    """One instance's side of the plans: resources, and the call's allowance.

    Attributes:
        allowance: bytes that the values being passed may still have.
    """

    allowance: int

    def lower_handle(self, type_: HandleOf, value: object, keep: Keep) -> int:
        """The address of a handle for `value`; it lives as long as `keep`."""

    def lift_handle(self, type_: HandleOf, address: int) -> object:
        """The value behind a handle, converted exactly once."""


Encode = Callable[[object, Keep, Handles], bytes]
EncodeAll = Callable[[Sequence[object], Keep, Handles], bytes]
Decode = Callable[[int, Handles], object]

UNFIT = (
    Unfit,
    struct.error,
    TypeError,
    ValueError,  # UnicodeEncodeError among them
    KeyError,
    AttributeError,
    OverflowError,
)
"""What the closures raise for values that do not fit."""


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """How to call a guest's function.

    Attributes:
        shape: what it was derived from.
        arguments: builds the slots of all arguments, one after the other.
        result: None when there is no result.
    """

    shape: FunctionShape
    arguments: EncodeAll
    result: Decode | None


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """How to be called by a guest.

    Attributes:
        shape: what it was derived from.
        parameters: one decoder for each parameter.
        result: None when there is no result.
    """

    shape: FunctionShape
    parameters: tuple[Decode, ...]
    result: Encode | None


class Planner:
    """Derives plans; one for each component, so that what they share is made once.

    A CPython guest imports a hundred functions, half of which return the same
    enum of errors, and most of which it never calls.

    Args:
        codec: what turns bytes into a bridge's text and back.
    """

    def __init__(self, codec: BytesAsText | None = None) -> None:
        self._codec = codec or BytesAsText()
        self._records: dict[tuple[str, tuple[str, ...]], type] = {}
        self._encoders: dict[WitType, Encode] = {}
        self._decoders: dict[WitType, Decode] = {}

    def plan_export(self, shape: FunctionShape, text: Collection[str] = ()) -> ExportPlan:
        """The plan of one function of the guest's.

        Args:
            shape: its type as its author wrote it.
            text: positions at which a bridge carries `list<u8>` as a string (see
                `_compose.text_bridge`): a parameter's number or `result`, then the
                way in, such as `1.some` or `result.ok.some`.
        """
        types = enumerate(type_ for _, type_ in shape.parameters)
        parameters = tuple(self.encoder(type_, str(at), text) for at, type_ in types)
        result = None if shape.result is None else self.decoder(shape.result, "result", text)
        return ExportPlan(shape, _arguments_encoder(parameters), result)

    def plan_import(self, shape: FunctionShape, text: Collection[str] = ()) -> ImportPlan:
        """The plan of one function of the host's; the arguments are those of `plan_export`."""
        types = enumerate(type_ for _, type_ in shape.parameters)
        parameters = tuple(self.decoder(type_, str(at), text) for at, type_ in types)
        result = None if shape.result is None else self.encoder(shape.result, "result", text)
        return ImportPlan(shape, parameters, result)

    def encoder(self, type_: WitType, where: str = "", text: Collection[str] = ()) -> Encode:
        """The closure that builds the slot of one value."""
        if text:
            return self._encoder(type_, where, text)
        found = self._encoders.get(type_)
        if found is None:
            found = self._encoders[type_] = self._encoder(type_, where, text)
        return found

    def decoder(self, type_: WitType, where: str = "", text: Collection[str] = ()) -> Decode:
        """The closure that reads the slot of one value."""
        if text:
            return self._decoder(type_, where, text)
        found = self._decoders.get(type_)
        if found is None:
            found = self._decoders[type_] = self._decoder(type_, where, text)
        return found

    def _encoder(self, type_: WitType, where: str, text: Collection[str]) -> Encode:
        def into(inner: WitType, step: str) -> Encode:
            return self.encoder(inner, f"{where}.{step}", text)

        def maybe(inner: WitType | None, step: str) -> Encode | None:
            return None if inner is None else into(inner, step)

        match type_:
            case Primitive(name):
                return _PRIMITIVE_ENCODERS[name]
            case ListOf(Primitive("u8")):
                return _text_encoder(self._codec) if where in text else _encode_bytes
            case ListOf(element):
                return _list_encoder(into(element, "item"))
            case TupleOf(elements):
                return _tuple_encoder([into(e, str(i)) for i, e in enumerate(elements)])
            case OptionOf(some):
                inner = into(some, "some")
                return _nested_option_encoder(inner) if _is_option(some) else _option_encoder(inner)
            case ResultOf(ok, err):
                return _result_encoder(maybe(ok, "ok"), maybe(err, "err"))
            case RecordOf(_, fields):
                return _record_encoder([(name, into(inner, name)) for name, inner in fields])
            case VariantOf(_, cases):
                return _variant_encoder({name: maybe(inner, name) for name, inner in cases})
            case EnumOf(_, names):
                return _enum_encoder(names)
            case FlagsOf(_, names):
                return _flags_encoder(names)
            case HandleOf():
                return _handle_encoder(type_)

    def _decoder(self, type_: WitType, where: str, text: Collection[str]) -> Decode:
        def into(inner: WitType, step: str) -> Decode:
            return self.decoder(inner, f"{where}.{step}", text)

        def maybe(inner: WitType | None, step: str) -> Decode | None:
            return None if inner is None else into(inner, step)

        match type_:
            case Primitive(name):
                return _PRIMITIVE_DECODERS[name]
            case ListOf(Primitive("u8")):
                return _text_decoder(self._codec) if where in text else _decode_bytes
            case ListOf(element):
                return _list_decoder(into(element, "item"))
            case TupleOf(elements):
                return _tuple_decoder([into(e, str(i)) for i, e in enumerate(elements)])
            case OptionOf(some):
                inner = into(some, "some")
                return _nested_option_decoder(inner) if _is_option(some) else _option_decoder(inner)
            case ResultOf(ok, err):
                return _result_decoder(maybe(ok, "ok"), maybe(err, "err"))
            case RecordOf(_, fields):
                decoders = [into(inner, name) for name, inner in fields]
                return _record_decoder(partial(self.record_class, type_), decoders)
            case VariantOf(_, cases):
                return _variant_decoder({name: maybe(inner, name) for name, inner in cases})
            case EnumOf(_, names):
                return _enum_decoder(names)
            case FlagsOf(_, names):
                return _flags_decoder(names)
            case HandleOf():
                return _handle_decoder(type_)

    def record_class(self, type_: RecordOf) -> type:
        """The frozen dataclass that values of a record are lifted to."""
        fields = tuple(python_name(name) for name, _ in type_.fields)
        found = self._records.get((type_.name, fields))
        if found is None:
            name = "".join(part.capitalize() for part in type_.name.split("-")) or "Record"
            found = make_dataclass(name, fields, frozen=True, slots=True)
            self._records[type_.name, fields] = found
        return found


def _arguments_encoder(encoders: Sequence[Encode]) -> EncodeAll:
    """Up to three are written out: a loop would take as long as what it calls."""

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


def _is_option(type_: WitType) -> bool:
    return isinstance(type_, OptionOf)


def _number_encoder(kind: int, code: str, padding: int) -> Encode:
    pack = struct.Struct(f"<B7x{code}{padding}x").pack

    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        return pack(kind, value)

    return encode


def _number_decoder(code: str) -> Decode:
    unpack = struct.Struct(f"<{code}").unpack_from

    def decode(at: int, handles: Handles) -> object:
        return unpack(memory, at + 8)[0]

    return decode


_FALSE = _pack_word(0, 0)
_TRUE = _pack_word(0, 1)


def _encode_bool(value: object, keep: Keep, handles: Handles) -> bytes:
    if value is True:
        return _TRUE
    if value is False:
        return _FALSE
    raise Unfit


def _decode_bool(at: int, handles: Handles) -> object:
    return memory[at + 8 : at + 9] != b"\0"


def _encode_char(value: object, keep: Keep, handles: Handles) -> bytes:
    if not isinstance(value, str):
        raise Unfit
    value.encode()  # a lone surrogate is no char
    return _pack_word(KIND_CHAR, ord(value))


def _decode_char(at: int, handles: Handles) -> object:
    return chr(int.from_bytes(memory[at + 8 : at + 12], "little"))


def _encode_string(value: object, keep: Keep, handles: Handles) -> bytes:
    data = value.encode()  # type: ignore[attr-defined]  # AttributeError means unfit
    size = len(data)
    handles.allowance -= size
    if handles.allowance < 0:
        raise AllowanceExceeded
    keep.append(data)
    return _pack_two(KIND_STRING, size, id(data) + _DATA)


def _decode_string(at: int, handles: Handles) -> object:
    size, address = _TWO_WORDS(memory, at + 8)
    if not size:
        return ""
    handles.allowance -= size
    if handles.allowance < 0:
        raise AllowanceExceeded
    return memory[address : address + size].decode()


def _encode_bytes(value: object, keep: Keep, handles: Handles) -> bytes:
    size = len(value)  # type: ignore[arg-type]  # TypeError means unfit
    if not size:
        return _EMPTY_LIST
    handles.allowance -= size
    if handles.allowance < 0:
        raise AllowanceExceeded
    body = bytearray(_U8) * size
    body[8::32] = value  # type: ignore[call-overload]  # any buffer or bytes-like sequence
    pin = (ctypes.c_char * 1).from_buffer(body)
    keep.append(pin)
    return _pack_two(KIND_LIST, size, ctypes.addressof(pin))


def _decode_bytes(at: int, handles: Handles) -> object:
    size, address = _TWO_WORDS(memory, at + 8)
    if not size:
        return b""
    handles.allowance -= size
    if handles.allowance < 0:
        raise AllowanceExceeded
    return memory[address + 8 : address + 8 + size * SLOT_BYTES : SLOT_BYTES]


_HEX = HEX_MARK.to_bytes(2, "little")


def _text_encoder(codec: BytesAsText) -> Encode:
    as_text = codec.encode

    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        data = value if type(value) is bytes else bytes(memoryview(value))  # type: ignore[arg-type]
        size = len(data)
        handles.allowance -= size
        if handles.allowance < 0:
            raise AllowanceExceeded
        if not data.isascii():  # as the codec does it, without a call for what is short
            data = _HEX + hexlify(data) if size <= HEX_MOST_BYTES else as_text(data)
            size = len(data)
        keep.append(data)
        return _pack_two(KIND_STRING, size, id(data) + _DATA)

    return encode


def _text_decoder(codec: BytesAsText) -> Decode:
    decode_at = codec.decode_at

    def decode(at: int, handles: Handles) -> object:
        size, address = _TWO_WORDS(memory, at + 8)
        if not size:
            return b""
        if size > 2 * handles.allowance + TEXT_OVERHEAD_BYTES:
            raise AllowanceExceeded
        data = memory[address : address + size] if size <= HEX_MOST_BYTES else b""
        if not data:
            data = decode_at(address, size)
        elif not data.isascii():  # short text is either plain or hexadecimal
            data = unhexlify(data[2:])
        handles.allowance -= len(data)
        if handles.allowance < 0:
            raise AllowanceExceeded
        return data

    return decode


_EMPTY_LIST = _pack_two(KIND_LIST, 0, 8)

_PRIMITIVE_ENCODERS: Mapping[str, Encode] = {
    **{name: _number_encoder(*layout) for name, layout in NUMBERS.items()},
    "bool": _encode_bool,
    "char": _encode_char,
    "string": _encode_string,
}
_PRIMITIVE_DECODERS: Mapping[str, Decode] = {
    **{name: _number_decoder(code) for name, (_, code, _) in NUMBERS.items()},
    "bool": _decode_bool,
    "char": _decode_char,
    "string": _decode_string,
}


def _list_encoder(element: Encode) -> Encode:
    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        if not isinstance(value, (list, tuple)):
            raise Unfit
        if not value:
            return _EMPTY_LIST
        handles.allowance -= len(value)
        if handles.allowance < 0:
            raise AllowanceExceeded
        body = b"".join([element(item, keep, handles) for item in value])
        keep.append(body)
        return _pack_two(KIND_LIST, len(value), id(body) + _DATA)

    return encode


def _list_decoder(element: Decode) -> Decode:
    def decode(at: int, handles: Handles) -> object:
        size, address = _TWO_WORDS(memory, at + 8)
        if not size:
            return []
        handles.allowance -= size
        if handles.allowance < 0:
            raise AllowanceExceeded
        end = address + size * SLOT_BYTES
        return [element(start, handles) for start in range(address, end, SLOT_BYTES)]

    return decode


def _tuple_encoder(elements: Sequence[Encode]) -> Encode:
    count = len(elements)

    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        if not isinstance(value, (tuple, list)) or len(value) != count:
            raise Unfit
        body = b"".join(
            [element(v, keep, handles) for element, v in zip(elements, value, strict=True)]
        )
        keep.append(body)
        return _pack_two(KIND_TUPLE, count, id(body) + _DATA)

    return encode


def _tuple_decoder(elements: Sequence[Decode]) -> Decode:
    starts = [(element, index * SLOT_BYTES) for index, element in enumerate(elements)]

    def decode(at: int, handles: Handles) -> object:
        body = _WORD(memory, at + 16)[0]
        return tuple([element(body + start, handles) for element, start in starts])

    return decode


_NONE = _pack_word(KIND_OPTION, 0)


def _option_encoder(some: Encode) -> Encode:
    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        if value is None:
            return _NONE
        body = some(value, keep, handles)
        keep.append(body)
        return _pack_word(KIND_OPTION, id(body) + _DATA)

    return encode


def _nested_option_encoder(some: Encode) -> Encode:
    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        if value is None:
            return _NONE
        if type(value) is not Some:
            raise Unfit
        body = some(value.value, keep, handles)
        keep.append(body)
        return _pack_word(KIND_OPTION, id(body) + _DATA)

    return encode


def _option_decoder(some: Decode) -> Decode:
    def decode(at: int, handles: Handles) -> object:
        address = _WORD(memory, at + 8)[0]
        return some(address, handles) if address else None

    return decode


def _nested_option_decoder(some: Decode) -> Decode:
    def decode(at: int, handles: Handles) -> object:
        address = _WORD(memory, at + 8)[0]
        return Some(some(address, handles)) if address else None

    return decode


def _result_encoder(ok: Encode | None, err: Encode | None) -> Encode:
    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        kind = type(value)
        if kind is Ok:
            inner = ok
        elif kind is Err:
            inner = err
        else:
            raise Unfit
        payload = value.value  # type: ignore[attr-defined]
        if inner is None:
            if payload is not None:
                raise Unfit
            return _pack_result(KIND_RESULT, kind is Ok, 0)
        body = inner(payload, keep, handles)
        keep.append(body)
        return _pack_result(KIND_RESULT, kind is Ok, id(body) + _DATA)

    return encode


_OK_NOTHING: Ok[None] = Ok(None)
_ERR_NOTHING: Err[None] = Err(None)
_new = object.__new__
_set_ok = vars(Ok)["value"].__set__  # the slot's own: `frozen` is for users


def _result_decoder(ok: Decode | None, err: Decode | None) -> Decode:
    def decode(at: int, handles: Handles) -> object:
        is_ok, address = _CASE_AND_WORD(memory, at + 8)
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


def _name_slot(name: str, keep: Keep) -> bytes:
    data = name.encode()
    keep.append(data)
    return struct.pack("<QQ", len(data), id(data) + _DATA)


def _record_encoder(fields: Sequence[tuple[str, Encode]]) -> Encode:
    names: Keep = []
    headers = [_name_slot(name, names) for name, _ in fields]
    attributes = [python_name(name) for name, _ in fields]
    encoders = [encode for _, encode in fields]
    read = attrgetter(*attributes)
    steps = list(zip(headers, encoders, strict=True))
    is_single = len(fields) == 1

    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        if isinstance(value, Mapping):
            if len(value) != len(attributes):
                raise Unfit
            values = tuple([value[name] for name in attributes])
        else:
            values = (read(value),) if is_single else read(value)
        parts: list[bytes] = []
        for (header, step), item in zip(steps, values, strict=True):
            parts.append(header)
            parts.append(step(item, keep, handles))
        body = b"".join(parts)
        keep.append(body)
        keep.append(names)
        return _pack_two(KIND_RECORD, len(steps), id(body) + _DATA)

    return encode


def _record_decoder(make: Callable[[], type], fields: Sequence[Decode]) -> Decode:
    record: type | None = None  # making a dataclass takes 1.5 ms, and most are never needed
    starts = [(field, index * FIELD_BYTES + NAME_BYTES) for index, field in enumerate(fields)]

    def decode(at: int, handles: Handles) -> object:
        nonlocal record
        if record is None:
            record = make()
        body = _WORD(memory, at + 16)[0]
        return record(*[field(body + start, handles) for field, start in starts])

    return decode


def _variant_encoder(cases: Mapping[str, Encode | None]) -> Encode:
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
            return _pack_three(KIND_VARIANT, size, address, 0)
        body = inner(value.value, keep, handles)
        keep.append(body)
        return _pack_three(KIND_VARIANT, size, address, id(body) + _DATA)

    return encode


def _variant_decoder(cases: Mapping[str, Decode | None]) -> Decode:
    table = {name.encode(): (name, decode) for name, decode in cases.items()}
    read = struct.Struct("<QQQ").unpack_from

    def decode(at: int, handles: Handles) -> object:
        size, name_address, address = read(memory, at + 8)
        name, inner = table[memory[name_address : name_address + size]]
        if inner is None:
            return Case(name)
        return Case(name, inner(address, handles))

    return decode


def _enum_encoder(cases: Sequence[str]) -> Encode:
    names: Keep = []
    table = {
        name: _pack_two(KIND_ENUM, *struct.unpack("<QQ", _name_slot(name, names))) for name in cases
    }

    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        keep.append(names)
        return table[value]  # type: ignore[index]  # KeyError means unfit

    return encode


def _enum_decoder(cases: Sequence[str]) -> Decode:
    table = {name.encode(): name for name in cases}

    def decode(at: int, handles: Handles) -> object:
        size, address = _TWO_WORDS(memory, at + 8)
        return table[memory[address : address + size]]

    return decode


def _flags_encoder(flags: Sequence[str]) -> Encode:
    names: Keep = []
    table = {name: _name_slot(name, names) for name in flags}

    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        if not isinstance(value, (frozenset, set)):
            raise Unfit
        keep.append(names)
        if not value:
            return _pack_two(KIND_FLAGS, 0, 8)
        body = b"".join([table[name] for name in value])
        keep.append(body)
        return _pack_two(KIND_FLAGS, len(value), id(body) + _DATA)

    return encode


def _flags_decoder(flags: Sequence[str]) -> Decode:
    table = {name.encode(): name for name in flags}

    def decode(at: int, handles: Handles) -> object:
        size, address = _TWO_WORDS(memory, at + 8)
        starts = range(address, address + size * NAME_BYTES, NAME_BYTES)
        names = [_TWO_WORDS(memory, start) for start in starts]
        return frozenset([table[memory[data : data + length]] for length, data in names])

    return decode


def _handle_encoder(type_: HandleOf) -> Encode:
    def encode(value: object, keep: Keep, handles: Handles) -> bytes:
        return _pack_word(KIND_RESOURCE, handles.lower_handle(type_, value, keep))

    return encode


def _handle_decoder(type_: HandleOf) -> Decode:
    def decode(at: int, handles: Handles) -> object:
        return handles.lift_handle(type_, _WORD(memory, at + 8)[0])

    return decode
