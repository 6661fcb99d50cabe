"""Reads what core modules tell about a component, for errors that say more.

The engine says that a component has too many memories, not how many it has; and that
code of the guest trapped, not that it was the code which makes room for arguments.
Both can be read from the binary, once, in the compile child.
"""

from __future__ import annotations

from dataclasses import dataclass

from .outline import Instantiated, Lifted, Outline, read_component, read_outline
from .reader import (
    CORE_MEMORY_SECTION,
    CORE_TABLE_SECTION,
    Reader,
    Unreadable,
    core_modules,
    defined_items,
    exported_function,
    first_memory_pages,
    imported_functions,
)
from .writer import Sort


@dataclass(frozen=True, slots=True)
class CoreFacts:
    """All that is known of a component's core modules.

    Attributes:
        memories: linear memories that an instance has; None where that cannot be read.
        tables: tables that an instance has, likewise.
        reallocs: the functions that make room for arguments, by their index in their
            module; without those whose index an exported function has too.
        memory_pages: what the largest linear memory has at the start; 0 where that
            cannot be read.
    """

    memories: int | None = None
    tables: int | None = None
    reallocs: tuple[int, ...] = ()
    memory_pages: int = 0


def read_core_facts(wasm: bytes) -> CoreFacts:
    """Read them; for a component of a shape that cannot be followed, nothing is known."""
    try:
        outline = read_component(wasm)
        memories, tables = _Counter().count(outline)
        pages = max(map(first_memory_pages, core_modules(wasm)), default=0)
        return CoreFacts(memories, tables, _reallocs(outline), pages)
    except (Unreadable, LookupError, ValueError, RecursionError):
        return CoreFacts()


class _Counter:
    """Counts what an instance of a component defines; each component inside is read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[int, int]] = {}

    def count(self, outline: Outline) -> tuple[int, int]:
        """Return the number of memories and of tables."""
        memories = tables = 0
        for entry in outline.core_instances:
            if isinstance(entry, int):
                module = outline.core_module(entry)
                memories += defined_items(module, CORE_MEMORY_SECTION)
                tables += defined_items(module, CORE_TABLE_SECTION)
        instances = {id(each): each for each in outline.instances}  # an export is listed again
        for instance in instances.values():
            if isinstance(instance, Instantiated):
                more = self._count_inside(outline, instance.component)
                memories, tables = memories + more[0], tables + more[1]
        return memories, tables

    def _count_inside(self, outline: Outline, component: int) -> tuple[int, int]:
        reader = outline.components[component]
        if reader is None:
            raise Unreadable("a component that is not defined here")
        _, start, end = reader.span()
        if (start, end) not in self._known:
            self._known[start, end] = self.count(read_outline(Reader(*reader.span()), outline))
        return self._known[start, end]


def _reallocs(outline: Outline) -> tuple[int, ...]:
    lifted = [each for each in _exported(outline) if each is not None]
    called = {_function_index(outline, each.core) for each in lifted}
    reallocs = {_function_index(outline, each.realloc) for each in lifted}
    return tuple(sorted(index for index in reallocs - called if index is not None))


def _exported(outline: Outline) -> list[Lifted | None]:
    found: list[Lifted | None] = []
    for name, sort, index in outline.exports:
        try:
            if sort == Sort.FUNCTION:
                found.append(outline.lifted(sort, index, name))
            elif sort == Sort.INSTANCE:
                items = outline.exported_items(index)
                found += [outline.lifted(sort, index, inner) for inner, _ in items]
        except (Unreadable, LookupError, ValueError):
            continue  # this one cannot be followed; others may
    return found


def _function_index(outline: Outline, core: int | None) -> int | None:
    """Return the index that a core function has in the module that defines it."""
    found = None if core is None else outline.core_functions[core]
    while found is not None:
        instance, name = found
        entry = outline.core_instances[instance]
        if isinstance(entry, int):
            module = outline.core_module(entry)
            index = exported_function(module, name)
            if index is None or index < imported_functions(module):
                return None
            return index
        found = outline.core_functions[entry[name]] if name in entry else None
    return None
