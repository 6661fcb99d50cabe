"""Component types as a bridge needs them: read, laid out, and written again.

The classes are those of `airswasm.wit`, with a leaf of their own: a type that has
a name in the binary (an instance's exported type, an alias of one) stays a `Named`
with what it stands for inside. Its layout matters here, but a reference to it must
be written as a reference, because the component model wants records and variants
named. Records and the like have no name of their own here; it belongs to the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Never, TypeAlias

from airswasm.wit import (
    Borrow,
    Case,
    Enum,
    Field,
    Flags,
    ListOf,
    OptionOf,
    Own,
    Primitive,
    Record,
    ResultOf,
    TupleOf,
    Variant,
)

from .reader import Reader, Unreadable

STRING, U8 = Primitive("string"), Primitive("u8")
FLAT_PARAMETERS = 16
_CODES_AND_SIZES = {
    "bool": (0x7F, 1),
    "s8": (0x7E, 1),
    "u8": (0x7D, 1),
    "s16": (0x7C, 2),
    "u16": (0x7B, 2),
    "s32": (0x7A, 4),
    "u32": (0x79, 4),
    "s64": (0x78, 8),
    "u64": (0x77, 8),
    "f32": (0x76, 4),
    "f64": (0x75, 8),
    "char": (0x74, 4),
    "string": (0x73, 8),
}
_CODES = {name: code for name, (code, _) in _CODES_AND_SIZES.items()}
_SIZES = {name: size for name, (_, size) in _CODES_AND_SIZES.items()}
_PRIMITIVES = {code: Primitive(name) for name, code in _CODES.items()}
_FLAT = {"s64": "i64", "u64": "i64", "f32": "f32", "f64": "f64"}


@dataclass(frozen=True, slots=True)
class Resource:
    """The thing that the name of a resource stands for."""


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
    | ListOf["Type"]
    | TupleOf["Type"]
    | Record["Type"]
    | Variant["Type"]
    | OptionOf["Type"]
    | ResultOf["Type"]
    | Enum
    | Flags
    | Own["Named"]
    | Borrow["Named"]
    | Resource
    | Named
)
Lookup: TypeAlias = Callable[[int], Type]
Refer: TypeAlias = Callable[[Named], int]
BYTES = ListOf(U8)


def read_value(reader: Reader, lookup: Lookup) -> Type:
    """Read a `valtype`: a primitive or the index of a type."""
    if 0x40 <= reader.peek() < 0x80:
        return _primitive(reader.byte())
    return lookup(reader.u32())


def _primitive(code: int) -> Primitive:
    if code not in _PRIMITIVES:
        raise Unreadable(f"value type {code:#x} is none that a bridge knows")
    return _PRIMITIVES[code]


def _read_optional(reader: Reader, lookup: Lookup) -> Type | None:
    present = reader.byte()
    if present > 1:
        raise Unreadable("an optional type is marked neither present nor absent")
    return read_value(reader, lookup) if present else None


def _read_labels(reader: Reader) -> tuple[Case[Never], ...]:
    return tuple(Case(reader.name()) for _ in range(reader.u32()))


def _read_members(reader: Reader, lookup: Lookup) -> list[tuple[str, Type]]:
    return [(reader.name(), read_value(reader, lookup)) for _ in range(reader.u32())]


def _read_case(reader: Reader, lookup: Lookup) -> Case[Type]:
    read: Case[Type] = Case(reader.name(), _read_optional(reader, lookup))
    if reader.byte() != 0:
        raise Unreadable("a case refines another")
    return read


def read_defined(reader: Reader, lookup: Lookup) -> Type:
    """Read a `defvaltype`."""
    code = reader.byte()
    match code:
        case 0x72:
            return Record("", tuple(Field(n, t) for n, t in _read_members(reader, lookup)))
        case 0x71:
            return Variant("", tuple(_read_case(reader, lookup) for _ in range(reader.u32())))
        case 0x70:
            return ListOf(read_value(reader, lookup))
        case 0x6F:
            return TupleOf(tuple(read_value(reader, lookup) for _ in range(reader.u32())))
        case 0x6E:
            return Flags("", _read_labels(reader))
        case 0x6D:
            return Enum("", _read_labels(reader))
        case 0x6B:
            return OptionOf(read_value(reader, lookup))
        case 0x6A:
            return ResultOf(_read_optional(reader, lookup), _read_optional(reader, lookup))
        case 0x69 | 0x68:
            resource = lookup(reader.u32())
            if not isinstance(resource, Named):
                raise Unreadable("a handle to a resource without a name")
            return Borrow(resource) if code == 0x68 else Own(resource)
        case _:
            return _primitive(code)


def read_function(reader: Reader, lookup: Lookup) -> Function:
    """Read a function type, after its code."""
    parameters = tuple(_read_members(reader, lookup))
    kind = reader.byte()
    if kind == 0:
        return Function(parameters, read_value(reader, lookup))
    if kind != 1 or reader.byte() != 0:
        raise Unreadable("a function with named results")
    return Function(parameters, None)


# --- layout ---------------------------------------------------------------------------


def size_align(type_: Type | None) -> tuple[int, int]:
    """Return size and alignment in memory, as the canonical ABI has them."""
    match type_:
        case None:
            return 0, 1
        case Primitive(name):
            return _SIZES[name], 4 if type_ == STRING else _SIZES[name]
        case ListOf():
            return 8, 4
        case Own() | Borrow():
            return 4, 4
        case Named(type=inner):
            return size_align(inner)
        case Flags(_, flags):
            return _flags_layout(len(flags))
        case Record() | TupleOf():
            return _sequence_layout(members(type_))
        case Resource():
            raise Unreadable("a resource has no layout")
        case Variant() | Enum() | OptionOf() | ResultOf():
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
    """Return the size of what tells a variant's cases apart."""
    return 1 if len(cases) <= 2**8 else 2 if len(cases) <= 2**16 else 4


