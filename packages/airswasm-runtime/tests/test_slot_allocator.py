"""Packed stacks and memories: nothing crosses from one guest to another, and mappings stay few."""

from __future__ import annotations

import ctypes
import itertools
import mmap
import random
from dataclasses import replace
from pathlib import Path

import pytest
from airswasm.runtime import (
    Call,
    Caller,
    CallState,
    Engine,
    EngineConfig,
    HostExhausted,
    HostInterface,
    Limits,
    Pending,
    Trapped,
)
from airswasm.runtime._process.mappings import MappingGuard, mappings_of_process
from airswasm.runtime._wasmtime.slot_allocator import Packing, Slots, Stack, is_possible

resource = pytest.importorskip("resource")
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not is_possible(), reason="packing is for 64-bit Linux"),
]
PAGE = 65536
PAGE_BYTES = mmap.PAGESIZE
# `peek` gives the byte at an address, `poke` stores one, `grow` says how many pages there are.
NOTEPAD = """(module
  (memory (export "memory") 1)
  (data (i32.const 100) "first contents")
  (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "poke") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"""
NOTEPAD_WIT = """package test:notepad;
world notepad {
  export peek: func(at: u32) -> u32;
  export poke: func(at: u32, value: u32);
  export grow: func(pages: u32) -> s32;
}"""


@pytest.fixture
async def engine(cache_folder: Path):
    async with Engine(EngineConfig.dense(cache_folder)) as engine:
        yield engine


@pytest.fixture
async def notepads(engine, build):
    return (await engine.load(build(NOTEPAD_WIT, NOTEPAD))).link()


def parking(host: HostInterface, waiting: list[Pending]) -> HostInterface:
    """The probe's host, whose `wait` ends when the test says so."""

    def wait(_caller: Caller, _ms: int) -> Pending:
        waiting.append(Pending())
        return waiting[-1]

    return HostInterface(host.name, {**host.functions, "wait": wait})


async def test_two_thousand_waiting_guests_take_few_mappings(engine, probe_wasm, probe_host):
    """One instance more takes no mapping more, as long as the kernel marks guard pages."""
    waiting: list[Pending] = []
    linked = (await engine.load(probe_wasm)).link([parking(probe_host, waiting)])
    before, _ = mappings_of_process()
    calls: list[Call] = []
    for _ in range(2000):
        instance = await linked.instantiate(caller=Caller("x"), limits=Limits(timeout=600))
        call = instance.start(instance.function("#nap"), (1,), lambda call: None)
        assert call.poll() is CallState.WAITING
        calls.append(call)
    after, _ = mappings_of_process()
    assert after - before < (200 if _kernel() >= (6, 13) else 4400)
    for number, pending in enumerate(waiting):
        pending.resolve(number)
    assert [call.poll() for call in calls] == [CallState.DONE] * 2000
    assert [call.result() for call in calls] == list(range(2000))


def _kernel() -> tuple[int, ...]:
    release = Path("/proc/sys/kernel/osrelease").read_text()
    return tuple(int(part) for part in release.split("-")[0].split(".")[:2])


async def test_each_instance_begins_with_its_first_contents_and_zeros(notepads):
    """A memory that another guest wrote all over is as new for the next one."""
    for _ in range(3):
        instance = await notepads.instantiate(caller=Caller("x"))
        text = bytes([await instance.call("#peek", 100 + i) for i in range(14)])
        assert text == b"first contents"
        assert [await instance.call("#peek", at) for at in (0, 99, 114, 65535)] == [0] * 4
        for at in (0, 99, 100, 65535):
            await instance.call("#poke", at, 255)
        instance.close()


async def test_a_memory_keeps_its_contents_when_it_moves(notepads):
    """Growing past its slot copies it; what is new reads as zero, what lies beyond traps."""
    instance = await notepads.instantiate(caller=Caller("x"), limits=Limits(memory_bytes=40 * PAGE))
    pages = 1
    await instance.call("#poke", 7, 77)
    for more in (1, 1, 2, 8, 20):
        assert await instance.call("#grow", more) == pages
        pages += more
        last = pages * PAGE - 1
        assert await instance.call("#peek", last) == 0
        assert await instance.call("#peek", 7) == 77
        await instance.call("#poke", last, more)
        assert await instance.call("#peek", last) == more
    assert await instance.call("#grow", 10) == -1  # over the limit
    with pytest.raises(Exception, match="out of bounds"):
        await instance.call("#peek", pages * PAGE)


