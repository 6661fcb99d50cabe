"""Reads a component's types out of the engine into our own plain values.

Only the Component API is asked: reflecting a *core* module with v128 or GC
types in its signature aborts the process. Types that a component names in an
interface (`record entry`) get their name by comparing structure, because the
engine's function types do not carry names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

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
from wasmtime import Engine
from wasmtime import component as wc

from .._compose.bridging import Bridging
from .._shape import FunctionShape, InterfaceShape, ResourceIdentity, ValueType

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
_Nominal: TypeAlias = Record[ValueType] | Variant[ValueType] | Enum | Flags


@dataclass(frozen=True, slots=True)
class ComponentShape:
    """The imports and exports of a component.

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


def reflect(
    engine: Engine,
    component: wc.Component,
    bridging: Bridging = Bridging(),  # noqa: B008 - frozen
) -> ComponentShape:
    """Read all of a component's imports and exports.

    Args:
        engine: the engine that it was compiled for.
        component: the component, with the bytes bridge around it if it has one.
        bridging: where a bridge made a `string` out of `list<u8>`; the shape says
            `list<u8>` there, as the component's author did.

    Raises:
        UnsupportedType: a function uses futures, streams or error contexts, or it
            imports what no host function can be.
    """
    reader = _Reader(engine)
    type_ = component.type
    reader.text = bridging.text_imports
    imports = reader.read_side(type_.imports(engine), is_imported=True)
    reader.text = bridging.exports
    exports = reader.read_side(type_.exports(engine), is_imported=False)
    return ComponentShape(imports, exports, tuple(identity for _, identity in reader.resources))


@dataclass
class _Reader:
    engine: Engine
    text: Mapping[str, Collection[str]] = field(default_factory=dict[str, Collection[str]])
    resources: list[tuple[wc.ResourceType, ResourceIdentity]] = field(
        default_factory=list[tuple[wc.ResourceType, ResourceIdentity]]
    )
    names: dict[_Nominal, str] = field(default_factory=dict[_Nominal, str])

    def read_side(
        self, items: Mapping[str, _Extern], *, is_imported: bool
    ) -> dict[str, InterfaceShape]:
        opened: dict[str, wc.ComponentItem] = {n: extern.ty for n, extern in items.items()}
        interfaces = {
            name: {inner: extern.ty for inner, extern in item.exports(self.engine).items()}
            for name, item in opened.items()
            if isinstance(item, wc.ComponentInstanceType)
        }
        world: dict[str, wc.ComponentItem] = {
            name: item
            for name, item in opened.items()
            if not isinstance(item, wc.ComponentInstanceType)
        }
        if world:
            interfaces[""] = world
        if is_imported:
            _refuse_modules(interfaces)
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
        if isinstance(read, Record | Variant | Enum | Flags) and not read.name:
            self.names[read] = name

    def _function(self, name: str, type_: wc.FuncType, interface: str) -> FunctionShape:
        parameters = tuple((n, self._value(t, interface)) for n, t in type_.params)
        shape = FunctionShape(name, parameters, self._maybe(type_.result, interface))
        text = self.text.get(f"{interface}#{name}")
        return restore_bytes(shape, text) if text else shape

    def _value(self, type_: object, interface: str) -> ValueType:
        read = self._structure(type_, interface)
        if isinstance(read, Record | Variant | Enum | Flags) and read in self.names:
            return replace(read, name=self.names[read])
        return read

    def _maybe(self, type_: object, interface: str) -> ValueType | None:
        return None if type_ is None else self._value(type_, interface)

    def _structure(self, type_: object, interface: str) -> ValueType:
        def of(inner: object) -> ValueType:
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
                return Record("", tuple(Field(n, of(t)) for n, t in type_.fields))
            case wc.VariantType():
                cases = [(n, self._maybe(t, interface)) for n, t in type_.cases]
                return Variant("", tuple(Case(n, t) for n, t in cases))
            case wc.EnumType():
                return Enum("", tuple(map(Case, type_.names)))
            case wc.FlagsType():
                return Flags("", tuple(map(Case, type_.names)))
            case wc.OwnType():
                return Own(self._identify(type_.ty, interface, "resource", False))
            case wc.BorrowType():
                return Borrow(self._identify(type_.ty, interface, "resource", False))
            case _:
                return _primitive(type_, interface or "the world")


def _primitive(type_: object, where: str) -> Primitive:
    name = _PRIMITIVES.get(type(type_))
    if name is None:
        raise UnsupportedType(f"it uses {type(type_).__name__} in {where}")
    return Primitive(name)


def _refuse_modules(imported: Mapping[str, Mapping[str, wc.ComponentItem]]) -> None:
    """Refuse a component that imports code: a host offers functions and types only.

    Raises:
        UnsupportedType: it imports a module, a component or a nested instance.
    """
    kinds = {
        wc.ModuleType: "the core module",
        wc.ComponentType: "the component",
        wc.ComponentInstanceType: "the instance inside an instance",
    }
    for interface, members in imported.items():
        for name, item in members.items():
            for kind, what in kinds.items():
                if isinstance(item, kind):
                    where = f" in `{interface}`" if interface else ""
                    raise UnsupportedType(f"it imports {what} `{name}`{where}; compose it first")


def restore_bytes(shape: FunctionShape, text: Collection[str]) -> FunctionShape:
    """Return the function as its author wrote it: bytes where a bridge carries them as text."""
    parameters = tuple(
        (name, _restored(type_, str(i), text)) for i, (name, type_) in enumerate(shape.parameters)
    )
    result = None if shape.result is None else _restored(shape.result, "result", text)
    return FunctionShape(shape.name, parameters, result)


def _restored(type_: ValueType, where: str, text: Collection[str]) -> ValueType:
    def into(inner: ValueType, step: str) -> ValueType:
        return _restored(inner, f"{where}.{step}", text)

    def maybe(inner: ValueType | None, step: str) -> ValueType | None:
        return None if inner is None else into(inner, step)

    match type_:
        case Primitive("string") if where in text:
            return ListOf(Primitive("u8"))
        case ListOf(element):
            return ListOf(into(element, "item"))
        case TupleOf(elements):
            return TupleOf(tuple(into(e, str(i)) for i, e in enumerate(elements)))
        case OptionOf(some):
            return OptionOf(into(some, "some"))
        case ResultOf(ok, err):
            return ResultOf(maybe(ok, "ok"), maybe(err, "err"))
        case Record(name, fields):
            return Record(name, tuple(Field(f.name, into(f.type, f.name)) for f in fields))
        case Variant(name, cases):
            return Variant(name, tuple(Case(c.name, maybe(c.type, c.name)) for c in cases))
        case _:
            return type_