def payload_offset(cases: Sequence[Type | None]) -> int:
    """Return where a variant's payload starts."""
    return aligned(discriminant_bytes(cases), max(size_align(case)[1] for case in cases))


def aligned(offset: int, align: int) -> int:
    """Return the next multiple of `align`."""
    return (offset + align - 1) & ~(align - 1)


def members(type_: Type) -> tuple[Type, ...]:
    """Return the types of a record's or tuple's parts."""
    match type_:
        case Record(_, fields):
            return tuple(each.type for each in fields)
        case TupleOf(elements):
            return elements
        case _:
            raise Unreadable("no record or tuple")


def payloads(type_: Type) -> tuple[Type | None, ...]:
    """Return the payloads of whatever has cases."""
    match type_:
        case Variant(_, cases):
            return tuple(each.type for each in cases)
        case Enum(_, labels):
            return (None,) * len(labels)
        case OptionOf(some):
            return None, some
        case ResultOf(ok, err):
            return ok, err
        case _:
            raise Unreadable("no variant")


def flatten(type_: Type | None) -> list[str]:
    """Return the core values that a type becomes when it is passed directly."""
    match type_:
        case None:
            return []
        case Primitive(name):
            return ["i32", "i32"] if type_ == STRING else [_FLAT.get(name, "i32")]
        case ListOf():
            return ["i32", "i32"]
        case Own() | Borrow() | Flags():
            return ["i32"]
        case Named(type=inner):
            return flatten(inner)
        case Record() | TupleOf():
            return [each for member in members(type_) for each in flatten(member)]
        case Resource():
            raise Unreadable("a resource is no value")
        case Variant() | Enum() | OptionOf() | ResultOf():
            return ["i32", *_joined(payloads(type_))]


def _joined(cases: Sequence[Type | None]) -> list[str]:
    """Return the core values that hold the payload of any of the cases."""
    joined: list[str] = []
    for case in cases:
        for at, flat in enumerate(flatten(case)):
            if at < len(joined):
                joined[at] = _join(joined[at], flat)
            else:
                joined.append(flat)
    return joined


def _join(one: str, other: str) -> str:
    if one == other:
        return one
    return "i32" if {one, other} == {"i32", "f32"} else "i64"


# --- writing --------------------------------------------------------------------------


def unsigned(value: int) -> bytes:
    """Write a number in LEB128."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def type_index(index: int) -> bytes:
    """Write an index where a value type is expected: signed, so that primitives stay apart."""
    out = bytearray()
    while index > 0x3F:
        out.append(index & 0x7F | 0x80)
        index >>= 7
    out.append(index)
    return bytes(out)


def text(name: str) -> bytes:
    """Write a length and UTF-8."""
    encoded = name.encode()
    return unsigned(len(encoded)) + encoded


def vector(items: Iterable[bytes]) -> bytes:
    """Write a count and items."""
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
        """Define a function type and what it is made of."""
        parameters = [text(name) + self.value(each) for name, each in function.parameters]
        result = b"\x01\x00" if function.result is None else b"\x00" + self.value(function.result)
        return self._define(b"\x40" + vector(parameters) + result)

    def value(self, type_: Type) -> bytes:
        """Return a reference to a type, which is defined first where it must be."""
        if isinstance(type_, Primitive):
            return bytes([_CODES[type_.name]])
        if isinstance(type_, Named):
            return type_index(self._refer(type_))
        return type_index(self.defined(type_))

    def defined(self, type_: Type) -> int:
        """Return the index of a type, which is defined first where it has no name."""
        if isinstance(type_, Named):
            return self._refer(type_)
        return self._define(self._definition(type_))

    def _optional(self, type_: Type | None) -> bytes:
        return b"\x00" if type_ is None else b"\x01" + self.value(type_)

    def _definition(self, type_: Type) -> bytes:
        match type_:
            case Primitive(name):
                return bytes([_CODES[name]])
            case ListOf(element):
                return b"\x70" + self.value(element)
            case TupleOf(elements):
                return b"\x6f" + vector([self.value(each) for each in elements])
            case OptionOf(some):
                return b"\x6b" + self.value(some)
            case ResultOf(ok, err):
                return b"\x6a" + self._optional(ok) + self._optional(err)
            case Own(resource):
                return b"\x69" + unsigned(self._refer(resource))
            case Borrow(resource):
                return b"\x68" + unsigned(self._refer(resource))
            case Record(_, fields):
                return b"\x72" + vector([text(f.name) + self.value(f.type) for f in fields])
            case Variant(_, cases):
                listed = [text(c.name) + self._optional(c.type) + b"\0" for c in cases]
                return b"\x71" + vector(listed)
            case Enum(_, labels):
                return b"\x6d" + vector([text(label.name) for label in labels])
            case Flags(_, labels):
                return b"\x6e" + vector([text(label.name) for label in labels])
            case Resource() | Named():
                raise Unreadable("a type that cannot be written")
