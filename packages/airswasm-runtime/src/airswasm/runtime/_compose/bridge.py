"""Composes a bridge around a component, so that its bytes cross in bulk.

Every `u8` of a `list<u8>` is a 32-byte value on its way between Python and the
engine, and costs about 65 ns; a `string` is copied as a whole. Between two
components, and within one, no values are made. So bridges of ours speak
`list<u8>` to the guest and `string` to the host:

    host  --string-->  exports bridge  --memory-->  guest
    host  <--string--  imports bridge  <--memory--  guest

Both are sections of ours behind the guest's own, in the guest's component: they see
the guest's memory, so bytes are moved in bulk (`memory_moves`). The guest's core
modules are given the functions that they call by sections that stay as they are; but
tools let them call imports through a table, which the imports bridge fills again
(`rebinding`). For that the guest's component imports each of these functions once more,
with text. Under its own name it takes bytes, as values; only start code calls that.

What goes another way, or holds more than `memory_moves` moves, goes through a component
of ours, before the guest or behind it. Between components the engine copies byte for
byte in wasm, about 2 ns and 17 to 26 units of fuel each, on the guest's account.

There is one for each direction because a component may not be entered again while
it is in a call, and a guest that handles a message calls its imports. The guest's
own bytes stay as they are; `text_bridge` says how bytes become text.

Functions without bytes, and those whose shape is beyond us, go past the bridge.
A component that cannot be read here has none, and is merely slower. All this
happens in the compile child, and the engine validates what comes of it.

Rejected: reading the guest's own memory from the host. The interface for it does not
reach into components, and each pointer would be the host's to check. Where memories are
packed, the host reaches those of the bridges (`_calls.staging`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from airswasm.wit import Borrow, Own

from .bridge_parts import write_allocator, write_wrappers
from .bridging import Bridging, Side
from .component_types import Function, Named, Type, TypeSpace, unsigned
from .crossings import HOST, Crossing, Crossings, find_crossings
from .inside import INSIDE, with_bridges_inside
from .outline import InstanceType, Outline, read_component
from .reader import Unreadable
from .scopes import GivenTypes, ImportScope
from .text_bridge import NONCE_BYTES
from .wrappers import Wrapper
from .writer import CORE_FUNCTION, ComponentWriter, Sort


@dataclass(frozen=True, slots=True)
class BridgedComponent:
    """A component with a bridge composed around it.

    Attributes:
        wasm: the outer component.
        bridging: what it changed.
    """

    wasm: bytes
    bridging: Bridging


def bridge_component(wasm: bytes, *, staged: bool = False) -> BridgedComponent | None:
    """Compose a bridge around a component.

    Args:
        wasm: the component.
        staged: whether the host shall be able to find the bridges' memories.

    Returns:
        None when nothing in it needs a bridge or its shape is beyond ours.
    """
    try:
        outline = read_component(wasm)
        nonces = {side: os.urandom(NONCE_BYTES) for side in Side} if staged else {}
        crossings = find_crossings(outline, nonces)
        if not crossings.imports and not crossings.rebound and not crossings.exports:
            return None
        return BridgedComponent(_compose(wasm, outline, crossings), crossings.bridging())
    except (Unreadable, LookupError, ValueError, RecursionError):
        return None  # the engine will say what is wrong with it, if anything is


def _compose(wasm: bytes, outline: Outline, crossings: Crossings) -> bytes:
    writer = ComponentWriter()
    scope = ImportScope(writer, outline, crossings.imports)
    is_inside = crossings.inside or crossings.rebound
    guest = writer.component(with_bridges_inside(wasm, outline, crossings) if is_inside else wasm)
    given = _given_imports(writer, outline, scope, crossings)
    for at, (each, _) in enumerate(crossings.rebound):
        type_ = TypeSpace(writer.type, scope.refer_in(each.instance)).function(each.as_text)
        name = f"{HOST}{at}"
        host = writer.import_(name, Sort.FUNCTION, b"\x01" + unsigned(type_))
        given.append((name, Sort.FUNCTION, host))
    instance = writer.instance(guest, given)
    _write_exports(scope, instance, crossings)
    return writer.finish()


def _given_imports(
    writer: ComponentWriter, outline: Outline, scope: ImportScope, crossings: Crossings
) -> list[tuple[str, Sort, int]]:
    """List what the guest is given: what the host gave, with the bridge's functions in place."""
    bridged = crossings.imports
    given = [(name, sort, scope.index_of[name]) for name, sort, _ in outline.imports]
    if not bridged:
        return given
    bridge = writer.instance(writer.component(_imports_bridge(outline, crossings)), given)
    number_of = {(each.instance, each.name): at for at, each in enumerate(bridged)}
    touched = {each.instance for each in bridged}
    result: list[tuple[str, Sort, int]] = []
    for name, sort, imported in outline.imports:
        index = scope.index_of[name]
        if (None, name) in number_of:
            index = writer.alias(Sort.FUNCTION, bridge, f"f{number_of[None, name]}")
        elif name in touched and isinstance(imported.type, InstanceType):
            index = _patched(writer, scope, name, imported.type, bridge, number_of)
        result.append((name, sort, index))
    return result


