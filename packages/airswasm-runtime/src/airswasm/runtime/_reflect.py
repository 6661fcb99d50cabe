"""Reads a component's types out of the engine into our own plain values.

Only the Component API is asked: reflecting a *core* module with v128 or GC
types in its signature aborts the process. Types that a component names in an
interface (`record entry`) get their name by comparing structure, because the
engine's function types do not carry names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from wasmtime import Engine
from wasmtime import component as wc

from .shape import (
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

_PRIMITIVES: dict[type, str] = {
    wc.Bool: "bool",
    wc.S8: "s8",
    wc.S16: "s16",
    wc.S32: "s32",
    wc.S64: "s64",
    wc.U8: "u8",
    wc.U16: "u16",
    wc.U32: "u32",
    wc.U64: "u64",
    wc.F32: "f32",
    wc.F64: "f64",
    wc.Char: "char",
    wc.String: "string",
}
_NAMED = (wc.RecordType, wc.VariantType, wc.EnumType, wc.FlagsType)
_Nominal = RecordOf | VariantOf | EnumOf | FlagsOf


@dataclass(frozen=True, slots=True)
class ComponentShape:
    """What a component imports and exports.

    Attributes:
        imports: by interface name; functions of the world itself under "".
        exports: likewise.
        resources: every resource type, at the position that is its number.
    """

    imports: dict[str, InterfaceShape]
    exports: dict[str, InterfaceShape]
    resources: tuple[ResourceIdentity, ...]


class _Extern(Protocol):
    @property
    def ty(self) -> wc.ComponentItem: ...


class UnsupportedType(Exception):
    """A type that the hardened configuration keeps out, met nonetheless."""


def reflect(engine: Engine, component: wc.Component) -> ComponentShape:
    """Reads all of a component's imports and exports.

    Raises:
        UnsupportedType: a function uses futures, streams or error contexts.
    """
    reader = _Reader(engine)
    type_ = component.type
    imports = reader.read_side(type_.imports(engine), is_imported=True)
    exports = reader.read_side(type_.exports(engine), is_imported=False)
    return ComponentShape(imports, exports, tuple(identity for _, identity in reader.resources))


@dataclass
class _Reader:
    engine: Engine
    resources: list[tuple[wc.ResourceType, ResourceIdentity]] = field(default_factory=list)
    names: dict[_Nominal, str] = field(default_factory=dict)

    def read_side(
        self, items: Mapping[str, _Extern], *, is_imported: bool
    ) -> dict[str, InterfaceShape]:
        opened = {name: extern.ty for name, extern in items.items()}
        interfaces = {
            name: {inner: extern.ty for inner, extern in item.exports(self.engine).items()}
            for name, item in opened.items()
            if isinstance(item, wc.ComponentInstanceType)
        }
        world = {n: i for n, i in opened.items() if not isinstance(i, wc.ComponentInstanceType)}
        if world:
            interfaces[""] = world
        return {
            name: self._interface(name, members, is_imported)
            for name, members in interfaces.items()
        }

    def _interface(
        self, name: str, members: dict[str, wc.ComponentItem], is_imported: bool
    ) -> InterfaceShape:
        resources = {
            member: self._identify(item, name, member, is_imported)
            for member, item in members.items()
            if isinstance(item, wc.ResourceType)
        }
        for member, item in members.items():
            if isinstance(item, _NAMED):
                self._learn_name(item, name, member)
        functions = {
            member: self._function(member, item, name)
            for member, item in members.items()
            if isinstance(item, wc.FuncType)
        }
        return InterfaceShape(name, functions, resources)

    def _identify(
        self, type_: wc.ResourceType, interface: str, name: str, is_imported: bool
    ) -> ResourceIdentity:
        for known, identity in self.resources:
            if known == type_:
                return identity
        identity = ResourceIdentity(len(self.resources), interface, name, is_imported)
        self.resources.append((type_, identity))
        return identity

    def _learn_name(self, item: wc.ValType, interface: str, name: str) -> None:
        read = self._value(item, interface)
        if isinstance(read, _Nominal) and not read.name:
            self.names[read] = name

    def _function(self, name: str, type_: wc.FuncType, interface: str) -> FunctionShape:
        parameters = tuple((n, self._value(t, interface)) for n, t in type_.params)
        result = type_.result
        return FunctionShape(
            name, parameters, None if result is None else self._value(result, interface)
        )

    def _value(self, type_: object, interface: str) -> WitType:
        read = self._structure(type_, interface)
        if isinstance(read, _Nominal) and read in self.names:
            return replace(read, name=self.names[read])
        return read

    def _maybe(self, type_: object, interface: str) -> WitType | None:
        return None if type_ is None else self._value(type_, interface)

    def _structure(self, type_: object, interface: str) -> WitType:
        def of(inner: object) -> WitType:
            return self._value(inner, interface)

        match type_:
            case wc.ListType():
                return ListOf(of(type_.element))
            case wc.TupleType():
                return TupleOf(tuple(of(element) for element in type_.elements))
            case wc.OptionType():
                return OptionOf(of(type_.payload))
            case wc.ResultType():
                return ResultOf(self._maybe(type_.ok, interface), self._maybe(type_.err, interface))
            case wc.RecordType():
                return RecordOf("", tuple((n, of(t)) for n, t in type_.fields))
            case wc.VariantType():
                cases = tuple((n, self._maybe(t, interface)) for n, t in type_.cases)
                return VariantOf("", cases)
            case wc.EnumType():
                return EnumOf("", tuple(type_.names))
            case wc.FlagsType():
                return FlagsOf("", tuple(type_.names))
            case wc.OwnType() | wc.BorrowType():
                is_owned = isinstance(type_, wc.OwnType)
                resource = self._identify(type_.ty, interface, "resource", False)
                return HandleOf(resource, is_owned)
        name = _PRIMITIVES.get(type(type_))
        if name is None:
            raise UnsupportedType(f"{type(type_).__name__} in {interface or 'the world'}")
        return Primitive(name)
