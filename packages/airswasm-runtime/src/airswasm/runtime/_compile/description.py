"""Describes a compiled component, besides its code, in one line of JSON.

Reading types out of the engine is slow: each step builds handles, and a CPython
guest imports a hundred functions, which takes longer than mapping its 40 MB of
code. So the compile child, which has the component open anyway, reads them once,
and they are kept with the code, under the same authentication.

Each distinct type is written once, into a table where later entries refer to
earlier ones by position. That is also what makes reading it back cheap.

Rejected: pickle. It would be shorter here, and let a process that can write an
entry run code before the engine has checked anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

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

from .._compose.bridging import Bridging
from .._compose.core_facts import CoreFacts
from .._shape import FunctionShape, InterfaceShape, ResourceIdentity, ValueType
from .._wasmtime.reflection import ComponentShape

_Item_co = TypeVar("_Item_co", covariant=True)

DESCRIPTION_VERSION = 5
"""Changes whenever what this module writes does: compiled components are cached."""

Json: TypeAlias = Any  # what we wrote ourselves, authenticated before it is read
FunctionEntry: TypeAlias = tuple[str, list[tuple[str, int]], int | None]
"""A function's name, parameters and result; types are positions in the table."""
InterfaceEntry: TypeAlias = tuple[str, list[FunctionEntry], dict[str, int]]
"""An interface's name, functions, and the numbers of its resources by name."""


@dataclass(frozen=True, slots=True)
class Description:
    """All that is known of a compiled component.

    Attributes:
        digest: the SHA-256 of the wasm, in hex.
        bridging: which functions go through the bytes bridge.
        shape: what it imports and exports.
        core: what its core modules tell.
    """

    digest: str
    bridging: Bridging
    shape: ComponentShape
    core: CoreFacts = field(default_factory=CoreFacts)

    def to_json(self) -> str:
        """Return one line of JSON."""
        table = _TypeTable()
        shape, core = self.shape, self.core
        written = {
            "digest": self.digest,
            "bridging": self.bridging.to_json(),
            "core": [core.memories, core.tables, core.reallocs, core.memory_pages],
            "imports": [table.interface(each) for each in shape.imports.values()],
            "exports": [table.interface(each) for each in shape.exports.values()],
            "resources": [[r.interface, r.name, r.is_imported] for r in shape.resources],
            "types": table.entries,
        }
        return json.dumps(written)

    @classmethod
    def from_json(cls, text: str) -> Description:
        """Read what `to_json` wrote."""
        read = json.loads(text)
        resources = tuple(
            ResourceIdentity(number, *fields) for number, fields in enumerate(read["resources"])
        )
        types = _types(read["types"], resources)
        imports = _interfaces(read["imports"], types, resources)
        exports = _interfaces(read["exports"], types, resources)
        bridging = Bridging.from_json(read["bridging"])
        memories, tables, reallocs, pages = read["core"]
        core = CoreFacts(memories, tables, tuple(reallocs), pages)
        return cls(read["digest"], bridging, ComponentShape(imports, exports, resources), core)


class _TypeTable:
    """Writes each distinct type once.

    Attributes:
        entries: the types, each after all that it refers to.
    """

    def __init__(self) -> None:
        self.entries: list[Json] = []
        self._numbers: dict[Json, int] = {}  # by entry: types of another name are equal

    def interface(self, shape: InterfaceShape) -> InterfaceEntry:
        functions = [
            (
                function.name,
                [(name, self.number(type_)) for name, type_ in function.parameters],
                self._maybe(function.result),
            )
            for function in shape.functions.values()
        ]
        resources = {name: identity.number for name, identity in shape.resources.items()}
        return shape.name, functions, resources

    def number(self, type_: ValueType) -> int:
        entry = self._entry(type_)
        if entry not in self._numbers:
            self._numbers[entry] = len(self.entries)
            self.entries.append(entry)
        return self._numbers[entry]

    def _maybe(self, type_: ValueType | None) -> int | None:
        return None if type_ is None else self.number(type_)

    def _entry(self, type_: ValueType) -> Json:
        match type_:
            case Primitive(name):
                return name
            case ListOf(element):
                return "list", self.number(element)
            case TupleOf(elements):
                return "tuple", *[self.number(each) for each in elements]
            case OptionOf(some):
                return "option", self.number(some)
            case ResultOf(ok, err):
                return "result", self._maybe(ok), self._maybe(err)
            case Record(name, fields):
                return "record", name, *[(field.name, self.number(field.type)) for field in fields]
            case Variant(name, cases):
                return "variant", name, *[(case.name, self._maybe(case.type)) for case in cases]
            case Enum(name, cases):
                return "enum", name, *[case.name for case in cases]
            case Flags(name, cases):
                return "flags", name, *[case.name for case in cases]
            case Own(resource):
                return "own", resource.number
            case Borrow(resource):
                return "borrow", resource.number


class _Table(Protocol[_Item_co]):
    """Items by position; from a `Sequence`, a number out of JSON might also read a slice."""

    def __getitem__(self, number: int, /) -> _Item_co: ...


def _types(entries: Json, resources: _Table[ResourceIdentity]) -> list[ValueType]:
    types: list[ValueType] = []
    for entry in entries:
        types.append(_type(entry, types, resources))
    return types


def _type(entry: Json, types: _Table[ValueType], resources: _Table[ResourceIdentity]) -> ValueType:
    if isinstance(entry, str):
        return Primitive(entry)
    kind, *parts = entry
    match kind:
        case "list":
            return ListOf(types[parts[0]])
        case "tuple":
            return TupleOf(tuple([types[each] for each in parts]))
        case "option":
            return OptionOf(types[parts[0]])
        case "result":
            ok, err = parts
            return ResultOf(_at(types, ok), _at(types, err))
        case "record":
            name, *fields = parts
            return Record(name, tuple([Field(field, types[each]) for field, each in fields]))
        case "variant":
            name, *cases = parts
            return Variant(name, tuple([Case(case, _at(types, each)) for case, each in cases]))
        case "enum":
            name, *labels = parts
            return Enum(name, tuple(map(Case, labels)))
        case "flags":
            name, *labels = parts
            return Flags(name, tuple(map(Case, labels)))
        case "own":
            return Own(resources[parts[0]])
        case "borrow":
            return Borrow(resources[parts[0]])
        case _:
            raise ValueError(f"not a type of ours: {entry!r}")


def _at(types: _Table[ValueType], number: int | None) -> ValueType | None:
    return None if number is None else types[number]


def _interfaces(
    entries: Sequence[InterfaceEntry],
    types: _Table[ValueType],
    resources: _Table[ResourceIdentity],
) -> dict[str, InterfaceShape]:
    return {entry[0]: _interface(*entry, types, resources) for entry in entries}


def _interface(
    name: str,
    functions: Sequence[FunctionEntry],
    named: Mapping[str, int],
    types: _Table[ValueType],
    resources: _Table[ResourceIdentity],
) -> InterfaceShape:
    return InterfaceShape(
        name,
        {
            function: FunctionShape(
                function,
                tuple([(parameter, types[number]) for parameter, number in parameters]),
                _at(types, result),
            )
            for function, parameters, result in functions
        },
        {resource: resources[number] for resource, number in named.items()},
    )