async def test_instances_come_and_go_in_any_order(notepads):
    """Each keeps what it wrote while its neighbours are closed, made and grown."""
    order = random.Random(5)
    living: dict[int, object] = {}
    for number in range(400):
        instance = await notepads.instantiate(caller=Caller("x"))
        await instance.call("#poke", 5000, number % 251)
        if order.random() < 0.3:
            await instance.call("#grow", order.randrange(1, 8))
        living[number] = instance
        if order.random() < 0.6:
            number, gone = living.popitem() if order.random() < 0.5 else _any(living, order)
            assert await gone.call("#peek", 5000) == number % 251
            gone.close()
    for number, instance in living.items():
        assert await instance.call("#peek", 5000) == number % 251


def _any(living, order):
    number = order.choice(list(living))
    return number, living.pop(number)


def test_a_slot_is_empty_again() -> None:
    """What was written to a slot is gone when it is taken again."""
    slots = Slots(PAGE)
    address = slots.take()
    ctypes.memset(address, 7, PAGE)
    slots.give_back(address)
    assert slots.take() == address
    assert ctypes.string_at(address, PAGE) == bytes(PAGE)
    slots.unmap()


def test_memories_of_all_sizes_have_room() -> None:
    """A slot is at least as large as its memory, and no two overlap."""
    packing = Packing()
    sizes = [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 100 * PAGE, 2000 * PAGE]
    memories = [packing.new_memory(size) for size in sizes for _ in range(3)]
    spans = sorted((each.address, each.address + each.slots.size) for each in memories)
    assert all(each.slots.size >= each.size for each in memories)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    packing.unmap()


LAYOUTS = {
    "few guests": EngineConfig(),
    "small components": EngineConfig.dense(),
    "large components": replace(EngineConfig.dense(), small_component_bytes=0),
}


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_memory_that_grows_page_by_page_is_not_copied_each_time(
    layout, build, cache_folder
):
    """Growing to 16 MiB by pages touches it a few times at most, not 128 times over."""
    config = replace(LAYOUTS[layout], cache_folder=cache_folder)
    async with Engine(config) as engine:
        linked = (await engine.load(build(NOTEPAD_WIT, NOTEPAD))).link()
        limits = Limits(memory_bytes=32 * 2**20)
        instance = await linked.instantiate(caller=Caller("test/notepad"), limits=limits)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for page in range(1, 256):
            assert await instance.call("#grow", 1) == page
            await instance.call("#poke", page * PAGE, page % 251)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        pages = [await instance.call("#peek", page * PAGE) for page in range(1, 256)]
        assert pages == [page % 251 for page in range(1, 256)]
        assert await instance.call("#peek", 100) == ord("f")
    # each copy would touch all there is: 500,000 pages of 4 KiB in all
    assert faults < 60_000


@pytest.mark.parametrize(("most", "packed"), [(0, False), (2**20, True)])
async def test_only_small_components_get_packed_memories(most, packed, build, cache_folder):
    """A large one shares its first contents, which packed memories cannot."""
    config = replace(EngineConfig.dense(cache_folder), small_component_bytes=most)
    async with Engine(config) as engine:
        linked = (await engine.load(build(NOTEPAD_WIT, NOTEPAD))).link()
        instances = [await linked.instantiate(caller=Caller("test/notepad")) for _ in range(3)]
        before = mappings_of_process()[0]
        instances += [await linked.instantiate(caller=Caller("test/notepad")) for _ in range(200)]
        each = (mappings_of_process()[0] - before) / 200
        assert (each < 0.5) == packed
        for number, instance in enumerate(instances):
            await instance.call("#poke", 200, number)
        assert [await each.call("#peek", 200) for each in instances] == list(range(203))
        assert {await each.call("#peek", 100) for each in instances} == {ord("f")}


def test_packed_memories_need_no_reservation() -> None:
    """The compiled code would otherwise rely on address space that is not there."""
    with pytest.raises(ValueError, match="memory_reservation_bytes=0"):
        EngineConfig(pack_memories=True)


