"""What is known of a compiled component besides its code, as one line of JSON.

Reading types out of the engine is slow: each step builds handles, and a CPython
guest imports a hundred functions, which takes longer than mapping its 40 MB of
code. So the compile child, which has the component open anyway, reads them once,
and they are kept with the code, under the same authentication.

Each distinct type is written once, into a table where later entries refer to
earlier ones by position. That is also what makes reading it back cheap.

Rejected: pickle. It would be shorter here, and turn whoever can write an entry
into someone who can run code before the engine has checked anything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .._compose.bridge import Bridging
from .._shape import (
    EnumOf,
    FlagsOf,
    FunctionShape,
    HandleOf,
    InterfaceShape,
    ListOf,
    OptionOf,
    Primitive,
    RecordOf,
    ResourceIdentity,
    ResultOf,
    TupleOf,
    VariantOf,
    WitType,
)
from .._wasmtime.reflection import ComponentShape

DESCRIPTION_VERSION = 2
"""Changes whenever what this module writes does: compiled components are cached."""

Json: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a compiled component.

    Attributes:
        digest: the SHA-256 of the wasm, in hex.
        bridging: which functions go through the bytes bridge.
        shape: what it imports and exports.
    """

    digest: str
    bridging: Bridging
    shape: ComponentShape

    def to_json(self) -> str:
        """One line of JSON."""
        table = _TypeTable()
        shape = self.shape
        written = {
            "digest": self.digest,
            "bridging": self.bridging.to_json(),
            "imports": [table.interface(each) for each in shape.imports.values()],
            "exports": [table.interface(each) for each in shape.exports.values()],
            "resources": [[r.interface, r.name, r.is_imported] for r in shape.resources],
            "types": table.entries,
        }
        return json.dumps(written)

    @classmethod
    def from_json(cls, text: str) -> Description:
        """Reads what `to_json` wrote."""
        read = json.loads(text)
        resources = tuple(
            ResourceIdentity(number, *fields) for number, fields in enumerate(read["resources"])
        )
        types = _types(read["types"], resources)
        imports, exports = (
            {name: _interface(name, rest, types, resources) for name, *rest in read[side]}
            for side in ("imports", "exports")
        )
        bridging = Bridging.from_json(read["bridging"])
        return cls(read["digest"], bridging, ComponentShape(imports, exports, resources))


class _TypeTable:
    """Writes each distinct type once.

    Attributes:
        entries: the types, each after all that it refers to.
    """

    def __init__(self) -> None:
        self.entries: list[Json] = []
        self._numbers: dict[WitType, int] = {}

    def interface(self, shape: InterfaceShape) -> Json:
        functions = [
            [
                function.name,
                [[name, self.number(type_)] for name, type_ in function.parameters],
                self._maybe(function.result),
            ]
            for function in shape.functions.values()
        ]
        resources = {name: identity.number for name, identity in shape.resources.items()}
        return [shape.name, functions, resources]

    def number(self, type_: WitType) -> int:
        if type_ not in self._numbers:
            entry = self._entry(type_)
            self._numbers[type_] = len(self.entries)
            self.entries.append(entry)
        return self._numbers[type_]

    def _maybe(self, type_: WitType | None) -> int | None:
        return None if type_ is None else self.number(type_)

    def _entry(self, type_: WitType) -> Json:
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
            case RecordOf(name, fields):
                return "record", name, [(field, self.number(each)) for field, each in fields]
            case VariantOf(name, cases):
                return "variant", name, [(case, self._maybe(each)) for case, each in cases]
            case EnumOf(name, labels):
                return "enum", name, labels
            case FlagsOf(name, labels):
                return "flags", name, labels
            case HandleOf(resource, is_owned):
                return "handle", resource.number, is_owned


def _types(entries: Json, resources: Sequence[ResourceIdentity]) -> list[WitType]:
    types: list[WitType] = []
    for entry in entries:
        types.append(_type(entry, types, resources))
    return types


def _type(entry: Json, types: Sequence[WitType], resources: Sequence[ResourceIdentity]) -> WitType:
    match entry:
        case str(name):
            return Primitive(name)
        case "list", element:
            return ListOf(types[element])
        case "tuple", *elements:
            return TupleOf(tuple([types[each] for each in elements]))
        case "option", some:
            return OptionOf(types[some])
        case "result", ok, err:
            return ResultOf(_at(types, ok), _at(types, err))
        case "record", name, fields:
            return RecordOf(name, tuple([(field, types[each]) for field, each in fields]))
        case "variant", name, cases:
            return VariantOf(name, tuple([(case, _at(types, each)) for case, each in cases]))
        case "enum", name, labels:
            return EnumOf(name, tuple(labels))
        case "flags", name, labels:
            return FlagsOf(name, tuple(labels))
        case "handle", number, is_owned:
            return HandleOf(resources[number], is_owned)
    raise ValueError(f"not a type of ours: {entry!r}")


def _at(types: Sequence[WitType], number: int | None) -> WitType | None:
    return None if number is None else types[number]


def _interface(
    name: str, rest: Json, types: Sequence[WitType], resources: Sequence[ResourceIdentity]
) -> InterfaceShape:
    functions, named = rest
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
