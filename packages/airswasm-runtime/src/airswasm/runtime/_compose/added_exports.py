"""Gives a component functions of ours: they drop its resources and say how large it is.

A host that holds a guest's resource must be able to drop it, which runs the
guest's destructor. The library's own way to do so takes no part in fuel, limits
and fibres, and refuses to work in a store that does. And its interface has no
way to ask how much linear memory a component has. So the component gets one more
exported function for each resource that it defines, which takes a handle as its
own and drops it, and one that says how many pages its memory has. A call of them
is a call like any other. Sections that say so are put behind those of the
component, which stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airswasm.wit import Own, Primitive
from wasmtime import wat2wasm

from .component_types import Function, Named, Resource, TypeSpace
from .outline import Assembled, Instantiated, Lifted, Outline, read_component, read_outline
from .reader import Reader, Unreadable
from .writer import CORE_FUNCTION, CORE_MEMORY, ComponentWriter, Sort

if TYPE_CHECKING:
    from .._shape import InterfaceShape
    from .._wasmtime.reflection import ComponentShape

DROP = "airswasm-drop-r"
GAUGE = "airswasm-memory-pages"
_PAGES = """(module
  (import "guest" "memory" (memory 0))
  (func (export "pages") (result i32) memory.size))"""
_U32 = Primitive("u32")
_BEYOND_US = (Unreadable, LookupError, ValueError, RecursionError)


@dataclass(frozen=True, slots=True)
class AddedExports:
    """The exports that were added to a component.

    Attributes:
        drops: by `interface#resource`, the exports that drop a resource of the guest's.
        gauge: the export that says how many pages the guest's memory has; empty for none.
    """

    drops: dict[str, str] = field(default_factory=dict[str, str])
    gauge: str = ""

    def __bool__(self) -> bool:
        return bool(self.drops or self.gauge)

    @property
    def names(self) -> frozenset[str]:
        """All exports that the component's author knows nothing of."""
        return frozenset(self.drops.values()) | ({self.gauge} if self.gauge else set[str]())


def with_added_exports(wasm: bytes) -> tuple[bytes, AddedExports]:
    """Add the functions.

    Returns:
        The component, and what it has now besides its own. For a component that
        cannot be read here that is nothing.
    """
    try:
        outline = read_component(wasm)
        found = list(_resources(outline))
    except _BEYOND_US:
        return wasm, AddedExports()
    memory = _memory(outline)
    if not found and memory is None:
        return wasm, AddedExports()
    counts = {
        Sort.TYPE.name: len(outline.types),
        Sort.FUNCTION.name: len(outline.functions),
        Sort.INSTANCE.name: len(outline.instances),
    }
    writer = ComponentWriter(wasm, {**outline.core_counts, **counts})
    drops: dict[str, str] = {}
    for number, (interface, instance, name) in enumerate(found):
        drops[f"{interface}#{name}"] = _write_drop(writer, instance, name, f"{DROP}{number}")
    gauge = "" if memory is None else _write_gauge(writer, memory)
    return writer.finish(), AddedExports(drops, gauge)


def _memory(outline: Outline) -> int | None:
    """Return the memory that the values of its exports are in, or else its first."""
    for lifted in _lifted(outline):
        if lifted.memory is not None:
            return lifted.memory
    return 0 if outline.core_counts.get(f"core {CORE_MEMORY[1]}") else None


def _lifted(outline: Outline) -> Iterator[Lifted]:
    """Find the functions behind its exports, as far as they can be followed."""
    for name, sort, index in outline.exports:
        names = [name] if sort == Sort.FUNCTION else []
        with suppress(*_BEYOND_US):
            if sort == Sort.INSTANCE:
                names = [inner for inner, _ in outline.exported_items(index)]
            for inner in names:
                if (found := outline.lifted(sort, index, inner)) is not None:
                    yield found


def _write_gauge(writer: ComponentWriter, memory: int) -> str:
    guest = writer.core_instance_of([("memory", CORE_MEMORY, memory)])
    module = writer.core_module(bytes(wat2wasm(_PAGES)))
    pages = writer.core_alias(
        CORE_FUNCTION, writer.core_instance(module, [("guest", guest)]), "pages"
    )
    type_ = TypeSpace(writer.type, lambda named: named.index).function(Function((), _U32))
    writer.export(GAUGE, Sort.FUNCTION, writer.lift_plain(pages, type_))
    return GAUGE


def _write_drop(writer: ComponentWriter, instance: int, resource: str, name: str) -> str:
    type_ = writer.alias(Sort.TYPE, instance, resource)
    named = Named(type_, None, Resource())
    space = TypeSpace(writer.type, lambda _named: type_)
    taken = space.function(Function((("it", Own(named)),), None))
    offered = writer.lift_plain(writer.resource_drop(type_), taken)
    writer.export(name, Sort.FUNCTION, offered)
    return name


def _resources(outline: Outline) -> Iterator[tuple[str, int, str]]:
    """Find the resources that it defines and exports: interface, index of the instance, name."""
    for interface, sort, index in outline.exports:
        if sort == Sort.INSTANCE:
            for name in _exported_resources(outline, index):
                yield interface, index, name


def _exported_resources(outline: Outline, instance: int) -> Iterator[str]:
    entry = outline.instances[instance]
    if isinstance(entry, Assembled):
        for name, (sort, index) in entry.exports.items():
            if sort == Sort.TYPE and _is_own_resource(outline, index):
                yield name
    elif isinstance(entry, Instantiated):
        reader = outline.components[entry.component]
        if reader is None:
            return
        inner = read_outline(Reader(*reader.span()), outline)
        for name, sort, index in inner.exports:
            if sort != Sort.TYPE or not _is_resource(inner, index):
                continue
            try:
                given = entry.arguments[inner.imported_name(index)]
            except (Unreadable, KeyError):
                yield name  # it is defined inside
            else:
                if _is_own_resource(outline, given[1]):
                    yield name


def _is_resource(outline: Outline, index: int) -> bool:
    type_ = outline.types[index]
    return isinstance(type_, Named) and isinstance(type_.type, Resource)


def _is_own_resource(outline: Outline, index: int) -> bool:
    """Return whether a type is a resource that the component does not import."""
    type_ = outline.types[index]
    if not _is_resource(outline, index) or index in outline.imported_types.values():
        return False
    assert isinstance(type_, Named)
    try:
        outline.source_of(type_)
    except Unreadable:
        return True
    return False


def without_added(
    shape: ComponentShape, imports: Collection[str], exports: Collection[str]
) -> ComponentShape:
    """Return a component's own shape, without the functions that were added to its world."""
    return replace(
        shape,
        imports=_without(shape.imports, imports),
        exports=_without(shape.exports, exports),
    )


def _without(
    interfaces: dict[str, InterfaceShape], names: Collection[str]
) -> dict[str, InterfaceShape]:
    world = interfaces.get("")
    if not names or world is None:
        return interfaces
    own = {name: each for name, each in world.functions.items() if name not in names}
    left = {name: each for name, each in interfaces.items() if name}
    if own or world.resources:
        left[""] = replace(world, functions=own)
    return left
