"""The bridges that are sections of ours, appended to those of the guest's component."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .bridge_parts import assembled_core, core_wrappers, write_allocator, write_wrappers
from .bridging import Side
from .component_types import Named, TypeSpace, unsigned
from .crossings import HOST, Crossings
from .memory_moves import Lent, Moved, fill_module, lend_module, move_module
from .outline import Imported, Lifted, Outline
from .rebinding import Place
from .wrappers import Wrapper
from .writer import CORE_FUNCTION, CORE_MEMORY, CORE_TABLE, ComponentWriter, Sort

INSIDE = "airswasm-bridge-f"


def with_bridges_inside(wasm: bytes, outline: Outline, crossings: Crossings) -> bytes:
    """Append our sections to the guest's own."""
    counts = {Sort.TYPE.name: len(outline.types), Sort.FUNCTION.name: len(outline.functions)}
    writer = ComponentWriter(wasm, {**outline.core_counts, **counts})
    if crossings.rebound:
        _rebind_imports(writer, outline, crossings)
    if crossings.inside:
        _write_inside(writer, crossings)
    return writer.finish()


def _rebind_imports(writer: ComponentWriter, outline: Outline, crossings: Crossings) -> None:
    """Let the guest call its imports through a bridge of its own component.

    The host's functions are imported once more, with text, and lowered into a memory of ours.
    """
    placed = [
        (at, each, place) for at, (each, all_) in enumerate(crossings.rebound) for place in all_
    ]
    wrappers = [
        Wrapper(each.function, "to_host", "from_host", is_inside=True) for _, each, _ in placed
    ]
    allocator = write_allocator(writer, wrappers, crossings.nonces.get(Side.REBOUND, b""))
    hosts: list[int] = []
    for at, (each, _) in enumerate(crossings.rebound):
        space = TypeSpace(writer.type, _names_in_guest(writer, outline, each.instance))
        type_ = space.function(each.as_text)
        hosts.append(writer.import_(f"{HOST}{at}", Sort.FUNCTION, b"\x01" + unsigned(type_)))
    called: list[tuple[str, bytes, int]] = []
    for number, (at, _, _) in enumerate(placed):
        lowered = writer.lower(hosts[at], allocator.memory, allocator.realloc)
        called.append((f"f{number}", CORE_FUNCTION, lowered))
    bridge = core_wrappers(writer, wrappers, allocator, writer.core_instance_of(called))
    memory = placed[0][2].lowered.memory
    assert memory is not None
    items = [("memory", CORE_MEMORY, memory)]
    for number, (_, _, place) in enumerate(placed):
        if place.lowered.realloc is not None:
            items.append((f"realloc{number}", CORE_FUNCTION, place.lowered.realloc))
    lent = [
        Lent(wrapper, place.lowered.realloc is not None)
        for wrapper, (_, _, place) in zip(wrappers, placed, strict=True)
    ]
    module = writer.core_module(assembled_core(lend_module(lent)))
    given = [("own", allocator.instance), ("guest", writer.core_instance_of(items))]
    lender = writer.core_instance(module, [*given, ("bridge", bridge)])
    _fill_tables(writer, lender, wrappers, [place for _, _, place in placed])


def _names_in_guest(
    writer: ComponentWriter, outline: Outline, instance: str | None
) -> Callable[[Named], int]:
    """Return how the guest's component refers to types that an instance's type names."""
    aliases: dict[str, int] = {}

    def refer(named: Named) -> int:
        if named.name is None or instance is None:
            return named.index
        if named.name not in aliases:
            at = next(
                at
                for at, entry in enumerate(outline.instances)
                if isinstance(entry, Imported) and entry.name == instance
            )
            aliases[named.name] = writer.alias(Sort.TYPE, at, named.name)
        return aliases[named.name]

    return refer


def _fill_tables(
    writer: ComponentWriter, lender: int, wrappers: Sequence[Wrapper], places: Sequence[Place]
) -> None:
    """Put the lender's functions into the places of the imports."""
    tables = {
        table: table if isinstance(table, int) else writer.core_alias(CORE_TABLE, *table)
        for table in dict.fromkeys(place.table for place in places)
    }
    numbers = {table: number for number, table in enumerate(tables)}
    items = [(f"table{numbers[table]}", CORE_TABLE, index) for table, index in tables.items()]
    slots = [(numbers[place.table], place.slot) for place in places]
    module = writer.core_module(assembled_core(fill_module(wrappers, slots)))
    given = [("guest", writer.core_instance_of(items)), ("lender", lender)]
    writer.core_instance(module, given)


def _write_inside(writer: ComponentWriter, crossings: Crossings) -> None:
    """Write the bridge for exports; it exports `INSIDE` and a number."""
    inside = crossings.inside
    wrappers = [
        Wrapper(each.function, "from_host", "to_host", is_inside=True) for each, _ in inside
    ]
    allocator = write_allocator(writer, wrappers, crossings.nonces.get(Side.INSIDE, b""))
    moved = [
        Moved(wrapper, lifted.realloc is not None, lifted.after is not None)
        for wrapper, (_, lifted) in zip(wrappers, inside, strict=True)
    ]
    guest = writer.core_instance_of(_core_items([lifted for _, lifted in inside]))
    module = writer.core_module(assembled_core(move_module(moved)))
    other = writer.core_instance(module, [("own", allocator.instance), ("guest", guest)])
    space = TypeSpace(writer.type, lambda named: named.index)
    types = [lambda each=each: space.function(each.as_text) for each, _ in inside]
    write_wrappers(writer, wrappers, allocator, other, types, INSIDE)


def _core_items(lifted: Sequence[Lifted]) -> list[tuple[str, bytes, int]]:
    """List what `memory_moves` imports of the guest."""
    assert lifted[0].memory is not None
    items = [("memory", CORE_MEMORY, lifted[0].memory)]
    for number, each in enumerate(lifted):
        items.append((f"f{number}", CORE_FUNCTION, each.core))
        if each.realloc is not None:
            items.append((f"realloc{number}", CORE_FUNCTION, each.realloc))
        if each.after is not None:
            items.append((f"after{number}", CORE_FUNCTION, each.after))
    return items
