"""The canonical ABI as a generated guest needs it: where a value lies, and what it is made of.

`Layout` questions are pure functions of a type. `Memory` lays the values out before the guest
runs; only handles exist no earlier than that, so a value with one names a local variable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from struct import pack

from .model import (
    Borrow,
    Enum,
    Flags,
    ListOf,
    OptionOf,
    Own,
    Primitive,
    Record,
    Resource,
    ResultOf,
    TupleOf,
    Variant,
    WitType,
)

__all__ = (
    "Handle",
    "HandleList",
    "HandlePlace",
    "Memory",
    "ProbeArgument",
    "flat",
    "handles_in",
    "holds_stored_handles",
    "places_of_handles",
    "up",
)

Handle = Own[Resource] | Borrow[Resource]

_CORE = {"u64": "i64", "s64": "i64", "f32": "f32", "f64": "f64"}
_SIZES = {"bool": 1, "u8": 1, "s8": 1, "u16": 2, "s16": 2, "u64": 8, "s64": 8, "f64": 8}
_LONGEST = 1_000
"""Handles in one list: the guest has to store each of them."""


@dataclass(frozen=True, slots=True)
class ProbeArgument:
    """One kind of argument: what every text, every `list<u8>` and every number is.

    Attributes:
        name: For messages.
        text: In each string; in a list of other things it is cut into as many parts.
        data: In each `list<u8>`.
        number: Where it fits; else the largest that does.
        items: Items of each list of other things.
    """

    name: str
    text: str
    data: bytes
    number: int = 1
    items: int = 1


def _size(type_: WitType) -> int:
    match type_:
        case Primitive("string") | ListOf():
            return 8
        case Primitive(name):
            return _SIZES.get(name, 4)
        case Record(_, fields):
            return _size_of_row([each.type for each in fields])
        case TupleOf(items):
            return _size_of_row(items)
        case Flags(_, cases):
            return 1 if len(cases) <= 8 else 2 if len(cases) <= 16 else 4
        case Enum() | Variant() | OptionOf() | ResultOf():
            most = max((_size(case) for case in _cases(type_) if case is not None), default=0)
            return up(_payload_at(type_) + most, _alignment(type_))
        case _:
            return 4


def _alignment(type_: WitType) -> int:
    match type_:
        case Primitive("string") | ListOf():
            return 4
        case Primitive() | Flags():
            return _size(type_)
        case Record(_, fields):
            return max((_alignment(each.type) for each in fields), default=1)
        case TupleOf(items):
            return max((_alignment(each) for each in items), default=1)
        case Enum() | Variant() | OptionOf() | ResultOf():
            inner = [_alignment(case) for case in _cases(type_) if case is not None]
            return max((_tag_size(type_), *inner))
        case _:
            return 4


def _size_of_row(types: Iterable[WitType]) -> int:
    types = list(types)
    return up(_size_up_to(types), max(map(_alignment, types), default=1))


def _cases(type_: WitType) -> Sequence[WitType | None]:
    match type_:
        case OptionOf(payload):
            return (None, payload)
        case ResultOf(ok, error):
            return (ok, error)
        case Variant(_, cases):
            return [case.type for case in cases]
        case Enum(_, cases):
            return [None for _ in cases]
        case _:
            return ()


def _tag_size(type_: WitType) -> int:
    return 1 if len(_cases(type_)) <= 256 else 2


def _payload_at(type_: WitType) -> int:
    inner = [_alignment(case) for case in _cases(type_) if case is not None]
    return up(_tag_size(type_), max((1, *inner)))


def up(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


def flat(type_: WitType) -> list[str]:
    """Return the core types of a value among parameters."""
    match type_:
        case Primitive("string") | ListOf():
            return ["i32", "i32"]
        case Primitive(name):
            return [_CORE.get(name, "i32")]
        case Record(_, fields):
            return [core for each in fields for core in flat(each.type)]
        case TupleOf(items):
            return [core for each in items for core in flat(each)]
        case Enum() | Variant() | OptionOf() | ResultOf():
            joined: list[str] = []
            for case in _cases(type_):
                for at, core in enumerate(flat(case) if case is not None else ()):
                    if at < len(joined):
                        joined[at] = _joined(joined[at], core)
                    else:
                        joined.append(core)
            return ["i32", *joined]
        case _:
            return ["i32"]


def _joined(one: str, other: str) -> str:
    if one == other:
        return one
    return "i32" if {one, other} == {"i32", "f32"} else "i64"


def handles_in(types: Iterable[WitType]) -> Iterator[Handle]:
    """Yield the handles in these types, however deep."""
    for type_ in types:
        match type_:
            case Own() | Borrow():
                yield type_
            case ListOf(inner) | OptionOf(inner):
                yield from handles_in((inner,))
            case TupleOf(items):
                yield from handles_in(items)
            case Record(_, fields):
                yield from handles_in(each.type for each in fields)
            case ResultOf() | Variant():
                yield from handles_in(case for case in _cases(type_) if case is not None)
            case _:
                continue


def holds_stored_handles(types: Iterable[WitType]) -> bool:
    """Return whether some handle lies in memory, other than in a list of handles."""
    for type_ in types:
        match type_:
            case ListOf(inner):
                if not isinstance(inner, Own | Borrow) and any(handles_in((inner,))):
                    return True
            case OptionOf(inner):
                if holds_stored_handles((inner,)):
                    return True
            case TupleOf(items):
                if holds_stored_handles(items):
                    return True
            case Record(_, fields):
                if holds_stored_handles(each.type for each in fields):
                    return True
            case ResultOf() | Variant():
                if holds_stored_handles(case for case in _cases(type_) if case is not None):
                    return True
            case _:
                continue
    return False


@dataclass(frozen=True, slots=True)
class HandlePlace:
    """The place of a handle in what a function returned.

    Attributes:
        conditions: Expressions that are 0 when there is no handle this time.
        handle: The expression of the handle.
    """

    conditions: tuple[str, ...]
    handle: str


def places_of_handles(
    type_: WitType | None, base: str = "(i32.const 0)", offset: int = 0
) -> Iterator[tuple[Handle, HandlePlace]]:
    """Yield the owned handles in a value in memory, with their places."""
    match type_:
        case Own():
            yield type_, HandlePlace((), f"(i32.load offset={offset} {base})")
        case OptionOf(inner):
            yield from _under(type_, 1, inner, base, offset)
        case ResultOf(ok, _):
            yield from _under(type_, 0, ok, base, offset)
        case ListOf(inner):
            at, length = (f"(i32.load offset={offset + 4 * n} {base})" for n in (0, 1))
            for handle, place in places_of_handles(inner, at):
                yield handle, HandlePlace((length, *place.conditions), place.handle)
        case TupleOf() | Record():
            row = type_.items if isinstance(type_, TupleOf) else [f.type for f in type_.fields]
            for number, each in enumerate(row):
                at_bytes = up(_size_up_to(row[:number]), _alignment(each))
                yield from places_of_handles(each, base, offset + at_bytes)
        case _:
            return


def _under(
    whole: WitType, case: int, inner: WitType | None, base: str, offset: int
) -> Iterator[tuple[Handle, HandlePlace]]:
    is_it = f"(i32.eq (i32.load8_u offset={offset} {base}) (i32.const {case}))"
    for handle, place in places_of_handles(inner, base, offset + _payload_at(whole)):
        yield handle, HandlePlace((is_it, *place.conditions), place.handle)


def _size_up_to(types: Iterable[WitType]) -> int:
    size = 0
    for each in types:
        size = up(size, _alignment(each)) + _size(each)
    return size


@dataclass(frozen=True, slots=True)
class HandleList:
    """A list of handles, for which there is room in memory.

    Attributes:
        address: Where it begins.
        items: How many there are.
        handle: What each is.
    """

    address: int
    items: int
    handle: Handle


class Memory:
    """The guest's memory as it is when the guest begins: all arguments, laid out.

    Attributes:
        argument: What values are made of now.
        handles: The handles that the values name, in the order in which they do.
        lists: The lists of handles among the values.
        image: What begins at the base.
    """

    def __init__(
        self, argument: ProbeArgument, base: int, is_made: Callable[[Handle], bool]
    ) -> None:
        self.argument = argument
        self.handles: list[Handle] = []
        self.lists: list[HandleList] = []
        self.image = bytearray()
        self._is_made = is_made
        self._base = base
        self._known: dict[tuple[bytes, int], int] = {}

    def begin(self, argument: ProbeArgument) -> None:
        """Make values of that argument from now on, and forget the handles so far."""
        self.argument = argument
        self.handles, self.lists = [], []

    def expressions(self, types: Iterable[WitType]) -> Iterator[str]:
        """Yield the expressions that stand for parameters, one for each core type.

        A handle is the local variable `$h` with its number among `handles`.
        """
        for type_ in types:
            for core, value in zip(flat(type_), self._values(type_), strict=True):
                if isinstance(value, int):
                    yield f"({core}.const {value})"
                else:
                    local = f"(local.get {value})"
                    yield local if core == "i32" else f"(i64.extend_i32_u {local})"

    def _values(self, type_: WitType) -> list[int | str]:
        match type_:
            case Own() | Borrow():
                self.handles.append(type_)
                return [f"$h{len(self.handles) - 1}"]
            case ListOf(Own() | Borrow() as handle):
                return list(self._room_for(handle))
            case Primitive("string") | ListOf():
                return list(self._span(type_))
            case Primitive(name):
                return [self._number(name)]
            case Record(_, fields):
                return [number for each in fields for number in self._values(each.type)]
            case TupleOf(items):
                return [number for each in items for number in self._values(each)]
            case Enum() | Variant() | OptionOf() | ResultOf():
                case, payload = self._chosen(type_)
                inner = [] if payload is None else self._values(payload)
                return [case, *inner, *(0 for _ in flat(type_)[1 + len(inner) :])]
            case _:
                return [0]

    def _chosen(self, type_: WitType) -> tuple[int, WitType | None]:
        """Return the last case with a payload: `some`, `err`, and what a variant ends with."""
        cases = list(enumerate(_cases(type_)))
        possible = [
            (case, payload)
            for case, payload in cases
            if payload is not None and all(map(self._is_made, handles_in((payload,))))
        ]
        return possible[-1] if possible else cases[0] if isinstance(type_, OptionOf) else cases[-1]

    def _room_for(self, handle: Handle) -> tuple[int, int]:
        items = min(self.argument.items, _LONGEST)
        address = up(self._base + len(self.image), 4)
        self.image += bytes(address + 4 * items - self._base - len(self.image))
        self.lists.append(HandleList(address, items, handle))
        return address, items

    def _number(self, name: str) -> int:
        if name in ("bool", "f32", "f64"):
            return 1 if name == "bool" else 0
        if name == "char":
            return ord("a")
        bits = int(name[1:]) - (name[0] == "s")
        return min(self.argument.number, (1 << bits) - 1)

    def _span(self, type_: WitType, parts: int = 1) -> tuple[int, int]:
        """Address and length of a text or a list."""
        match type_:
            case Primitive():
                whole = self.argument.text
                data = whole[: max(1, len(whole) // parts)].encode() if whole else b""
                return self._put(data, 1), len(data)
            case ListOf(Primitive("u8")):
                data = self.argument.data
                data = data[: max(1, len(data) // parts)]
                return self._put(data, 1), len(data)
            case ListOf(element):
                items = self.argument.items
                item = self._stored(element, max(1, items))
                item += bytes(up(len(item), _alignment(element)) - len(item))
                return self._put(item * items, _alignment(element)), items
            case _:
                return 0, 0

    def _stored(self, type_: WitType, parts: int) -> bytes:
        """Return a value as it lies in memory."""
        match type_:
            case Primitive("string") | ListOf():
                return pack("<II", *self._span(type_, parts))
            case Primitive("f32" | "f64"):
                return bytes(_size(type_))
            case Primitive(name):
                return (self._number(name) % 2**64).to_bytes(8, "little")[: _size(type_)]
            case Record(_, fields):
                return self._row([each.type for each in fields], parts)
            case TupleOf(items):
                return self._row(items, parts)
            case Enum() | Variant() | OptionOf() | ResultOf():
                case, payload = self._chosen(type_)
                head = case.to_bytes(_tag_size(type_), "little")
                if payload is not None:
                    head += bytes(_payload_at(type_) - len(head)) + self._stored(payload, parts)
                return head + bytes(_size(type_) - len(head))
            case _:
                return bytes(_size(type_))

    def _row(self, types: Iterable[WitType], parts: int) -> bytes:
        row = b""
        types = list(types)
        for each in types:
            row += bytes(up(len(row), _alignment(each)) - len(row)) + self._stored(each, parts)
        return row + bytes(_size_of_row(types) - len(row))

    def _put(self, data: bytes, alignment: int) -> int:
        at = self._known.get((data, alignment))
        if at is None:
            at = up(self._base + len(self.image), alignment)
            self.image += bytes(at - self._base - len(self.image)) + data
            self._known[data, alignment] = at
        return at

    def store(self, types: Sequence[WitType]) -> int:
        """Lay out all parameters of a function that has too many for core ones."""
        return self._put(self._row(types, 1), 8)
