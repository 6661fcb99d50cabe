"""Composes a bridge around a component, so that its bytes cross in bulk.

Every `u8` of a `list<u8>` is a 32-byte value on its way between Python and the
engine, and costs about 65 ns; a `string` is copied as a whole. Between two
components, and within one, no values are made. So bridges of ours speak
`list<u8>` to the guest and `string` to the host:

    host  --string-->  exports bridge  --memory-->  guest
    host  <--string--  imports bridge  <--list<u8>--  guest

The exports bridge is sections of ours behind the guest's own, in the guest's
component: it sees the guest's memory, so bytes are moved in bulk (`memory_moves`).
The imports bridge is a component before the guest, because a guest's core modules
are given the functions that they call by sections that stay as they are. Exports
that hold more than `memory_moves` moves go through such a component too, behind
the guest. Between components the engine copies byte for byte in wasm, about 2 ns
and 17 units of fuel each, on the guest's account.

There is one for each direction because a component may not be entered again while
it is in a call, and a guest that handles a message calls its imports. The guest's
own bytes stay as they are; `text_bridge` says how bytes become text.

Functions without bytes, and those whose shape is beyond us, go past the bridge.
A component that cannot be read here has none, and is merely slower. All this
happens in the compile child, and the engine validates what comes of it.

Rejected: reading the guest's memory from the host (the interface for it does not
reach into components) and looking for it among the memories that `slot_allocator` makes
(which of them is the guest's is not said, and large components do without).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TypeAlias

from airswasm.wit import Borrow, ListOf, OptionOf, Own, Primitive, ResultOf, TupleOf
from wasmtime import wat2wasm

from .added_exports import Additions
from .component_types import (
    Function,
    Named,
    Resource,
    Type,
    TypeSpace,
    members,
    payloads,
    text,
    unsigned,
    vector,
)
from .memory_moves import Moved, is_movable, move_module
from .outline import Imported, InstanceType, Lifted, Outline, read_component
from .reader import Unreadable
from .text_bridge import (
    RESULT_AREA,
    Wrapper,
    allocator_module,
    function_as_text,
    is_carriable,
    result_area_bytes,
    wrapper_module,
)
from .writer import CORE_FUNCTION, CORE_MEMORY, ComponentWriter, Sort

BRIDGE_MEMORY_BYTES = 128 * 1024
INSTANCES_PER_BRIDGE = 4
INSIDE = "airswasm-bridge-f"
BRIDGE_VERSION = 5
"""Changes whenever what this module composes does: compiled components are cached."""


@dataclass(frozen=True, slots=True)
class Bridging:
    """What composing a bridge around a component has changed.

    Attributes:
        imports: for each bridged import, by `interface#function` (`#function` at
            the level of the world), where a `string` carries bytes: paths such as
            `2`, `1.some` or `result.ok.some`.
        exports: the same for exports.
        extra_memories: memories of the bridge, which the guest's limit must not count.
        extra_memory_bytes: what one of them may need beyond the bytes of one call.
        extra_instances: core instances of the bridge.
        extra_tables: tables of the bridge.
        added: functions of ours that the component got besides.
    """

    imports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extra_memories: int = 0
    extra_memory_bytes: int = 0
    extra_instances: int = 0
    extra_tables: int = 0
    added: Additions = field(default_factory=Additions)

    @property
    def is_bridged(self) -> bool:
        """Whether there is a bridge at all."""
        return bool(self.imports or self.exports)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Bridging:
        """Reads what `to_json` wrote."""
        read = json.loads(text)
        for side in ("imports", "exports"):
            read[side] = {path: tuple(where) for path, where in read[side].items()}
        read["added"] = Additions(**read["added"])
        return cls(**read)

    def with_additions(self, added: Additions) -> Bridging:
        """The same for a component that also got functions of ours."""
        extra = self.extra_instances + bool(added.gauge)
        return replace(self, added=added, extra_instances=extra)


@dataclass(frozen=True, slots=True)
class BridgedComponent:
    """A component with a bridge composed around it.

    Attributes:
        wasm: the outer component.
        bridging: what it changed.
    """

    wasm: bytes
    bridging: Bridging


def bridge_component(wasm: bytes) -> BridgedComponent | None:
    """Composes a bridge around a component.

    Returns:
        None when nothing in it needs a bridge or its shape is beyond ours.
    """
    try:
        outline = read_component(wasm)
        crossings = find_crossings(outline)
        if not crossings.imports and not crossings.exports:
            return None
        return BridgedComponent(_compose(wasm, outline, crossings), crossings.bridging())
    except (Unreadable, LookupError, ValueError, RecursionError):
        return None  # the engine will say what is wrong with it, if anything is


@dataclass(frozen=True, slots=True)
class Crossing:
    """One function that goes through a bridge.

    Attributes:
        instance: the import or export that it belongs to; None at the level of the world.
        name: its name there.
        function: its type, as the guest has it.
        as_text: its type, as the host has it.
        paths: where a string carries bytes.
    """

    instance: str | None
    name: str
    function: Function
    as_text: Function
    paths: tuple[str, ...]

    @property
    def path(self) -> str:
        """`interface#function`."""
        return f"{self.instance or ''}#{self.name}"


@dataclass(frozen=True, slots=True)
class Crossings:
    """All functions of a component that go through its bridges.

    Attributes:
        imports: what goes through the bridge before the guest.
        inside: exports that go through the bridge within the guest's own component,
            and the core functions that they are.
        behind: exports that go through the bridge behind it, because they give or
            take more than `memory_moves` moves.
    """

    imports: tuple[Crossing, ...]
    inside: tuple[tuple[Crossing, Lifted], ...]
    behind: tuple[Crossing, ...]

    @property
    def exports(self) -> tuple[Crossing, ...]:
        """All exports that go through a bridge."""
        return (*(each for each, _ in self.inside), *self.behind)

    def bridging(self) -> Bridging:
        """What the host must know."""
        bridges = bool(self.imports) + bool(self.inside) + bool(self.behind)
        return Bridging(
            imports={each.path: each.paths for each in self.imports},
            exports={each.path: each.paths for each in self.exports},
            extra_memories=bridges,
            extra_memory_bytes=bridges and BRIDGE_MEMORY_BYTES,
            extra_instances=bridges * INSTANCES_PER_BRIDGE,
        )


def find_crossings(outline: Outline) -> Crossings:
    """Decides which functions go through a bridge."""
    imports: list[Crossing] = []
    for name, _, imported in outline.imports:
        if isinstance(imported.type, Function):
            imports += _crossing(None, name, imported.type)
        elif isinstance(imported.type, InstanceType):
            for inner, item in imported.type.exports:
                if isinstance(item, Function):
                    imports += _crossing(name, inner, item)
    inside: list[tuple[Crossing, Lifted]] = []
    behind: list[Crossing] = []
    for name, sort, index in outline.exports:
        for instance, inner, function in _exported_functions(outline, name, sort, index):
            lifted = outline.lifted(sort, index, inner)
            for crossing in _crossing(instance, inner, function):
                if lifted is not None and _fits_inside(function, lifted, inside):
                    inside.append((crossing, lifted))
                else:
                    behind.append(crossing)
    return Crossings(tuple(imports), tuple(inside), tuple(behind))


def _fits_inside(
    function: Function, lifted: Lifted, others: Sequence[tuple[Crossing, Lifted]]
) -> bool:
    """Whether a core module can move all values, over the one memory that it sees."""
    if lifted.memory is None or not lifted.is_utf8:
        return False
    if any(other.memory != lifted.memory for _, other in others):
        return False
    return is_movable(function, has_realloc=lifted.realloc is not None)


def _crossing(instance: str | None, name: str, function: Function) -> list[Crossing]:
    replaced, paths = function_as_text(function)
    if not paths or not is_carriable(function):
        return []
    return [Crossing(instance, name, function, replaced, paths)]


def _exported_functions(
    outline: Outline, name: str, sort: Sort, index: int
) -> list[tuple[str | None, str, Function]]:
    """The functions of an export, or none where a bridge cannot follow or name their types."""
    try:
        if sort == Sort.FUNCTION:
            function = outline.function_type(index)
            return [] if _has_names(function) else [(None, name, function)]
        if sort == Sort.INSTANCE:
            items = outline.exported_items(index)
            for _, item in items:
                _check_sources(outline, item)
            return [(name, inner, item) for inner, item in items if isinstance(item, Function)]
    except (Unreadable, LookupError, ValueError):
        return []
    return []


def _has_names(function: Function) -> bool:
    return any(True for _ in _names_in(function))


def _check_sources(outline: Outline, item: Function | Named) -> None:
    """Every type with a name must be one that the component imports."""
    for named in _names_in(item) if isinstance(item, Function) else [item]:
        outline.source_of(named)


def _names_in(function: Function) -> Iterator[Named]:
    """The types with a name that a function refers to.

    Raises:
        Unreadable: it refers to a record or the like without one.
    """
    pending: list[Type | None] = [type_ for _, type_ in function.parameters]
    pending.append(function.result)
    while pending:
        type_ = pending.pop()
        match type_:
            case None | Primitive():
                pass
            case Named():
                yield type_
            case Own(resource) | Borrow(resource):
                yield resource
            case ListOf(element):
                pending.append(element)
            case TupleOf():
                pending += members(type_)
            case OptionOf() | ResultOf():
                pending += payloads(type_)
            case _:
                raise Unreadable("a function refers to a type that has no name")


def _compose(wasm: bytes, outline: Outline, crossings: Crossings) -> bytes:
    writer = ComponentWriter()
    scope = ImportScope(writer, outline, crossings.imports)
    guest = writer.component(
        _with_bridge_inside(wasm, outline, crossings.inside) if crossings.inside else wasm
    )
    given = _given_imports(writer, outline, scope, crossings.imports)
    instance = writer.instance(guest, given)
    _write_exports(scope, instance, crossings)
    return writer.finish()


def _with_bridge_inside(
    wasm: bytes, outline: Outline, inside: Sequence[tuple[Crossing, Lifted]]
) -> bytes:
    """The guest, and behind its own sections ours, which export `INSIDE` and a number."""
    counts = {Sort.TYPE.name: len(outline.types), Sort.FUNCTION.name: len(outline.functions)}
    writer = ComponentWriter(wasm, {**outline.core_counts, **counts})
    wrappers = [Wrapper(each.function, "decode", "encode", is_inside=True) for each, _ in inside]
    allocator = _write_allocator(writer, wrappers)
    moved = [
        Moved(wrapper, lifted.realloc is not None, lifted.after is not None)
        for wrapper, (_, lifted) in zip(wrappers, inside, strict=True)
    ]
    guest = writer.core_instance_of(_core_items([lifted for _, lifted in inside]))
    module = writer.core_module(_assembled(move_module(moved)))
    other = writer.core_instance(module, [("own", allocator.instance), ("guest", guest)])
    space = TypeSpace(writer.type, lambda named: named.index)
    types = [lambda each=each: space.function(each.as_text) for each, _ in inside]
    _write_wrappers(writer, wrappers, allocator, other, types, INSIDE)
    return writer.finish()


def _core_items(lifted: Sequence[Lifted]) -> list[tuple[str, bytes, int]]:
    """What `memory_moves` imports of the guest."""
    assert lifted[0].memory is not None
    items = [("memory", CORE_MEMORY, lifted[0].memory)]
    for number, each in enumerate(lifted):
        items.append((f"f{number}", CORE_FUNCTION, each.core))
        if each.realloc is not None:
            items.append((f"realloc{number}", CORE_FUNCTION, each.realloc))
        if each.after is not None:
            items.append((f"after{number}", CORE_FUNCTION, each.after))
    return items


def _given_imports(
    writer: ComponentWriter, outline: Outline, scope: ImportScope, bridged: tuple[Crossing, ...]
) -> list[tuple[str, Sort, int]]:
    """What the guest is given: what the host gave, with the bridge's functions in place."""
    given = [(name, sort, scope.index_of[name]) for name, sort, _ in outline.imports]
    if not bridged:
        return given
    bridge = writer.instance(writer.component(_imports_bridge(outline, bridged)), given)
    number_of = {(each.instance, each.name): at for at, each in enumerate(bridged)}
    touched = {each.instance for each in bridged}
    result = []
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
    """An instance like the host's, with the bridge's functions in place of its own."""
    host = scope.index_of[name]
    functions = {}
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