def _patched(
    writer: ComponentWriter,
    scope: ImportScope,
    name: str,
    type_: InstanceType,
    bridge: int,
    number_of: Mapping[tuple[str | None, str], int],
) -> int:
    """Write an instance like the host's, with the bridge's functions in place of its own."""
    host = scope.index_of[name]
    functions: dict[str, int] = {}
    for inner, item in type_.exports:
        if isinstance(item, Function):
            number = number_of.get((name, inner))
            source, called = (host, inner) if number is None else (bridge, f"f{number}")
            functions[inner] = writer.alias(Sort.FUNCTION, source, called)
    if any(inner.startswith("[") for inner in functions):
        return assembled(scope, name, type_.exports, functions)
    return writer.instance_of(
        [
            (inner, Sort.FUNCTION, functions[inner])
            if isinstance(item, Function)
            else (inner, Sort.TYPE, scope.type_of(name, inner))
            for inner, item in type_.exports
        ]
    )


def _imports_bridge(outline: Outline, crossings: Crossings) -> bytes:
    bridged = crossings.imports
    writer = ComponentWriter()
    scope = ImportScope(writer, outline, bridged)
    functions = [
        scope.index_of[each.name]
        if each.instance is None
        else writer.alias(Sort.FUNCTION, scope.index_of[each.instance], each.name)
        for each in bridged
    ]
    wrappers = [Wrapper(each.function, "to_host", "from_host") for each in bridged]
    spaces = [TypeSpace(writer.type, scope.refer_in(each.instance)) for each in bridged]
    lifted = [
        (lambda space=space, each=each: space.function(each.function))
        for space, each in zip(spaces, bridged, strict=True)
    ]
    drops = [
        [
            (at, scope.refer_in(each.instance)(_resource(each.function, at)))
            for at in wrapper.borrows
        ]
        for each, wrapper in zip(bridged, wrappers, strict=True)
    ]
    nonce = crossings.nonces.get(Side.IMPORTS, b"")
    _write_core(writer, wrappers, functions, drops, lifted, nonce)
    return writer.finish()


def _resource(function: Function, parameter: int) -> Named:
    type_ = function.parameters[parameter][1]
    assert isinstance(type_, Own | Borrow)
    return type_.resource


def _exports_bridge(
    scope: ImportScope, bridged: tuple[Crossing, ...], nonce: bytes
) -> tuple[bytes, list[tuple[str, Sort, int]]]:
    """Write the component behind the guest's exports; return it, and the types that it needs."""
    writer = ComponentWriter()
    types = GivenTypes(writer, scope)
    space = TypeSpace(writer.type, types.refer_in(None))
    functions = [
        writer.import_(f"g{at}", Sort.FUNCTION, b"\x01" + unsigned(space.function(each.function)))
        for at, each in enumerate(bridged)
    ]
    wrappers = [Wrapper(each.function, "from_host", "to_host") for each in bridged]
    lifted = [(lambda each=each: space.function(each.as_text)) for each in bridged]
    drops = [
        [(at, types.refer_in(None)(_resource(each.function, at))) for at in wrapper.borrows]
        for each, wrapper in zip(bridged, wrappers, strict=True)
    ]
    _write_core(writer, wrappers, functions, drops, lifted, nonce)
    return writer.finish(), types.given


def _write_core(
    writer: ComponentWriter,
    wrappers: Sequence[Wrapper],
    functions: Sequence[int],
    drops: Sequence[Sequence[tuple[int, int]]],
    lifted_types: Sequence[Callable[[], int]],
    nonce: bytes,
) -> None:
    """Write the core of a bridge, which lowers its calls and lifts `f0`, `f1` and so on."""
    allocator = write_allocator(writer, wrappers, nonce)
    called: list[tuple[str, bytes, int]] = []
    for number, function in enumerate(functions):
        lowered = writer.lower(function, allocator.memory, allocator.realloc)
        called.append((f"f{number}", CORE_FUNCTION, lowered))
        called += [
            (f"drop{number}-{at}", CORE_FUNCTION, writer.resource_drop(type_))
            for at, type_ in drops[number]
        ]
    other = writer.core_instance_of(called)
    write_wrappers(writer, wrappers, allocator, other, lifted_types, "f")


