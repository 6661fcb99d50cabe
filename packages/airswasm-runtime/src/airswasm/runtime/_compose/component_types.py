"""Component types as a bridge needs them: read, laid out, and written again.

A type is a small tree. Types that have a name in the binary (an instance's
exported type, an alias of one) stay a `Named` leaf with what it stands for
inside: its layout matters here, but a reference to it must be written as a
reference, because the component model wants records and variants named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .reader import Reader, Unreadable

STRING, U8 = 0x73, 0x7D
FLAT_PARAMETERS = 16
_SIZES = {0x7F: 1, 0x7E: 1, U8: 1, 0x7C: 2, 0x7B: 2, 0x7A: 4, 0x79: 4, 0x78: 8, 0x77: 8}
_SIZES |= {0x76: 4, 0x75: 8, 0x74: 4, STRING: 8}
_FLAT = {0x78: "i64", 0x77: "i64", 0x76: "f32", 0x75: "f64"}


@dataclass(frozen=True, slots=True)
class Primitive:
    """A number, `bool`, `char` or `string`, by its code in the binary."""

    code: int


@dataclass(frozen=True, slots=True)
class ListOf:
    """`list<element>`."""

    element: Type


@dataclass(frozen=True, slots=True)
class TupleOf:
    """`tuple<...>`."""

    elements: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class RecordOf:
    """A record."""

    fields: tuple[tuple[str, Type], ...]


@dataclass(frozen=True, slots=True)
class VariantOf:
    """A variant; None for a case without payload."""

    cases: tuple[tuple[str, Type | None], ...]


@dataclass(frozen=True, slots=True)
class OptionOf:
    """`option<some>`."""

    some: Type


@dataclass(frozen=True, slots=True)
class ResultOf:
    """`result<ok, err>`."""

    ok: Type | None
    err: Type | None


@dataclass(frozen=True, slots=True)
class EnumOf:
    """An enum."""

    cases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlagsOf:
    """Flags."""

    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resource:
    """What the name of a resource stands for."""


@dataclass(frozen=True, slots=True)
class Handle:
    """`own<resource>` or `borrow<resource>`."""

    resource: Named
    is_borrow: bool


@dataclass(frozen=True, slots=True)
class Named:
    """A reference to a type that has a name.

    Attributes:
        index: its index in the space that it was read in.
        name: the name under which the instance exports it; None when it comes
            from the component around.
        type: what it stands for.
    """

    index: int
    name: str | None
    type: Type


@dataclass(frozen=True, slots=True)
class Function:
    """The type of a function."""

    parameters: tuple[tuple[str, Type], ...]
    result: Type | None


Type: TypeAlias = (
    Primitive
    | ListOf
    | TupleOf
    | RecordOf
    | VariantOf
    | OptionOf
    | ResultOf
    | EnumOf
    | FlagsOf
    | Resource
    | Handle
    | Named
)
Lookup: TypeAlias = Callable[[int], Type]
Refer: TypeAlias = Callable[[Named], int]
BYTES = ListOf(Primitive(U8))
TEXT = Primitive(STRING)


def read_value(reader: Reader, lookup: Lookup) -> Type:
    """A `valtype`: a primitive or the index of a type."""
    if 0x40 <= reader.peek() < 0x80:
        return _primitive(reader.byte())
    return lookup(reader.u32())


def _primitive(code: int) -> Primitive:
    if code not in _SIZES:
        raise Unreadable(f"value type {code:#x} is none that a bridge knows")
    return Primitive(code)


def _read_optional(reader: Reader, lookup: Lookup) -> Type | None:
    present = reader.byte()
    if present > 1:
        raise Unreadable("an optional type is marked neither present nor absent")
    return read_value(reader, lookup) if present else None


def _read_labels(reader: Reader) -> tuple[str, ...]:
    return tuple(reader.name() for _ in range(reader.u32()))


def _read_fields(reader: Reader, lookup: Lookup) -> tuple[tuple[str, Type], ...]:
    return tuple((reader.name(), read_value(reader, lookup)) for _ in range(reader.u32()))


def _read_case(reader: Reader, lookup: Lookup) -> tuple[str, Type | None]:
    name, payload = reader.name(), _read_optional(reader, lookup)
    if reader.byte() != 0:
        raise Unreadable("a case refines another")
    return name, payload


def read_defined(reader: Reader, lookup: Lookup) -> Type:
    """A `defvaltype`."""
    code = reader.byte()
    match code:
        case 0x72:
            return RecordOf(_read_fields(reader, lookup))
        case 0x71:
            return VariantOf(tuple(_read_case(reader, lookup) for _ in range(reader.u32())))
        case 0x70:
            return ListOf(read_value(reader, lookup))
        case 0x6F:
            return TupleOf(tuple(read_value(reader, lookup) for _ in range(reader.u32())))
        case 0x6E:
            return FlagsOf(_read_labels(reader))
        case 0x6D:
            return EnumOf(_read_labels(reader))
        case 0x6B:
            return OptionOf(read_value(reader, lookup))
        case 0x6A:
            return ResultOf(_read_optional(reader, lookup), _read_optional(reader, lookup))
        case 0x69 | 0x68:
            resource = lookup(reader.u32())
            if not isinstance(resource, Named):
                raise Unreadable("a handle to a resource without a name")
            return Handle(resource, is_borrow=code == 0x68)
    return _primitive(code)


def read_function(reader: Reader, lookup: Lookup) -> Function:
    """A function type, after its code."""
    parameters = _read_fields(reader, lookup)
    kind = reader.byte()
    if kind == 0:
        return Function(parameters, read_value(reader, lookup))
    if kind != 1 or reader.byte() != 0:
        raise Unreadable("a function with named results")
    return Function(parameters, None)


# --- layout ---------------------------------------------------------------------------


def size_align(type_: Type | None) -> tuple[int, int]:
    """Size and alignment in memory, as the canonical ABI has them."""
    match type_:
        case None:
            return 0, 1
        case Primitive(code):
            return _SIZES[code], 4 if code == STRING else _SIZES[code]
        case ListOf():
            return 8, 4
        case Handle():
            return 4, 4
        case Named(type=inner):
            return size_align(inner)
        case FlagsOf(flags):
            return _flags_layout(len(flags))
        case RecordOf() | TupleOf():
            return _sequence_layout(members(type_))
        case Resource():
            raise Unreadable("a resource has no layout")
    return _variant_layout(payloads(type_))


def _flags_layout(count: int) -> tuple[int, int]:
    if count > 32:
        raise Unreadable("more than 32 flags")
    size = 1 if count <= 8 else 2 if count <= 16 else 4
    return size, size


def _sequence_layout(types: Sequence[Type]) -> tuple[int, int]:
    offset, most = 0, 1
    for each in types:
        size, align = size_align(each)
        offset = aligned(offset, align) + size
        most = max(most, align)
    return aligned(offset, most), most


def _variant_layout(cases: Sequence[Type | None]) -> tuple[int, int]:
    sizes = [size_align(case) for case in cases]
    align = max([discriminant_bytes(cases), *(each for _, each in sizes)])
    size = payload_offset(cases) + max(each for each, _ in sizes)
    return aligned(size, align), align


def discriminant_bytes(cases: Sequence[object]) -> int:
    """The size of what tells a variant's cases apart."""
    return 1 if len(cases) <= 2**8 else 2 if len(cases) <= 2**16 else 4


