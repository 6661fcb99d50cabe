"""Stacks and memories of many instances, side by side in a few large mappings.

The kernel counts a process's mappings, and Linux allows 65,530 of them by
default (`vm.max_map_count`). The engine takes three for each waiting instance:
a stack, the guard page below it, a memory. Packed, an instance takes none of
its own: slots of one size lie in chunks, and since Linux 6.13 a guard page can
be marked inside of a mapping (`MADV_GUARD_INSTALL`). Older kernels get the usual
guard page, which splits the mapping: two for each stack.

A slot that comes back is emptied with `MADV_DONTNEED`, which makes it read as
zeros and gives its pages back, and is kept: unmapping a piece of a mapping needs
a mapping more, and where there is none left the engine aborts the process.

The callbacks run on a guest's fibre and must give an answer; where none is
possible the process is ended. Signals do not reach them (`_process.signals`).
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import sys
import threading
from collections.abc import Callable
from struct import Struct
from typing import TypeVar

from wasmtime import Config

from . import bindings as wt

T = TypeVar("T")

_PAGE = mmap.PAGESIZE
_CHUNK_BYTES = 64 * 1024 * 1024
_MEMORY_CLASS = 64 * 1024  # the smallest slot of a memory; each further class is four times that
_PROT_NONE = 0
_MAP_STACK = 0x20000
_MAP_NORESERVE = 0x4000
_MADV_NOHUGEPAGE = 15
_MADV_GUARD_INSTALL = 102

_three_words = Struct("<QQQ").pack
_four_words = Struct("<QQQQ").pack
_word_at = ctypes.c_uint64.from_address

_FAILED = ctypes.c_void_p(-1).value
_libc = ctypes.CDLL(None, use_errno=True)


def is_possible() -> bool:
    """Return whether this platform can pack: Linux with 64-bit addresses."""
    return sys.platform == "linux" and sys.maxsize > 2**32


if is_possible():
    _P, _SIZE, _INT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    _mmap = wt.prototype("mmap", _P, _P, _SIZE, _INT, _INT, _INT, ctypes.c_long, library=_libc)
    _munmap = wt.prototype("munmap", _INT, _P, _SIZE, library=_libc)
    _madvise = wt.prototype("madvise", _INT, _P, _SIZE, _INT, library=_libc)
    _mprotect = wt.prototype("mprotect", _INT, _P, _SIZE, _INT, library=_libc)


def _refusal() -> OSError:
    """Return why the kernel has just said no."""
    code = ctypes.get_errno()
    return OSError(code, os.strerror(code))


def _map(size: int, flags: int = 0) -> int:
    """Map new address space that takes memory only where it is written to."""
    flags |= mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
    address = _mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
    if address == _FAILED:
        raise _refusal()
    return address


class Slots:
    """Pieces of address space of one size; each reads as zeros when it is taken.

    Args:
        size: bytes of each, a multiple of the page size.
        guarded: whether below each lies a page that no access passes.
    """

    def __init__(self, size: int, *, guarded: bool = False) -> None:
        self.size = size
        self._guard = _PAGE if guarded else 0
        self._free: list[int] = []
        self._chunks: list[tuple[int, int]] = []

    def take(self) -> int:
        """Return the address of a free slot.

        Raises:
            OSError: the kernel gives no more address space, or no more mappings.
        """
        while True:
            try:
                return self._free.pop()
            except IndexError:
                self._free.extend(self._new_chunk())

    def empty(self, address: int) -> bool:
        """Give a slot's memory back; it reads as zeros again. False if the kernel refuses."""
        return _madvise(address, self.size, mmap.MADV_DONTNEED) == 0

    def give_back(self, address: int) -> None:
        """Empty a slot and keep it for the next."""
        if self.empty(address):
            self._free.append(address)

    def unmap(self) -> None:
        """Give all address space back; nothing may use a slot from then on."""
        self._free.clear()
        chunks, self._chunks = self._chunks, []
        for address, size in chunks:
            _munmap(address, size)

    def _new_chunk(self) -> list[int]:
        stride = self.size + self._guard
        number = max(1, _CHUNK_BYTES // stride)
        # with MAP_STACK the kernel makes no huge page of it, which would be resident as a whole
        base = _map(number * stride, _MAP_STACK)
        self._chunks.append((base, number * stride))
        _madvise(base, number * stride, _MADV_NOHUGEPAGE)
        starts = range(base, base + number * stride, stride)
        if self._guard:
            for at in starts:
                _guard_page(at)
        return [at + self._guard for at in reversed(starts)]


def _guard_page(at: int) -> None:
    if _madvise(at, _PAGE, _MADV_GUARD_INSTALL) == 0:
        return
    if _mprotect(at, _PAGE, _PROT_NONE) != 0:  # a kernel before 6.13
        raise _refusal()


class Stack:
    """The stack of one store, which keeps it from its first call to its end."""

    __slots__ = ("_address", "slots")

    def __init__(self, slots: Slots) -> None:
        self.slots: Slots | None = slots
        self._address = slots.take()

    @property
    def address(self) -> int:
        """Its lower end."""
        return self._address

    def rest(self) -> None:
        """Give its memory back until the next call; only while none is in progress."""
        if self.slots is not None:
            self.slots.empty(self._address)

    def end(self) -> None:
        """Give its slot back, for another store."""
        slots, self.slots = self.slots, None
        if slots is not None:
            slots.give_back(self._address)


class _Expected(threading.local):
    """The owner of what the engine will ask for next on this thread."""

    is_waiting = False
    stack: Stack | None = None
    memories: list[Memory] | None = None


class Memory:
    """A packed memory; it may move, so that the engine knows it by a number.

    Attributes:
        address: where it lies now; 0 once it has ended.
        size: its bytes, as the engine has asked for them last; 0 once it has ended.
    """

    __slots__ = ("address", "packing", "size", "slots")

    def __init__(self, packing: Packing, slots: Slots, size: int) -> None:
        self.packing = packing
        self.slots = slots
        self.address = slots.take()
        self.size = size

    def rest(self) -> None:
        """Give all but its first page back, which reads as zeros then."""
        if self.size > _PAGE:
            _madvise(self.address + _PAGE, self.size - _PAGE, mmap.MADV_DONTNEED)

    def end(self) -> None:
        """Give its slot back, for another memory; from now on it has no bytes."""
        address, self.address, self.size = self.address, 0, 0
        self.slots.give_back(address)


class Packing:
    """The slots of one engine.

    Attributes:
        stacks: of its stacks, once there is one.
        creators: those of the engine's two that still use it.
    """

    def __init__(self) -> None:
        self.stacks: Slots | None = None
        self.creators = 0
        self._memories: dict[int, Slots] = {}

    def new_memory(self, size: int) -> Memory:
        """Return a memory of that many bytes, with room to grow in place."""
        return Memory(self, self._class_of(size), size)

    def grow(self, memory: Memory, size: int) -> None:
        """Make a memory larger; it moves when its slot is too small."""
        slots, address = memory.slots, memory.address
        if size > slots.size:
            larger = self._class_of(size)
            moved = larger.take()
            ctypes.memmove(moved, address, memory.size)
            memory.slots, memory.address = larger, moved
            slots.give_back(address)
        memory.size = size

    def _class_of(self, size: int) -> Slots:
        class_size = _MEMORY_CLASS
        while class_size < size:
            class_size *= 4
        found = self._memories.get(class_size)
        if found is None:
            found = self._memories[class_size] = Slots(class_size)
        return found

    def new_stacks(self, size: int) -> Slots:
        """Return the slots of the stacks; all are of one size."""
        if self.stacks is None:
            self.stacks = Slots(-(-size // _PAGE) * _PAGE, guarded=True)
        return self.stacks

    def unmap(self) -> None:
        """Give everything back; no instance may be left."""
        for slots in (self.stacks, *self._memories.values()):
            if slots is not None:
                slots.unmap()


_keys = itertools.count(1)
_packings: dict[int, Packing] = {}
_stacks: dict[int, Stack] = {}  # by address
_expected = _Expected()
_memories: dict[int, Memory] = {}


def first_stack(begin: Callable[[], T]) -> tuple[T, Stack | None]:
    """Call `begin`; return what it gives, and the first stack that the engine asked for on the way.

    A store gets its stack at its first poll, before any code of a guest runs.
    """
    outer = _expected.is_waiting, _expected.stack
    _expected.is_waiting, _expected.stack = True, None
    try:
        return begin(), _expected.stack
    finally:
        _expected.is_waiting, _expected.stack = outer


def note_memories(found: list[Memory] | None) -> list[Memory] | None:
    """Add to a list the memories that the engine asks for on this thread from now on.

    Returns:
        The list that was added to before, to be given back.
    """
    outer, _expected.memories = _expected.memories, found
    return outer


def _error(problem: BaseException) -> int:
    return wt.new_error(f"{type(problem).__name__}: {problem}")


def _new_stack(key: int, size: int, _zeroed: bool, out: int) -> int | None:
    try:
        stack = Stack(_packings[key].new_stacks(size))
        _stacks[stack.address] = stack
        if _expected.is_waiting:
            _expected.is_waiting, _expected.stack = False, stack
        ctypes.memmove(out, _three_words(stack.address, _GET_STACK, _END_STACK), 24)
    except BaseException as problem:
        return _error(problem)
    return None


def _get_stack(address: int, out: int) -> int:
    try:
        slots = _stacks[address].slots
        assert slots is not None
        size = slots.size
        _word_at(out).value = size
        return address + size
    except BaseException:
        os.abort()  # there is no way to say no, and a wrong address is worse


def _end_stack(address: int) -> None:
    _stacks.pop(address).end()


def _new_memory(
    key: int, _type: int, size: int, _most: int, reserved: int, guard: int, out: int
) -> int | None:
    try:
        if reserved or guard:  # the compiled code would rely on what is not there
            raise ValueError("packed memories have no reservation and no guard")
        packing, number = _packings[key], next(_keys)
        _memories[number] = memory = packing.new_memory(size)
        if _expected.memories is not None:
            _expected.memories.append(memory)
        ctypes.memmove(out, _four_words(number, _GET_MEMORY, _GROW_MEMORY, _END_MEMORY), 32)
    except BaseException as problem:
        return _error(problem)
    return None


def _get_memory(number: int, size_out: int, capacity_out: int) -> int:
    try:
        memory = _memories[number]
        _word_at(size_out).value = memory.size
        _word_at(capacity_out).value = memory.slots.size
        return memory.address
    except BaseException:
        os.abort()  # as above


def _grow_memory(number: int, size: int) -> int | None:
    try:
        memory = _memories[number]
        memory.packing.grow(memory, size)
    except BaseException as problem:
        return _error(problem)
    return None


def _end_memory(number: int) -> None:
    _memories.pop(number).end()


def _end_creator(key: int) -> None:
    packing = _packings[key]
    packing.creators -= 1
    if not packing.creators:
        del _packings[key]
        packing.unmap()


# Made once and never freed: C may call them until the process ends.
_CALLBACKS = [
    wt.NewStackCallback(_new_stack),
    wt.GetStackCallback(_get_stack),
    wt.FinalizerCallback(_end_stack),
    wt.NewMemoryCallback(_new_memory),
    wt.GetMemoryCallback(_get_memory),
    wt.GrowMemoryCallback(_grow_memory),
    wt.FinalizerCallback(_end_memory),
    wt.FinalizerCallback(_end_creator),
]
(
    _NEW_STACK,
    _GET_STACK,
    _END_STACK,
    _NEW_MEMORY,
    _GET_MEMORY,
    _GROW_MEMORY,
    _END_MEMORY,
    _END_CREATOR,
) = map(wt.callback_address, _CALLBACKS)


def pack(config: Config, *, stacks: bool, memories: bool) -> None:
    """Make the engine of that configuration pack what is asked for, where it is possible.

    Memories must have neither reservation nor guard, nor images (`memory_init_cow`).
    """
    if not is_possible() or not (stacks or memories):
        return
    key = next(_keys)
    packing = _packings[key] = Packing()
    if stacks:
        packing.creators += 1
        wt.set_stack_creator(config, _three_words(key, _NEW_STACK, _END_CREATOR))
    if memories:
        packing.creators += 1
        wt.set_memory_creator(config, _three_words(key, _NEW_MEMORY, _END_CREATOR))
