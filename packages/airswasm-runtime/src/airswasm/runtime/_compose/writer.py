"""Writes the binary of a component, one definition at a time.

Each definition gets a section of its own: the format allows it, and indices
then follow the order of calls. Nothing is checked here; the engine validates
the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum

from .component_types import text, unsigned, vector
from .reader import Section

PREAMBLE = b"\0asm\x0d\0\1\0"
CORE_FUNCTION, CORE_TABLE, CORE_MEMORY = b"\x00\x00", b"\x00\x01", b"\x00\x02"
RESOURCE_BOUND = b"\x03\x01"


class Sort(IntEnum):
    """The kind of thing that an index counts."""

    FUNCTION = 1
    VALUE = 2
    TYPE = 3
    COMPONENT = 4
    INSTANCE = 5


class ComponentWriter:
    """A component that is being written; methods return the index of what they define.

    Args:
        start: a component to go on with; its sections stay as they are.
        counts: how much it defines already, by index space.
    """

    def __init__(self, start: bytes = PREAMBLE, counts: Mapping[str, int] | None = None) -> None:
        self._sections: list[bytes] = [start]
        self._counts: dict[str, int] = dict(counts or {})

    def finish(self) -> bytes:
        """Return the component so far."""
        return b"".join(self._sections)

    def count(self, sort: Sort) -> int:
        """Return the next index of a sort."""
        return self._counts.get(sort.name, 0)

    def _define(self, section: Section, definition: bytes, space: str) -> int:
        body = unsigned(1) + definition
        self._sections += [bytes([section]), unsigned(len(body)), body]
        return self._next(space)

    def _next(self, space: str) -> int:
        index = self._counts.get(space, 0)
        self._counts[space] = index + 1
        return index

    def _embed(self, section: Section, binary: bytes, space: str) -> int:
        self._sections += [bytes([section]), unsigned(len(binary)), binary]
        return self._next(space)

    def component(self, binary: bytes) -> int:
        """Write a component inside, its bytes as they are."""
        return self._embed(Section.COMPONENT, binary, Sort.COMPONENT.name)

    def core_module(self, binary: bytes) -> int:
        """Write a core module, its bytes as they are."""
        return self._embed(Section.CORE_MODULE, binary, "core module")

    def type(self, definition: bytes) -> int:
        """Write a type."""
        return self._define(Section.TYPE, definition, Sort.TYPE.name)

    def import_(self, name: str, sort: Sort, description: bytes) -> int:
        """Write an import; `description` is an `externdesc`."""
        return self._define(Section.IMPORT, b"\0" + text(name) + description, sort.name)

    def export(self, name: str, sort: Sort, index: int, description: bytes = b"") -> int:
        """Write an export; without an `externdesc` its type is that of what it exports."""
        stated = b"\x01" + description if description else b"\0"
        definition = b"\0" + text(name) + bytes([sort]) + unsigned(index) + stated
        return self._define(Section.EXPORT, definition, sort.name)

    def alias(self, sort: Sort, instance: int, name: str) -> int:
        """Write an export of an instance."""
        definition = bytes([sort, 0]) + unsigned(instance) + text(name)
        return self._define(Section.ALIAS, definition, sort.name)

    def core_alias(self, sort: bytes, instance: int, name: str) -> int:
        """Write an export of a core instance."""
        definition = sort + b"\x01" + unsigned(instance) + text(name)
        return self._define(Section.ALIAS, definition, f"core {sort[1]}")

    def core_instance(self, module: int, arguments: Sequence[tuple[str, int]] = ()) -> int:
        """Write an instance of a core module, given core instances."""
        given = vector(text(name) + b"\x12" + unsigned(index) for name, index in arguments)
        return self._define(
            Section.CORE_INSTANCE, b"\0" + unsigned(module) + given, "core instance"
        )

    def core_instance_of(self, items: Sequence[tuple[str, bytes, int]]) -> int:
        """Write a core instance that is made of functions and memories."""
        listed = vector(text(name) + sort[1:] + unsigned(index) for name, sort, index in items)
        return self._define(Section.CORE_INSTANCE, b"\x01" + listed, "core instance")

    def instance(self, component: int, arguments: Sequence[tuple[str, Sort, int]]) -> int:
        """Write an instance of a component."""
        given = vector(text(name) + bytes([sort]) + unsigned(at) for name, sort, at in arguments)
        return self._define(
            Section.INSTANCE, b"\0" + unsigned(component) + given, Sort.INSTANCE.name
        )

    def instance_of(self, exports: Sequence[tuple[str, Sort, int]]) -> int:
        """Write an instance that is made of what there is."""
        listed = vector(
            b"\0" + text(name) + bytes([sort]) + unsigned(at) for name, sort, at in exports
        )
        return self._define(Section.INSTANCE, b"\x01" + listed, Sort.INSTANCE.name)

    def lower(self, function: int, memory: int, realloc: int) -> int:
        """Write a core function that calls a component function."""
        definition = b"\x01\x00" + unsigned(function) + _options(memory, realloc)
        return self._define(Section.CANON, definition, "core 0")

    def lift(self, core: int, type_: int, memory: int, realloc: int, after: int) -> int:
        """Write a component function that calls a core function, then `after` with its result."""
        options = _options(memory, realloc, after)
        definition = b"\x00\x00" + unsigned(core) + options + unsigned(type_)
        return self._define(Section.CANON, definition, Sort.FUNCTION.name)

    def lift_plain(self, core: int, type_: int) -> int:
        """Write a component function that calls a core function which needs no memory."""
        definition = b"\x00\x00" + unsigned(core) + vector([]) + unsigned(type_)
        return self._define(Section.CANON, definition, Sort.FUNCTION.name)

    def resource_drop(self, type_: int) -> int:
        """Write a core function that gives a handle back."""
        return self._define(Section.CANON, b"\x03" + unsigned(type_), "core 0")


def _options(memory: int, realloc: int, after: int | None = None) -> bytes:
    options = [b"\x00", b"\x03" + unsigned(memory), b"\x04" + unsigned(realloc)]
    if after is not None:
        options.append(b"\x05" + unsigned(after))
    return vector(options)
