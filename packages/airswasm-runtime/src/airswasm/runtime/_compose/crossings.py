"""Find the functions of a component that need a bridge, and the bridge of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from airswasm.wit import Borrow, ListOf, OptionOf, Own, Primitive, ResultOf, TupleOf

from .bridging import Bridging, Side
from .component_types import Function, Named, Type, members, payloads
from .memory_moves import is_movable, is_movable_back
from .outline import InstanceType, Lifted, Outline
from .reader import Unreadable
from .rebinding import Place, find_places
from .wrappers import function_as_text, is_carriable
from .writer import Sort

BRIDGE_MEMORY_BYTES = 128 * 1024
INSTANCES_PER_BRIDGE = 4
HOST = "airswasm-host-f"
NO_NONCES: Mapping[Side, bytes] = {}


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
        rebound: imports that go through the bridge within the guest's own component, and the
            places in its table through which it calls them.
        inside: exports that go through the bridge within the guest's own component,
            and the core functions that they are.
        behind: exports that go through the bridge behind it, because they give or
            take more than `memory_moves` moves.
        nonces: what the memory of each bridge begins with; empty where the host cannot
            reach memories.
    """

    imports: tuple[Crossing, ...]
    rebound: tuple[tuple[Crossing, tuple[Place, ...]], ...]
    inside: tuple[tuple[Crossing, Lifted], ...]
    behind: tuple[Crossing, ...]
    nonces: Mapping[Side, bytes]

    @property
    def exports(self) -> tuple[Crossing, ...]:
        """All exports that go through a bridge."""
        return (*(each for each, _ in self.inside), *self.behind)

    def bridging(self) -> Bridging:
        """Return the changes that the host must know."""
        sides = {
            Side.IMPORTS: self.imports,
            Side.INSIDE: self.inside,
            Side.BEHIND: self.behind,
            Side.REBOUND: self.rebound,
        }
        bridges = sum(map(bool, sides.values()))
        return Bridging(
            imports={
                each.path: each.paths
                for each in (*self.imports, *(crossing for crossing, _ in self.rebound))
            },
            rebound={each.path: f"{HOST}{at}" for at, (each, _) in enumerate(self.rebound)},
            exports={each.path: each.paths for each in self.exports},
            behind=tuple(each.path for each in self.behind),
            nonces={side: each.hex() for side, each in self.nonces.items() if sides[side]},
            extra_memories=bridges,
            extra_memory_bytes=bridges and BRIDGE_MEMORY_BYTES,
            extra_instances=bridges * INSTANCES_PER_BRIDGE,
        )


def find_crossings(outline: Outline, nonces: Mapping[Side, bytes] = NO_NONCES) -> Crossings:
    """Decide which functions go through a bridge; `nonces` are for their memories."""
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
    before, rebound = _rebound(outline, imports)
    return Crossings(before, rebound, tuple(inside), tuple(behind), nonces)


def _rebound(
    outline: Outline, imports: Sequence[Crossing]
) -> tuple[tuple[Crossing, ...], tuple[tuple[Crossing, tuple[Place, ...]], ...]]:
    """Separate the imports that can be bound again, over the one memory that our module sees."""
    before: list[Crossing] = []
    rebound: list[tuple[Crossing, tuple[Place, ...]]] = []
    places, memories = find_places(outline), set[int | None]()
    for each in imports:
        found = places.get((each.instance, each.name), [])
        lowered = [place.lowered for place in found]
        fits = bool(found) and all(
            one.is_utf8 and is_movable_back(each.function, has_realloc=one.realloc is not None)
            for one in lowered
        )
        used = memories | {one.memory for one in lowered}
        if fits and len(used) == 1 and None not in used:
            memories = used
            rebound.append((each, tuple(found)))
        else:
            before.append(each)
    return tuple(before), tuple(rebound)


def _fits_inside(
    function: Function, lifted: Lifted, others: Sequence[tuple[Crossing, Lifted]]
) -> bool:
    """Return whether a core module can move all values, over the one memory that it sees."""
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
    """Return the functions of an export; none where a bridge cannot follow or name their types."""
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
    """Refuse a type with a name that the component does not import.

    Raises:
        Unreadable: there is one.
    """
    for named in _names_in(item) if isinstance(item, Function) else [item]:
        outline.source_of(named)


def _names_in(function: Function) -> Iterator[Named]:
    """Find the types with a name that a function refers to.

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
