"""Finds where a guest's imports can be bound again, to functions of ours in its own component.

A core module is instantiated before there is a memory for the imports that need one. So the
tools of the component model let it call those through a table, which a last module fills
with the imports as they are lowered into that memory. A module of ours behind that one may
fill the same places again.

Only that shape is known: active segments from place 0 on, in a module with nothing but
imports. An import that also goes another way to the guest is left alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from .outline import Aliased, Imported, Lowered, Outline
from .reader import Unreadable, imported_items, table_functions

_FUNCTION, _TABLE = 0, 1


@dataclass(frozen=True, slots=True)
class Place:
    """One place in a table through which a guest calls an import.

    Attributes:
        lowered: the import, as it is lowered into the guest's memory.
        table: the core instance that has the table, and its name there; or its index alone.
        slot: its number.
    """

    lowered: Lowered
    table: tuple[int, str] | int
    slot: int


def find_places(outline: Outline) -> dict[tuple[str | None, str], list[Place]]:
    """Find the places of the imports all of whose uses go through one; by instance and name."""
    filled = {core: (table, slot) for core, table, slot in _filled(outline)}
    made = [items for items in outline.core_instances if isinstance(items, dict)]
    used = Counter(index for items in made for index in items.values())
    found: dict[tuple[str | None, str], list[Place]] = {}
    beyond: set[tuple[str | None, str]] = set()
    for core, lowered in outline.lowered.items():
        name = _imported(outline, lowered.function)
        if name is None:
            continue
        if core not in filled or used[core] > 1:
            beyond.add(name)
        else:
            found.setdefault(name, []).append(Place(lowered, *filled[core]))
    return {name: places for name, places in found.items() if name not in beyond}


def _imported(outline: Outline, function: int) -> tuple[str | None, str] | None:
    entry = outline.functions[function]
    if isinstance(entry, Imported):
        return None, entry.name
    if isinstance(entry, Aliased):
        instance = outline.instances[entry.instance]
        if isinstance(instance, Imported):
            return instance.name, entry.name
    return None


def _filled(outline: Outline) -> Iterator[tuple[int, tuple[int, str] | int, int]]:
    """Find the core functions that a module of imports alone puts into a table."""
    for index, entry in enumerate(outline.core_instances):
        if not isinstance(entry, int) or (module := outline.core_modules[entry]) is None:
            continue
        try:
            imports, placed = imported_items(module), table_functions(module)
            given = outline.core_arguments[index]
            tables = [each for each in imports if each[2] == _TABLE]
            functions = [each for each in imports if each[2] == _FUNCTION]
            if not placed or len(tables) != 1:
                continue
            table = _table(outline, given[tables[0][0]], tables[0][1])
            for slot, function in enumerate(placed):
                place, name, _ = functions[function]
                items = outline.core_instances[given[place]]
                if isinstance(items, dict):
                    yield items[name], table, slot
        except (Unreadable, LookupError):
            continue


def _table(outline: Outline, instance: int, name: str) -> tuple[int, str] | int:
    if isinstance(outline.core_instances[instance], int):
        return instance, name
    return outline.core_tables[instance][name]
