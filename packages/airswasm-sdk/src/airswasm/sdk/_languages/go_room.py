"""Add allocators to a core module that Go has made.

The host, and the adapter from WASI 0.1, put what they pass into memory that the component makes
room for. Go can do neither: its scheduler would call the host meanwhile, which the component model
forbids, and it assumes that no other code grows its memory. So the package `airswasm` of the
project reserves a room in Go's static data, which begins with a mark, and this module adds two
functions that hand it out: `cabi_realloc`, which begins again at the front when the room is full
(Go copies a call's values before the next), and `cabi_realloc_adapter`, which the adapter calls a
few times in all.

Rejected: the text form of the module, which has 52 MB where the module has 2.7.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .._code_ranges import read_number, sections

__all__ = ("NotOfGo", "add_allocators")

_MARK = b"airswasm room of Go: 8 MiB, 2 MiB"
_PAGE = 65536
_FOR_HOST, _FOR_ALL = 8 * 2**20, 10 * 2**20
_TYPE, _IMPORT, _FUNCTION, _GLOBAL, _EXPORT, _CODE, _DATA = 1, 2, 3, 6, 7, 10, 11
_I32 = 0x7F
_SIGNATURE = bytes([0x60, 4, _I32, _I32, _I32, _I32, 1, _I32])


class NotOfGo(ValueError):
    """A module lacks the room, or is none."""


@dataclass(frozen=True, slots=True)
class _Allocator:
    name: bytes
    first: int
    last: int
    begins_again: bool


def add_allocators(core: bytes) -> bytes:
    """Return the module with both functions, exported.

    Raises:
        NotOfGo: It is no module with the room of the package `airswasm`.
    """
    try:
        parts = list(_sections(core))
        bodies = {number: core[start:end] for number, start, end in parts if number}
        room = _address(bodies[_DATA])
        made = _made(room)
        imported = _imported(bodies[_IMPORT])
        functions, globals_ = _count(bodies[_FUNCTION]), _count(bodies.get(_GLOBAL, b"\0"))
    except (KeyError, IndexError) as error:
        raise NotOfGo("the module has no room of the package airswasm") from error
    kind = _count(bodies[_TYPE])
    added = {
        _TYPE: [_SIGNATURE],
        _FUNCTION: [_unsigned(kind)] * len(made),
        _GLOBAL: [bytes([_I32, 1, 0x41, *_signed(each.first), 0x0B]) for each in made],
        _EXPORT: [
            bytes([len(each.name), *each.name, 0, *_unsigned(imported + functions + at)])
            for at, each in enumerate(made)
        ],
        _CODE: [_body(each, globals_ + at) for at, each in enumerate(made)],
    }
    written = [core[:8]]
    for number, start, end in parts:
        body = core[start:end]
        if number in added:
            body = _longer(body, added[number])
        written += [bytes([number]), _unsigned(len(body)), body]
    return b"".join(written)


def _made(room: int) -> tuple[_Allocator, _Allocator]:
    first = -(-room // _PAGE) * _PAGE
    return (
        _Allocator(b"cabi_realloc", first, first + _FOR_HOST, begins_again=True),
        _Allocator(b"cabi_realloc_adapter", first + _FOR_HOST, room + _FOR_ALL, begins_again=False),
    )


def _body(allocator: _Allocator, own: int) -> bytes:
    """Assemble `(old, old_size, align, size) -> at`, with one local, `at`."""
    position = _unsigned(own)
    full = bytes([0x41, *_signed(allocator.first), 0x21, 4]) if allocator.begins_again else b"\0"
    code = bytes([
        1, 1, _I32,  # one local of i32
        0x23, *position, 0x20, 2, 0x41, 1, 0x6B, 0x6A,  # position + (align - 1)
        0x41, 0, 0x20, 2, 0x6B, 0x71, 0x21, 4,  # … & -align, to `at`
        0x20, 4, 0x20, 3, 0x6A, 0x41, *_signed(allocator.last), 0x4B,  # at + size > last
        0x04, 0x40, *full, 0x0B,  # if … end
        0x20, 4, 0x20, 3, 0x6A, 0x24, *position,  # position = at + size
        0x20, 4, 0x20, 0, 0x20, 1, 0xFC, 10, 0, 0,  # memory.copy(at, old, old_size)
        0x20, 4, 0x0B,
    ])  # fmt: skip
    return _unsigned(len(code)) + code


def _sections(core: bytes) -> Iterator[tuple[int, int, int]]:
    if core[:8] != b"\0asm\1\0\0\0":
        raise NotOfGo("it is no WebAssembly module")
    yield from sections(core, 0, len(core))


def _imported(body: bytes) -> int:
    """Count the imported functions; Go imports nothing else."""
    count, at = read_number(body, 0)
    for _ in range(count):
        for _ in range(2):
            size, at = read_number(body, at)
            at += size
        if body[at] != 0:
            raise NotOfGo("it imports more than functions, as no module of Go does")
        _, at = read_number(body, at + 1)
    return count


def _address(body: bytes) -> int:
    """Find where in memory the mark is put."""
    count, at = read_number(body, 0)
    for _ in range(count):
        if body[at : at + 2] != b"\0\x41":
            raise NotOfGo("its data has no fixed place, as that of Go has")
        start, at = read_number(body, at + 2)
        size, at = read_number(body, at + 1)
        found = body.find(_MARK, at, at + size)
        if found >= 0:
            return start + found - at
        at += size
    raise NotOfGo("the module has no room of the package airswasm")


def _count(body: bytes) -> int:
    return read_number(body, 0)[0]


def _longer(body: bytes, added: list[bytes]) -> bytes:
    count, at = read_number(body, 0)
    return _unsigned(count + len(added)) + body[at:] + b"".join(added)


def _unsigned(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def _signed(number: int) -> bytes:
    written = bytearray()
    while number > 0x3F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])