def payload_offset(cases: Sequence[Type | None]) -> int:
    """Where a variant's payload starts."""
    return aligned(discriminant_bytes(cases), max(size_align(case)[1] for case in cases))


def aligned(offset: int, align: int) -> int:
    """The next multiple of `align`."""
    return (offset + align - 1) & ~(align - 1)


def members(type_: Type) -> tuple[Type, ...]:
    """The types of a record's or tuple's parts."""
    match type_:
        case RecordOf(fields):
            return tuple(each for _, each in fields)
        case TupleOf(elements):
            return elements
    raise Unreadable("no record or tuple")


def payloads(type_: Type) -> tuple[Type | None, ...]:
    """The payloads of whatever has cases."""
    match type_:
        case VariantOf(cases):
            return tuple(each for _, each in cases)
        case EnumOf(cases):
            return (None,) * len(cases)
        case OptionOf(some):
            return None, some
        case ResultOf(ok, err):
            return ok, err
    raise Unreadable("no variant")


def flatten(type_: Type | None) -> list[str]:
    """The core values that a type becomes when it is passed directly."""
    match type_:
        case None:
            return []
        case Primitive(code):
            return ["i32", "i32"] if code == STRING else [_FLAT.get(code, "i32")]
        case ListOf():
            return ["i32", "i32"]
        case Handle() | FlagsOf():
            return ["i32"]
        case Named(type=inner):
            return flatten(inner)
        case RecordOf() | TupleOf():
            return [each for member in members(type_) for each in flatten(member)]
        case Resource():
            raise Unreadable("a resource is no value")
    joined: list[str] = []
    for case in payloads(type_):
        for at, flat in enumerate(flatten(case)):
            if at < len(joined):
                joined[at] = _join(joined[at], flat)
            else:
                joined.append(flat)
    return ["i32", *joined]