def _imports_bridge(outline: Outline, bridged: tuple[Crossing, ...]) -> bytes:
    writer = ComponentWriter()
    scope = ImportScope(writer, outline, bridged)
    functions = [
        scope.index_of[each.name]
        if each.instance is None
        else writer.alias(Sort.FUNCTION, scope.index_of[each.instance], each.name)
        for each in bridged
    ]
    wrappers = [Wrapper(each.function, "encode", "decode") for each in bridged]
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
    _write_core(writer, wrappers, functions, drops, lifted)
    return writer.finish()


def _resource(function: Function, parameter: int) -> Named:
    type_ = function.parameters[parameter][1]
    assert isinstance(type_, Own | Borrow)
    return type_.resource


def _exports_bridge(
    scope: ImportScope, bridged: tuple[Crossing, ...]
) -> tuple[bytes, list[tuple[str, Sort, int]]]:
    """The component behind the guest's exports, and the types that it must be given."""
    writer = ComponentWriter()
    types = GivenTypes(writer, scope)
    space = TypeSpace(writer.type, types.refer_in(None))
    functions = [
        writer.import_(f"g{at}", Sort.FUNCTION, b"\x01" + unsigned(space.function(each.function)))
        for at, each in enumerate(bridged)
    ]
    wrappers = [Wrapper(each.function, "decode", "encode") for each in bridged]
    lifted = [(lambda each=each: space.function(each.as_text)) for each in bridged]
    drops = [
        [(at, types.refer_in(None)(_resource(each.function, at))) for at in wrapper.borrows]
        for each, wrapper in zip(bridged, wrappers, strict=True)
    ]
    _write_core(writer, wrappers, functions, drops, lifted)
    return writer.finish(), types.given