def test_instances_are_refused_before_the_mappings_run_out() -> None:
    """The error names the kernel's limit; counting is rare while there is room."""
    counts = iter([(1_000, 64_000), (40_000, 64_000), (61_950, 64_000)])
    seen: list[tuple[int, int]] = []

    def count() -> tuple[int, int]:
        seen.append(next(counts))
        return seen[-1]

    guard = MappingGuard(count)
    room = r"61,950 memory mappings.*vm.max_map_count.*64,000.*sysctl -w vm.max_map_count"
    for _ in range(400):  # of 610 that fit by the first count, and 220 by the second
        guard.take(100, "a/b")
    with pytest.raises(HostExhausted, match=room):
        _take_until_refused(guard)
    assert len(seen) == 3
    with pytest.raises(HostExhausted, match=room):
        guard.take(100, "a/b")
    assert len(seen) == 3  # not counted again at once


def _take_until_refused(guard: MappingGuard) -> None:
    for _ in range(1000):
        guard.take(100, "a/b")


def test_without_such_a_limit_nothing_is_refused() -> None:
    """Where the kernel names no limit, one look is enough."""
    looks: list[int] = []
    guard = MappingGuard(lambda: looks.append(1))
    for _ in range(1000):
        guard.take(10**6, "a/b")
    assert len(looks) == 1


def test_the_processes_mappings_are_counted() -> None:
    """The count is that of the kernel's own list."""
    number, limit = mappings_of_process()
    assert abs(number - len(Path("/proc/self/maps").read_text().splitlines())) < 20
    assert number < limit


async def test_the_stacks_of_idle_instances_give_their_memory_back(
    engine, probe_wasm, probe_host, resident_pages
):
    """At the second look since the last call; and the next call finds all it needs."""
    linked = (await engine.load(probe_wasm)).link([probe_host])
    idle, busy = [await linked.instantiate(caller=Caller(name)) for name in ("idle", "busy")]
    stack = idle._stack
    size = engine.config.async_stack_bytes

    async def rested() -> int:
        assert await busy.call("#add", 1, 2) == 3
        return await engine.rest_idle()

    for _ in range(3):
        assert await idle.call("#add", 1, 2) == 3
        assert await rested() == 0
        assert resident_pages(stack.address, size) > 0
        assert await rested() == 1
        assert resident_pages(stack.address, size) == 0
        assert await rested() == 0, "it rests already"
    idle.close()
    busy.close()
    assert await engine.rest_idle() == 0
    assert engine._resting == {}


async def test_a_waiting_call_keeps_its_stack(engine, probe_wasm, probe_host):
    """It is in the middle of something, however long it takes."""
    waiting: list[Pending] = []
    linked = (await engine.load(probe_wasm)).link([parking(probe_host, waiting)])
    instance = await linked.instantiate(caller=Caller("x"))
    call = instance.start(instance.function("#nap"), (7,), lambda _call: None)
    assert call.poll() is CallState.WAITING
    for _ in range(4):
        assert await engine.rest_idle() == 0
    waiting[0].resolve(7)
    assert call.poll() is CallState.DONE
    assert call.result() == 7


def test_a_stack_that_has_ended_leaves_its_successor_alone() -> None:
    """The same slot, another owner."""
    slots = Slots(PAGE_BYTES, guarded=True)
    first = Stack(slots)
    first.end()
    second = Stack(slots)
    assert second.address == first.address
    ctypes.memset(second.address, 7, PAGE_BYTES)
    first.rest()
    first.end()
    assert ctypes.string_at(second.address, PAGE_BYTES) == b"\7" * PAGE_BYTES
    assert Stack(slots).address != second.address
    second.rest()
    assert ctypes.string_at(second.address, PAGE_BYTES) == bytes(PAGE_BYTES)
    slots.unmap()


async def test_instances_rest_whatever_happens_between(engine, probe_wasm, probe_host):
    """Calls, rests, traps and ends in any order: every call gives its own answer."""
    linked = (await engine.load(probe_wasm)).link([probe_host])
    choose = random.Random(5)
    living = [await linked.instantiate(caller=Caller("x")) for _ in range(20)]
    for turn in range(600):
        at = choose.randrange(len(living))
        deed = choose.random()
        if deed < 0.6:
            assert await living[at].call("#relay", bytes([turn % 251])) == bytes([turn % 251])
        elif deed < 0.85:
            await engine.rest_idle()
        else:
            if deed < 0.93:
                with pytest.raises(Trapped):
                    await living[at].call("#trap")
            living[at].close()
            living[at] = await linked.instantiate(caller=Caller("x"))