def _join(one: str, other: str) -> str:
    if one == other:
        return one
    return "i32" if {one, other} == {"i32", "f32"} else "i64"


# --- writing --------------------------------------------------------------------------


def unsigned(value: int) -> bytes:
    """A number in LEB128."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def type_index(index: int) -> bytes:
    """An index where a value type is expected: signed, so that primitives stay apart."""
    out = bytearray()
    while index > 0x3F:
        out.append(index & 0x7F | 0x80)
        index >>= 7
    out.append(index)
    return bytes(out)


def text(name: str) -> bytes:
    """A length and UTF-8."""
    encoded = name.encode()
    return unsigned(len(encoded)) + encoded


def vector(items: Iterable[bytes]) -> bytes:
    """A count and items."""
    listed = list(items)
    return unsigned(len(listed)) + b"".join(listed)


class TypeSpace:
    """Writes types into an index space, parts before what is made of them.

    Args:
        define: takes the bytes of one type definition and returns its index.
        refer: the index, in this space, of a type that has a name.
    """

    def __init__(self, define: Callable[[bytes], int], refer: Refer) -> None:
        self._define = define
        self._refer = refer

    def function(self, function: Function) -> int:
        """Defines a function type and what it is made of."""
        parameters = [text(name) + self.value(each) for name, each in function.parameters]
        result = b"\x01\x00" if function.result is None else b"\x00" + self.value(function.result)
        return self._define(b"\x40" + vector(parameters) + result)

    def value(self, type_: Type) -> bytes:
        """A reference to a type, which is defined first where it must be."""
        if isinstance(type_, Primitive):
            return bytes([type_.code])
        if isinstance(type_, Named):
            return type_index(self._refer(type_))
        return type_index(self.defined(type_))

    def defined(self, type_: Type) -> int:
        """The index of a type, which is defined first where it has no name."""
        if isinstance(type_, Named):
            return self._refer(type_)
        return self._define(self._definition(type_))

    def _optional(self, type_: Type | None) -> bytes:
        return b"\x00" if type_ is None else b"\x01" + self.value(type_)

    def _definition(self, type_: Type) -> bytes:
        match type_:
            case Primitive(code):
                return bytes([code])
            case ListOf(element):
                return b"\x70" + self.value(element)
            case TupleOf(elements):
                return b"\x6f" + vector([self.value(each) for each in elements])
            case OptionOf(some):
                return b"\x6b" + self.value(some)
            case ResultOf(ok, err):
                return b"\x6a" + self._optional(ok) + self._optional(err)
            case Handle(resource, is_borrow):
                kind = b"\x68" if is_borrow else b"\x69"
                return kind + unsigned(self._refer(resource))
            case RecordOf(fields):
                return b"\x72" + vector([text(n) + self.value(t) for n, t in fields])
            case VariantOf(cases):
                return b"\x71" + vector([text(n) + self._optional(t) + b"\0" for n, t in cases])
            case EnumOf(labels):
                return b"\x6d" + vector(map(text, labels))
            case FlagsOf(labels):
                return b"\x6e" + vector(map(text, labels))
        raise Unreadable("a type that cannot be written")