def _write_core(
    writer: ComponentWriter,
    wrappers: Sequence[Wrapper],
    functions: Sequence[int],
    drops: Sequence[Sequence[tuple[int, int]]],
    lifted_types: Sequence[Callable[[], int]],
) -> None:
    """The core of a bridge: lower what it calls, convert, lift what it offers as `f0`, `f1`, …"""
    allocator = _write_allocator(writer, wrappers)
    called = []
    for number, function in enumerate(functions):
        lowered = writer.lower(function, allocator.memory, allocator.realloc)
        called.append((f"f{number}", CORE_FUNCTION, lowered))
        called += [
            (f"drop{number}-{at}", CORE_FUNCTION, writer.resource_drop(type_))
            for at, type_ in drops[number]
        ]
    other = writer.core_instance_of(called)
    _write_wrappers(writer, wrappers, allocator, other, lifted_types, "f")


@dataclass(frozen=True, slots=True)
class Allocator:
    """Where a bridge keeps its values: a core instance, its memory, its `realloc`."""

    instance: int
    memory: int
    realloc: int


def _write_allocator(writer: ComponentWriter, wrappers: Sequence[Wrapper]) -> Allocator:
    heap = RESULT_AREA + result_area_bytes(wrappers)
    own = writer.core_instance(writer.core_module(_assembled(allocator_module(heap))))
    memory = writer.core_alias(CORE_MEMORY, own, "memory")
    return Allocator(own, memory, writer.core_alias(CORE_FUNCTION, own, "realloc"))