def _write_exports(scope: ImportScope, guest: int, crossings: Crossings) -> None:
    """Export what the guest exports, with the bridges' functions in place."""
    writer, outline = scope.writer, scope.outline
    exported = [(n, sort, writer.alias(sort, guest, n)) for n, sort, _ in outline.exports]
    index_of = {name: index for name, _, index in exported}
    carried = {
        (each.instance, each.name): (writer.alias(Sort.FUNCTION, guest, f"{INSIDE}{at}"), each)
        for at, (each, _) in enumerate(crossings.inside)
    }
    carried |= _write_behind(scope, index_of, crossings)
    for (instance, name), (function, _) in carried.items():
        if instance is None:
            index_of[name] = function
    for instance in dict.fromkeys(instance for instance, _ in carried if instance is not None):
        index_of[instance] = _patched_export(scope, index_of[instance], instance, carried)
    for name, sort, _ in exported:
        writer.export(name, sort, index_of[name])


Carried: TypeAlias = dict[tuple[str | None, str], tuple[int, Crossing]]
"""By instance and name: the bridge's function, and what it carries."""


def _write_behind(scope: ImportScope, index_of: Mapping[str, int], crossings: Crossings) -> Carried:
    """Write the bridge behind the guest, if it needs one, and return its functions."""
    behind = crossings.behind
    if not behind:
        return {}
    writer = scope.writer
    functions = [
        index_of[each.name]
        if each.instance is None
        else writer.alias(Sort.FUNCTION, index_of[each.instance], each.name)
        for each in behind
    ]
    binary, types = _exports_bridge(scope, behind, crossings.nonces.get(Side.BEHIND, b""))
    given = [(f"g{at}", Sort.FUNCTION, index) for at, index in enumerate(functions)]
    made = writer.instance(writer.component(binary), [*types, *given])
    return {
        (each.instance, each.name): (writer.alias(Sort.FUNCTION, made, f"f{at}"), each)
        for at, each in enumerate(behind)
    }


def _patched_export(scope: ImportScope, original: int, name: str, carried: Carried) -> int:
    """Write an instance like the guest's, with the bridges' functions in place of its own."""
    index = next(index for each, _, index in scope.outline.exports if each == name)
    items: list[tuple[str, Function | Type]] = []
    functions: dict[str, int] = {}
    for inner, item in scope.outline.exported_items(index):
        if (name, inner) in carried:
            functions[inner], crossing = carried[name, inner]
            items.append((inner, crossing.as_text))
        else:
            if isinstance(item, Function):
                functions[inner] = scope.writer.alias(Sort.FUNCTION, original, inner)
            items.append((inner, item))
    return assembled(scope, None, items, functions)


def assembled(
    scope: ImportScope,
    instance: str | None,
    items: Sequence[tuple[str, Function | Type]],
    functions: Mapping[str, int],
) -> int:
    """Write an instance put together from functions and the types that the host gave.

    It takes a component of its own, because only a component can say that a
    method belongs to the resource that it exports beside it, or that a function
    takes the variant of that name.

    Args:
        scope: where the imports were written.
        instance: the import whose names the items use; None for the guest's own.
        items: what to export, in order.
        functions: the functions among them, by name.
    """
    shim = ComponentWriter()
    types = GivenTypes(shim, scope)
    refer = types.refer_in(instance)
    exported: dict[tuple[str, str], int] = {}

    def refer_exported(named: Named) -> int:
        key = types.key(instance, named)
        return exported[key] if key in exported else refer(named)

    given: list[tuple[str, Sort, int]] = []
    for number, (name, item) in enumerate(items):
        if isinstance(item, Function):
            taken = TypeSpace(shim.type, refer).function(item)
            function = shim.import_(f"f{number}", Sort.FUNCTION, b"\x01" + unsigned(taken))
            stated = TypeSpace(shim.type, refer_exported).function(item)
            shim.export(name, Sort.FUNCTION, function, b"\x01" + unsigned(stated))
            given.append((f"f{number}", Sort.FUNCTION, functions[name]))
        else:
            key = types.key_of_export(instance, name, item)
            exported[key] = shim.export(name, Sort.TYPE, types.index(key))
    component = scope.writer.component(shim.finish())
    return scope.writer.instance(component, [*types.given, *given])
