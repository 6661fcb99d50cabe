"""Where in a component the code of its named functions is."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ("code_ranges", "read_number", "sections")

_CORE, _COMPONENT = b"\0asm\1\0\0\0", b"\0asm\x0d\0\1\0"
_CUSTOM, _CORE_MODULE, _IMPORT, _CODE = 0, 1, 2, 10
_NAMES_OF_FUNCTIONS = 1


def code_ranges(wasm: bytes) -> dict[str, tuple[int, int]]:
    """Return the first offset of each named function's body, and the one behind its last.

    Names that several functions have are left out. Of bytes that cannot be read, nothing is
    returned.
    """
    found: dict[str, tuple[int, int]] = {}
    twice: set[str] = set()
    try:
        for start, end in _modules(wasm):
            for name, body in _functions(wasm, start, end):
                if name in found:
                    twice.add(name)
                found[name] = body
    except (IndexError, ValueError):
        return {}
    return {name: body for name, body in found.items() if name not in twice}


def _modules(wasm: bytes) -> Iterator[tuple[int, int]]:
    if wasm.startswith(_CORE):
        yield 0, len(wasm)
    elif wasm.startswith(_COMPONENT):
        for number, start, end in sections(wasm, 0, len(wasm)):
            if number == _CORE_MODULE:
                yield start, end


def _functions(wasm: bytes, begin: int, finish: int) -> Iterator[tuple[str, tuple[int, int]]]:
    imported, bodies, names = 0, list[tuple[int, int]](), dict[int, str]()
    for number, start, end in sections(wasm, begin, finish):
        if number == _IMPORT:
            imported = _imported_functions(wasm, start)
        elif number == _CODE:
            count, at = read_number(wasm, start)
            for _ in range(count):
                size, at = read_number(wasm, at)
                bodies.append((at, at + size))
                at += size
        elif number == _CUSTOM:
            names.update(_names(wasm, start, end))
    for index, name in names.items():
        if 0 <= index - imported < len(bodies):
            yield name, bodies[index - imported]


def _names(wasm: bytes, start: int, end: int) -> Iterator[tuple[int, str]]:
    size, at = read_number(wasm, start)
    if wasm[at : at + size] != b"name":
        return
    at += size
    while at < end:
        kind = wasm[at]
        length, at = read_number(wasm, at + 1)
        if kind == _NAMES_OF_FUNCTIONS:
            count, inner = read_number(wasm, at)
            for _ in range(count):
                index, inner = read_number(wasm, inner)
                size, inner = read_number(wasm, inner)
                yield index, wasm[inner : inner + size].decode("utf-8", "replace")
                inner += size
        at += length


def _imported_functions(wasm: bytes, at: int) -> int:
    """Count the functions among the imports; the other kinds have sizes of their own."""
    found = 0
    count, at = read_number(wasm, at)
    for _ in range(count):
        for _ in range(2):
            size, at = read_number(wasm, at)
            at += size
        kind = wasm[at]
        at += 1
        if kind == 0:
            found += 1
            _, at = read_number(wasm, at)
        elif kind in (1, 2):  # a table has a type before its limits
            at += kind == 1
            has_most = wasm[at] & 1
            _, at = read_number(wasm, at + 1)
            if has_most:
                _, at = read_number(wasm, at)
        elif kind == 3:
            at += 2
        else:
            raise ValueError(f"an import of kind {kind}")
    return found


def sections(wasm: bytes, begin: int, finish: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number of each section of a module or component, and where its content is."""
    at = begin + 8
    while at < finish:
        number = wasm[at]
        size, at = read_number(wasm, at + 1)
        yield number, at, at + size
        at += size


def read_number(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned LEB128, and return it with the offset behind it."""
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return number, at