def _write_wrappers(
    writer: ComponentWriter,
    wrappers: Sequence[Wrapper],
    allocator: Allocator,
    other: int,
    lifted_types: Sequence[Callable[[], int]],
    name: str,
) -> None:
    """Converts, calls `other`, and offers the outcome as `name` and a number."""
    module = writer.core_module(_assembled(wrapper_module(wrappers)))
    core = writer.core_instance(module, [("own", allocator.instance), ("other", other)])
    for number, lifted_type in enumerate(lifted_types):
        function = writer.core_alias(CORE_FUNCTION, core, f"f{number}")
        after = writer.core_alias(CORE_FUNCTION, core, f"after{number}")
        offered = writer.lift(function, lifted_type(), allocator.memory, allocator.realloc, after)
        writer.export(f"{name}{number}", Sort.FUNCTION, offered)


def _assembled(source: str) -> bytes:
    return bytes(wat2wasm(source))


def _write_exports(scope: ImportScope, guest: int, crossings: Crossings) -> None:
    """Exports what the guest exports, with the bridges' functions in place."""
    writer, outline = scope.writer, scope.outline
    exported = [(n, sort, writer.alias(sort, guest, n)) for n, sort, _ in outline.exports]
    index_of = {name: index for name, _, index in exported}
    carried = {
        (each.instance, each.name): (writer.alias(Sort.FUNCTION, guest, f"{INSIDE}{at}"), each)
        for at, (each, _) in enumerate(crossings.inside)
    }
    carried |= _write_behind(scope, index_of, crossings.behind)
    for (instance, name), (function, _) in carried.items():
        if instance is None:
            index_of[name] = function
    for instance in dict.fromkeys(instance for instance, _ in carried if instance is not None):
        index_of[instance] = _patched_export(scope, index_of[instance], instance, carried)
    for name, sort, _ in exported:
        writer.export(name, sort, index_of[name])


