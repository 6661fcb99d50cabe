"""Gives a component functions that drop its resources.

A host that holds a guest's resource must be able to drop it, which runs the
guest's destructor. The library's own way to do so takes no part in fuel, limits
and fibres, and refuses to work in a store that does. So the component gets one
more exported function for each resource that it defines. It takes the handle as
its own and drops it, and a call of it is a call like any other. Sections that
say so are put behind those of the component, which stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ._reflect import ComponentShape
from ._wasm_component import Assembled, Instantiated, Outline, read_component, read_outline
from ._wasm_encoder import ComponentWriter, Sort
from ._wasm_reader import Reader, Unreadable
from ._wasm_types import Function, Handle, Named, Resource, TypeSpace

NAME = "airswasm-drop-r"


def with_drops(wasm: bytes) -> tuple[bytes, dict[str, str]]:
    """Adds the functions.

    Returns:
        The component, and by `interface#resource` the names of its new exports. For
        a component that cannot be read here there are none.
    """
    try:
        outline = read_component(wasm)
        found = list(_resources(outline))
    except (Unreadable, LookupError, ValueError, RecursionError):
        return wasm, {}
    if not found:
        return wasm, {}
    counts = {
        Sort.TYPE.name: len(outline.types),
        Sort.FUNCTION.name: len(outline.functions),
        Sort.INSTANCE.name: len(outline.instances),
    }
    writer = ComponentWriter(wasm, {**outline.core_counts, **counts})
    drops = {}
    for number, (interface, instance, name) in enumerate(found):
        drops[f"{interface}#{name}"] = _write_drop(writer, instance, name, f"{NAME}{number}")
    return writer.finish(), drops


def _write_drop(writer: ComponentWriter, instance: int, resource: str, name: str) -> str:
    type_ = writer.alias(Sort.TYPE, instance, resource)
    named = Named(type_, None, Resource())
    space = TypeSpace(writer.type, lambda _named: type_)
    taken = space.function(Function((("it", Handle(named, is_borrow=False)),), None))
    offered = writer.lift_plain(writer.resource_drop(type_), taken)
    writer.export(name, Sort.FUNCTION, offered)
    return name


def _resources(outline: Outline) -> Iterator[tuple[str, int, str]]:
    """What the component defines and exports: interface, index of the instance, name."""
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
    """Whether a type is a resource that the component does not import."""
    type_ = outline.types[index]
    if not _is_resource(outline, index) or index in outline.imported_types.values():
        return False
    assert isinstance(type_, Named)
    try:
        outline.source_of(type_)
    except Unreadable:
        return True
    return False


def without_drops(shape: ComponentShape, drops: Mapping[str, str]) -> ComponentShape:
    """What a component offers, without what was added here."""
    world = shape.exports.get("")
    if not drops or world is None:
        return shape
    added = set(drops.values())
    own = {name: each for name, each in world.functions.items() if name not in added}
    exports = {name: each for name, each in shape.exports.items() if name}
    if own or world.resources:
        exports[""] = replace(world, functions=own)
    return replace(shape, exports=exports)
