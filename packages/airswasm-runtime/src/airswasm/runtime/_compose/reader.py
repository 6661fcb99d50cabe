"""Reads as much of the wasm binary format as composing a bridge needs.

No validator: the engine validates whatever comes of it. What is read here is
only ever a reason to refuse a component or to leave it without a bridge. It
runs in the compile child, under its limits.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

PREAMBLE_BYTES = 8
CORE_IMPORT_SECTION = 2
CORE_TABLE_SECTION = 4
CORE_MEMORY_SECTION = 5
CORE_EXPORT_SECTION = 7
CORE_ELEMENT_SECTION = 9
CORE_FUNCTION_KIND, CORE_MEMORY_KIND = 0, 2
DEPTH_LIMIT = 100


class Unreadable(Exception):
    """The bytes end early, or hold something that this reader does not know."""


class Section(enum.IntEnum):
    """The sections of a component."""

    CUSTOM = 0
    CORE_MODULE = 1
    CORE_INSTANCE = 2
    CORE_TYPE = 3
    COMPONENT = 4
    INSTANCE = 5
    ALIAS = 6
    TYPE = 7
    CANON = 8
    START = 9
    IMPORT = 10
    EXPORT = 11
    VALUE = 12


class Reader:
    """A cursor over a part of a binary; nothing is copied but names."""

    __slots__ = ("_data", "_end", "position")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._end = len(data) if end is None else end
        self.position = start

    @property
    def at_end(self) -> bool:
        """Whether everything was read."""
        return self.position >= self._end

    def span(self) -> tuple[bytes, int, int]:
        """Return the data, where this reader is, and where it ends: what a copy needs."""
        return self._data, self.position, self._end

    def byte(self) -> int:
        """Read one byte."""
        if self.position >= self._end:
            raise Unreadable(f"it ends at offset {self.position:#x}, in the middle of an item")
        value = self._data[self.position]
        self.position += 1
        return value

    def peek(self) -> int:
        """Return the byte that `byte` would read."""
        value = self.byte()
        self.position -= 1
        return value

    def u32(self) -> int:
        """Read an unsigned number in LEB128."""
        value = shift = 0
        while True:
            piece = self.byte()
            value |= (piece & 0x7F) << shift
            if piece < 0x80:
                break
            shift += 7
            if shift > 28:
                raise Unreadable(f"a number at offset {self.position:#x} is too long")
        if value >= 2**32:
            raise Unreadable(f"a number at offset {self.position:#x} is too large")
        return value

    def u64(self) -> int:
        """Read an unsigned number of up to 64 bits in LEB128."""
        value = shift = 0
        while True:
            piece = self.byte()
            value |= (piece & 0x7F) << shift
            if piece < 0x80:
                return value
            shift += 7
            if shift > 63:
                raise Unreadable(f"a number at offset {self.position:#x} is too long")

    def name(self) -> str:
        """Read a length and as many bytes of UTF-8."""
        piece = self.part(self.u32())
        try:
            return self._data[piece.position : piece._end].decode()
        except UnicodeDecodeError as error:
            raise Unreadable(f"the name at offset {piece.position:#x} is not UTF-8") from error

    def part(self, size: int) -> Reader:
        """Return the next `size` bytes as a reader of their own."""
        start = self.position
        if start + size > self._end:
            raise Unreadable(f"a part at offset {start:#x} reaches beyond the end")
        self.position = start + size
        return Reader(self._data, start, start + size)

    def sections(self) -> Iterator[tuple[int, Reader]]:
        """Return the sections of a module or component, after its preamble."""
        while not self.at_end:
            number = self.byte()
            yield number, self.part(self.u32())


def refuse_multi_memory(wasm: bytes) -> str | None:
    """Look for a core module with more than one memory.

    The engine needs its multi-memory feature for the adapters that it generates
    between the parts of a composed component, so the feature is on and guests
    are refused its use here.

    Returns:
        Why the component is refused, or None.

    Raises:
        Unreadable: the structure of the sections is broken.
    """
    for module in core_modules(wasm):
        if (memories := memory_count(module)) > 1:
            return f"a core module has {memories} memories: multiple memories are not supported"
    return None


def core_modules(wasm: bytes) -> Iterator[Reader]:
    """Find every core module of a component, however deeply nested."""
    pending = [(Reader(wasm, PREAMBLE_BYTES), 0)]
    while pending:
        component, depth = pending.pop()
        if depth > DEPTH_LIMIT:
            raise Unreadable(f"components are nested more than {DEPTH_LIMIT} deep")
        for number, body in component.sections():
            if number == Section.CORE_MODULE:
                body.part(PREAMBLE_BYTES)
                yield body
            elif number == Section.COMPONENT:
                body.part(PREAMBLE_BYTES)
                pending.append((body, depth + 1))


def memory_count(module: Reader) -> int:
    """Count the memories that a core module imports and defines."""
    memories = defined_items(module, CORE_MEMORY_SECTION)
    return memories + _imported_items(module, CORE_MEMORY_KIND)


def defined_items(module: Reader, section: int) -> int:
    """Count what a core module defines in a section that begins with a number."""
    sections = _core_sections(module)
    return sum(body.u32() for number, body in sections if number == section)


def first_memory_pages(module: Reader) -> int:
    """Return the pages that the memory which a core module defines has at the start."""
    for number, body in _core_sections(module):
        if number == CORE_MEMORY_SECTION and body.u32():
            body.byte()  # flags: whether there is a maximum
            return body.u32()
    return 0


def imported_functions(module: Reader) -> int:
    """Count the functions that a core module imports; they come first in its index space."""
    return _imported_items(module, CORE_FUNCTION_KIND)


def exported_function(module: Reader, name: str) -> int | None:
    """Return the index in a core module of the function that it exports under a name."""
    for number, body in _core_sections(module):
        if number != CORE_EXPORT_SECTION:
            continue
        for _ in range(body.u32()):
            found, kind, index = body.name(), body.byte(), body.u32()
            if found == name and kind == CORE_FUNCTION_KIND:
                return index
    return None


def imported_items(module: Reader) -> list[tuple[str, str, int]]:
    """Return what a core module imports: module, name and kind of each."""
    return [
        _import_item(body)
        for number, body in _core_sections(module)
        if number == CORE_IMPORT_SECTION
        for _ in range(body.u32())
    ]


def table_functions(module: Reader) -> list[int]:
    """Return the functions that a core module puts into its first table, from place 0 on.

    Raises:
        Unreadable: it does so in another way, or puts more in than that.
    """
    found: list[int] = []
    for number, body in _core_sections(module):
        if number == CORE_ELEMENT_SECTION:
            start = [body.byte() for _ in range(5)]
            if start != [1, 0, 0x41, 0, 0x0B]:
                raise Unreadable("a table that is not filled from its beginning, once")
            found = [body.u32() for _ in range(body.u32())]
    return found


def _core_sections(module: Reader) -> Iterator[tuple[int, Reader]]:
    """Return the sections of a core module, whose reader stays where it is."""
    return Reader(*module.span()).sections()


def _imported_items(module: Reader, wanted: int) -> int:
    return sum(kind == wanted for _, _, kind in imported_items(module))


def _import_item(body: Reader) -> tuple[str, str, int]:
    module, name, kind = body.name(), body.name(), body.byte()
    if kind == 0:  # a function, by its type
        body.u32()
    elif kind == 1:  # a table: element type, then limits
        body.byte()
        _skip_limits(body)
    elif kind == 2:
        _skip_limits(body)
    elif kind == 3:  # a global: type and whether it is mutable
        body.byte()
        body.byte()
    else:
        raise Unreadable(f"an import of kind {kind} uses a feature that is off")
    return module, name, kind


def _skip_limits(body: Reader) -> None:
    flags = body.byte()
    if flags > 1:
        raise Unreadable("a memory or table uses a feature that is off")
    for _ in range(1 + flags):
        body.u32()