Carried: TypeAlias = dict[tuple[str | None, str], tuple[int, Crossing]]
"""By instance and name: the bridge's function, and what it carries."""


def _write_behind(
    scope: ImportScope, index_of: Mapping[str, int], behind: tuple[Crossing, ...]
) -> Carried:
    """The bridge behind the guest, if it needs one, and its functions."""
    if not behind:
        return {}
    writer = scope.writer
    functions = [
        index_of[each.name]
        if each.instance is None
        else writer.alias(Sort.FUNCTION, index_of[each.instance], each.name)
        for each in behind
    ]
    binary, types = _exports_bridge(scope, behind)
    given = [(f"g{at}", Sort.FUNCTION, index) for at, index in enumerate(functions)]
    made = writer.instance(writer.component(binary), [*types, *given])
    return {
        (each.instance, each.name): (writer.alias(Sort.FUNCTION, made, f"f{at}"), each)
        for at, each in enumerate(behind)
    }


def _patched_export(scope: ImportScope, original: int, name: str, carried: Carried) -> int:
    """An instance like the guest's, with the bridges' functions in place of its own."""
    index = next(index for each, _, index in scope.outline.exports if each == name)
    items: list[tuple[str, Function | Type]] = []
    functions = {}
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
    """An instance put together from functions and the types that the host gave.

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

    given = []
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


class GivenTypes:
    """The types that a component of ours imports one by one, and what it is given for them.

    Attributes:
        given: arguments for its instantiation.
    """

    def __init__(self, writer: ComponentWriter, scope: ImportScope) -> None:
        self._writer = writer
        self._scope = scope
        self._indices: dict[tuple[str, str], int] = {}
        self.given: list[tuple[str, Sort, int]] = []

    def key(self, instance: str | None, named: Named) -> tuple[str, str]:
        """Where a type comes from that is named in that instance's type."""
        outline = self._scope.outline
        if named.name is not None and instance is not None:
            return outline.origin(instance, named.name)[:2]
        return outline.origin(*outline.source_of(named))[:2]

    def key_of_export(self, instance: str | None, name: str, item: Type) -> tuple[str, str]:
        """The same for a type that an instance exports."""
        if instance is not None:
            return self._scope.outline.origin(instance, name)[:2]
        if not isinstance(item, Named):
            raise Unreadable(f"exported type `{name}` is not imported")
        return self.key(None, item)

    def refer_in(self, instance: str | None) -> Callable[[Named], int]:
        """How types that are named in that instance's type are referred to here."""
        return lambda named: self.index(self.key(instance, named))

    def index(self, key: tuple[str, str]) -> int:
        """The index of a type, imported when it is first asked for."""
        if key not in self._indices:
            instance, name, type_ = self._scope.outline.origin(*key)
            bound = _bound(TypeSpace(self._writer.type, self.refer_in(instance)), type_)
            label = f"t{len(self.given)}"
            self._indices[key] = self._writer.import_(label, Sort.TYPE, bound)
            self.given.append((label, Sort.TYPE, self._scope.type_of(instance, name)))
        return self._indices[key]


class ImportScope:
    """Writes a component's imports again, with the host's side of the bridged functions.

    Types that have names keep them: a reference to one is written as an alias of
    the instance that exports it.
    """

    def __init__(
        self, writer: ComponentWriter, outline: Outline, bridged: Sequence[Crossing]
    ) -> None:
        self.writer = writer
        self.outline = outline
        self._as_text = {(each.instance, each.name): each.as_text for each in bridged}
        self._types: dict[int, int] = {}
        self._aliases: dict[tuple[str, str], int] = {}
        self.index_of: dict[str, int] = {}
        for name, _, imported in outline.imports:
            self.index_of[name] = self._import(name, imported)

    def type_of(self, instance: str, name: str) -> int:
        """The index of a type that an imported instance exports."""
        key = instance, name
        if key not in self._aliases:
            index = self.index_of[instance]
            self._aliases[key] = self.writer.alias(Sort.TYPE, index, name)
        return self._aliases[key]

    def refer_in(self, instance: str | None) -> Callable[[Named], int]:
        """How types that are named in that instance's type are referred to from outside."""

        def refer(named: Named) -> int:
            if named.name is None or instance is None:
                return self._outer(named)
            return self.type_of(instance, named.name)

        return refer

    def _outer(self, named: Named) -> int:
        if (index := self._types.get(named.index)) is not None:
            return index
        return self.type_of(*self.outline.source_of(named))

    def _import(self, name: str, imported: Imported) -> int:
        type_ = imported.type
        if isinstance(type_, InstanceType):
            index = self.writer.type(self._instance_type(name, type_))
            return self.writer.import_(name, Sort.INSTANCE, b"\x05" + unsigned(index))
        space = TypeSpace(self.writer.type, self._outer)
        if isinstance(type_, Function):
            index = space.function(self._as_text.get((None, name), type_))
            return self.writer.import_(name, Sort.FUNCTION, b"\x01" + unsigned(index))
        bound = _bound(space, type_)
        index = self.writer.import_(name, Sort.TYPE, bound)
        self._types[self._imported_type(name)] = index
        return index

    def _imported_type(self, name: str) -> int:
        return self.outline.imported_types[name]

    def _instance_type(self, instance: str, type_: InstanceType) -> bytes:
        declarations: list[bytes] = []
        names: dict[str, int] = {}
        outer: dict[int, int] = {}
        count = 0

        def declare(declaration: bytes) -> int:
            nonlocal count
            declarations.append(declaration)
            count += 1
            return count - 1

        def refer(named: Named) -> int:
            if named.name is not None:
                return names[named.name]
            if named.index not in outer:
                around = unsigned(self._outer(named))
                outer[named.index] = declare(b"\x02\x03\x02\x01" + around)
            return outer[named.index]

        space = TypeSpace(lambda definition: declare(b"\x01" + definition), refer)
        for name, item in type_.exports:
            if isinstance(item, Function):
                index = space.function(self._as_text.get((instance, name), item))
                declarations.append(b"\x04\x00" + text(name) + b"\x01" + unsigned(index))
            else:
                bound = _bound(space, item)
                names[name] = declare(b"\x04\x00" + text(name) + bound)
        return b"\x42" + vector(declarations)


def _bound(space: TypeSpace, type_: Type) -> bytes:
    if isinstance(type_, Resource):
        return b"\x03\x01"
    return b"\x03\x00" + unsigned(space.defined(type_))
