"""Bytes that cross by copies: whatever a guest does, the copies stay within its own bridge."""

from __future__ import annotations

import ctypes
import os
import random
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio.lowlevel
import pytest
import wasmtime
from airswasm.runtime import (
    Caller,
    CallState,
    Engine,
    EngineConfig,
    GuestFault,
    HostInterface,
    Instance,
    InstanceClosed,
    Limits,
    LinkedComponent,
    Pending,
    Trapped,
    ValueMismatch,
)
from airswasm.runtime._calls.staging import (
    SIDES,
    STAGED,
    OutsideMemory,
    Staging,
    StagingFinder,
)
from airswasm.runtime._compose.bridging import Side
from airswasm.runtime._compose.text_bridge import STAGED_LEAST_BYTES
from airswasm.runtime._wasmtime.slot_allocator import Memory, Packing, is_possible
from hypothesis import given
from hypothesis import strategies as st

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not is_possible(), reason="memories are packed on Linux only"),
]
GUESTS = Path(__file__).with_name("guests")
PAGE = 65536
LIMITS = Limits(memory_bytes=8 * 2**20, host_call_bytes=4 * 2**20, timeout=60.0, fuel=10**10)
HEAP = 64


WORLD = """package test:borders;
world borders {
  import nested: func(data: list<u8>) -> list<u8>;
  import forged: func() -> list<u8>;
  export forge: func();
  export misbehave: func(mode: u32);
  export give: func(at: u32, length: u32) -> list<u8>;
  export pass: func(at: u32, length: u32) -> list<u8>;
  export echo: func(data: list<u8>) -> list<u8>;
}"""


@pytest.fixture(scope="module", params=["written", "built"])
def borders(
    request: pytest.FixtureRequest,
    build: Callable[[str, str], bytes],
    one_module: Callable[..., str],
) -> bytes:
    """Its imports are bridged before it; or, as those of components that tools made, within."""
    text = (GUESTS / "borders.wat").read_text()
    if request.param == "written":
        return bytes(wasmtime.wat2wasm(text))
    text = text.replace("    (start $begin)\n", "")
    exports = {name: name for name in ("give", "pass", "echo")}
    return build(WORLD, one_module(text, {"": "$root"}, exports, "after"))


@pytest.fixture
def dense(cache_folder: Path) -> EngineConfig:
    return EngineConfig.dense(cache_folder)


def offered(nested: Callable[[bytes], object] = bytes, forged: bytes = b"") -> list[HostInterface]:
    functions = {"nested": lambda _caller, data: nested(data), "forged": lambda _caller: forged}
    return [HostInterface("", functions)]


async def started(linked: LinkedComponent, limits: Limits = LIMITS) -> Instance:
    return await linked.instantiate(caller=Caller("test/borders"), limits=limits)


def stagings(instance: Instance) -> list[Staging]:
    return [each for each in instance._handles.stagings if each is not None and each.find()]


def memory(packing: Packing, pages: int = 1, nonce: bytes = b"n" * 16) -> Memory:
    made = packing.new_memory(pages * PAGE)
    header = struct.pack("<16sIII", nonce, 0, 0, HEAP)
    ctypes.memmove(made.address, header, len(header))
    return made


def staging_of(made: Memory) -> Staging:
    """As a bridge of which the code has run."""
    staging = Staging(StagingFinder((b"n" * 16).hex()), [made], has_begun=True)
    assert staging.find() is made
    return staging


def named(at: int, size: int) -> bytes:
    return STAGED + struct.pack("<II", at, size).hex().encode()


@given(at=st.integers(0, 2**32 - 1), size=st.integers(0, 2**32 - 1))
def test_only_what_lies_in_the_memory_is_copied_out(at: int, size: int) -> None:
    """No pair of numbers reaches beyond the end, and none wraps around."""
    packing = Packing()
    made = memory(packing)
    at, size = min(at, 2 * PAGE) if size % 2 else at, size % (PAGE + 2) if at % 2 else size
    if at + size <= PAGE:
        assert staging_of(made).take(named(at, size)) == ctypes.string_at(made.address + at, size)
    else:
        with pytest.raises(OutsideMemory):
            staging_of(made).take(named(at, size))
    packing.unmap()


@given(sizes=st.lists(st.integers(0, PAGE + 20), max_size=8), used=st.integers(0, 2**32 - 1))
def test_nothing_is_copied_in_beyond_the_end(sizes: list[int], used: int) -> None:
    """What does not fit crosses as text; whatever the memory says is in use already."""
    packing = Packing()
    made, neighbour = memory(packing), memory(packing)
    before = ctypes.string_at(neighbour.address, PAGE)
    staging = staging_of(made)
    struct.pack_into("<I", (ctypes.c_char * 32).from_address(made.address), 20, used % (2 * PAGE))
    for number, size in enumerate(sizes):
        data = bytes([number + 1]) * size
        text = staging.put(data)
        if text is not None:
            assert staging.take(text) == data
            assert staging.size_of(text) == size
    assert ctypes.string_at(neighbour.address, PAGE) == before
    packing.unmap()


def test_a_memory_that_has_moved_is_found_where_it_is() -> None:
    """Its old slot is the next one's at once, and is not written to."""
    packing = Packing()
    moving = memory(packing)
    staging, old = staging_of(moving), moving.address
    text = staging.put(b"before")
    packing.grow(moving, 3 * PAGE)
    successor = packing.new_memory(PAGE)
    assert successor.address == old != moving.address
    assert staging.take(text) == b"before"
    assert staging.put(b"x" * 2 * PAGE) is not None
    assert ctypes.string_at(old, PAGE) == bytes(PAGE)
    packing.unmap()


def test_a_memory_that_has_ended_has_no_bytes() -> None:
    """Neither way, also once another has its slot; and nothing reads address 0."""
    packing = Packing()
    ended = memory(packing)
    staging, old = staging_of(ended), ended.address
    text = staging.put(b"secret")
    ended.end()
    successor = memory(packing)
    assert successor.address == old
    with pytest.raises(OutsideMemory):
        staging.take(text)
    assert staging.put(b"x") is None
    staging.forget()
    staging.rest()
    assert ctypes.string_at(old + 16, 8) == bytes(8)
    packing.unmap()


def test_two_memories_with_the_nonce_are_none() -> None:
    """Bytes cross as text, for this instance and each to come."""
    packing, nonce = Packing(), b"m" * 16
    finder = StagingFinder(nonce.hex())
    others = [packing.new_memory(0), *(memory(packing, 2) for _ in range(2))]
    assert finder.find(others) is None
    assert not finder.is_forged, "it may not have begun"
    assert finder.find([*others, *(memory(packing, 1, nonce) for _ in range(2))]) is None
    assert finder.is_forged
    assert finder.find([memory(packing, 1, nonce)]) is None
    packing.unmap()


def test_only_the_same_place_is_looked_at_again() -> None:
    """Memories are made in one order; another one with the nonce is not taken for ours."""
    packing, nonce = Packing(), b"m" * 16
    finder = StagingFinder(nonce.hex())
    ours = memory(packing, 1, nonce)
    assert finder.find([memory(packing), ours]) is ours
    assert finder.find([memory(packing, 1, nonce), memory(packing)]) is None
    assert finder.find([memory(packing, 1, nonce)]) is None
    assert finder.find([]) is None
    assert finder.find([memory(packing, 1, nonce), ours]) is ours
    packing.unmap()


def test_a_memory_is_looked_for_once_its_bridge_has_begun() -> None:
    """Before, the only one with the nonce would be a forged one."""
    packing = Packing()
    forged = memory(packing)
    staging = Staging(StagingFinder((b"n" * 16).hex()), [forged], has_begun=False)
    assert staging.put(b"x") is None
    with pytest.raises(OutsideMemory):
        staging.take(named(0, 16))
    staging.begin()
    assert staging.put(b"x") is not None
    packing.unmap()


async def test_a_guest_that_forges_the_nonce_has_its_bytes_cross_as_text(borders, dense) -> None:
    """The host gave it away here; still nothing but the guest's own way is lost."""
    async with Engine(dense) as engine:
        for function in ("#echo", "#pass"):
            component = await engine.load(borders)
            nonces = component._bridging.nonces
            side = Side(
                next(each for each in nonces if (each == "inside") == (function == "#echo"))
            )
            nonce = bytes.fromhex(nonces[side])
            linked = component.link(offered(forged=nonce))
            data = os.urandom(100_000)
            for number in range(2):
                instance = await started(linked)
                await instance.call("#forge")
                for _ in range(3):
                    if function == "#echo":
                        assert await instance.call("#echo", data) == data
                    else:
                        assert await instance.call("#pass", PAGE, 60_000)
                assert instance._handles.stagings[SIDES.index(side)]._memory is None
                assert component.bytes_cross == "text"
                assert engine.instances_by_text == number + (function == "#pass")
                instance.close()


PLACES = [0, 1, 700, 2 * PAGE - 512, 2 * PAGE - 1, 2 * PAGE, 2 * PAGE + 1, 2**31, 2**32 - 512]
SIZES = [0, 1, 511, 512, 513, 2 * PAGE, 2**29, 2**31 - 1, 2**32 - 1]


async def outcome(instance: Instance, function: str, *arguments: object) -> object:
    try:
        return await instance.call(function, *arguments)
    except GuestFault as fault:
        assert instance.is_closed
        return type(fault)


async def each_way(wasm: bytes, config: EngineConfig, calls, **host) -> list[list[object]]:
    """The outcomes of calls, each in an instance of its own: as values, as text, by copies."""
    ways = []
    plain = EngineConfig(cache_folder=config.cache_folder)
    for each in (replace(plain, bridge_bytes=False), plain, config):
        async with Engine(each) as engine:
            linked = (await engine.load(wasm)).link(offered(**host))
            outcomes: list[object] = []
            for steps in calls:
                instance = await started(linked)
                for _ in range(1 + each.bridge_bytes):  # then bytes are copied, where they can be
                    await instance.call("#echo", b"s" * 55_000)
                    await instance.call("#pass", PAGE + 1_000, 2_000)
                outcomes.append(
                    [await outcome(instance, *s) for s in steps if not instance.is_closed]
                )
                instance.close()
            assert linked.component.bytes_cross == ("values", "text", "copies")[len(ways)]
            ways.append(outcomes)
    return ways


@pytest.mark.parametrize("function", ["#give", "#pass"])
async def test_pointers_at_every_border_end_the_same_way(borders, dense, function: str) -> None:
    """A list anywhere: its bytes, or a trap; never what lies outside of the guest's memory."""
    calls = [[(function, at, size)] for at in PLACES for size in SIZES]
    values, text, copies = await each_way(borders, dense, calls)
    assert copies == text == values
    for [(_, at, size)], [found] in zip(calls, copies, strict=True):
        assert isinstance(found, bytes) == (at + size <= 2 * PAGE), (at, size)
        assert not isinstance(found, bytes) or len(found) == size


@pytest.mark.parametrize("mode", range(9))
async def test_a_guest_may_do_as_it_likes_between_the_steps(borders, dense, mode: int) -> None:
    """It grows, frees, lies or traps in `realloc`, post-return or a nested call."""
    data = os.urandom(50_000)
    steps = [("#misbehave", mode), *[("#echo", data[at:]) for at in (0, 100, 49_700)]]
    _, text, copies = await each_way(
        borders, dense, [[*steps, ("#pass", 65536, 600)]], nested=bytes
    )
    assert copies == text
    if mode in (0, 1, 5):
        assert copies[0][1:4] == [data, data[100:], data[49_700:]]


async def test_a_call_that_does_not_begin_takes_no_room(borders, dense) -> None:
    """Arguments were copied in when another did not fit; the next call finds all of it."""
    async with Engine(dense) as engine:
        wasm = (GUESTS / "bytes.wat").read_text()
        component = await engine.load(bytes(wasmtime.wat2wasm(wasm)))
        functions = {name: lambda *_: None for name in ("swap", "plain", "many")}
        host = [HostInterface("test:bytes/host@1.0.0", functions)]
        linked = component.link([*host, HostInterface("", {"hashed": lambda _caller, data: data})])
        instance = await started(linked)
        data = os.urandom(40_000)
        assert await instance.call("#hashed", data) == data
        before = instance.fuel_used
        assert await instance.call("#hashed", data) == data
        each = instance.fuel_used - before
        for _ in range(100):
            with pytest.raises(ValueMismatch):
                await instance.call("#many", data, 5, (1, b"", 2))
        before = instance.fuel_used
        assert await instance.call("#hashed", data) == data
        assert instance.fuel_used - before == each


async def test_a_cancel_between_the_steps_leaves_nothing(borders, dense) -> None:
    """Before the first poll, and while a host function works: the memory goes to the next one."""
    waiting: list[object] = []

    def nested(data: bytes) -> object:
        waiting.append(data)
        return Pending()

    async with Engine(dense) as engine:
        linked = (await engine.load(borders)).link(offered(nested))
        for polls in (0, 1):
            for _ in range(20):
                instance = await started(linked)
                for _ in range(2):
                    assert await instance.call("#echo", b"s" * 2_000) == b"s" * 2_000
                kept = stagings(instance)
                assert kept
                await instance.call("#misbehave", 8)
                call = instance.start(
                    instance.function("#echo"), (b"s" * 30_000,), lambda _call: None
                )
                if polls:
                    assert call.poll() is CallState.WAITING
                call.cancel()
                with pytest.raises(InstanceClosed):
                    call.result()
                assert {each._memory.size for each in kept} == {0}
                assert {each._memory.address for each in kept} == {0}
        assert set(waiting) == {b"the middle of the memory of this guest".ljust(700, b"\0")}
        fresh = await started(linked)
        assert await fresh.call("#give", 300, 600) == bytes(600)


async def test_on_worker_threads_and_with_waits_it_is_the_same(borders, dense) -> None:
    """Every slice may run on another thread; host functions answer at once, later, or in a task."""

    async def later(data: bytes) -> bytes:
        await anyio.lowlevel.checkpoint()
        return data[::-1]

    config = replace(dense, slice_fuel=2_000, slices_before_thread=0)
    async with Engine(config) as engine:
        for nested in (lambda data: data[::-1], later):
            linked = (await engine.load(borders)).link(offered(nested))
            instance = await started(linked)
            wanted = b"the middle of the memory of this guest".ljust(40_000, b"\0")[::-1]
            for _ in range(4):
                assert await instance.call("#pass", PAGE, 40_000) == wanted
                assert await instance.call("#echo", wanted) == wanted
            instance.close()


async def test_neighbours_never_see_each_others_bytes(borders, dense) -> None:
    """Calls, growth, rests, faults and ends in any order, of many instances side by side."""
    choose = random.Random(22)
    async with Engine(dense) as engine:
        linked = (await engine.load(borders)).link(offered())
        living = [await started(linked) for _ in range(12)]
        for turn in range(250):
            at = choose.randrange(len(living))
            deed, data = choose.random(), bytes([turn % 251]) * choose.randrange(1, 100_000)
            if deed < 0.7:
                assert await living[at].call("#echo", data) == data
            elif deed < 0.8:
                await living[at].call("#misbehave", choose.choice((0, 1, 5)))
            elif deed < 0.9:
                await engine.rest_idle()
            else:
                if deed < 0.95:
                    with pytest.raises(Trapped):
                        await living[at].call("#give", 2**31, 600)
                living[at].close()
                living[at] = await started(linked)


async def test_at_rest_the_pages_are_given_back(borders, dense, resident_pages) -> None:
    """All but the first of each bridge; and the next call has its room again."""
    async with Engine(dense) as engine:
        instance = await started((await engine.load(borders)).link(offered()))
        data = os.urandom(500_000)
        for _ in range(2):
            assert await instance.call("#echo", data) == data
        inside = instance._handles.stagings[SIDES.index(Side.INSIDE)]._memory
        assert resident_pages(inside.address, inside.size) > 100
        await engine.rest_idle()
        assert await engine.rest_idle() == 1
        assert resident_pages(inside.address, inside.size) == 1
        assert await instance.call("#echo", data) == data


async def test_elsewhere_bytes_cross_as_text(borders, dense) -> None:
    """Large components share their first contents, and engines for few reserve address space."""
    for config in (replace(dense, small_component_bytes=0), EngineConfig(), dense):
        async with Engine(replace(config, cache_folder=dense.cache_folder)) as engine:
            component = await engine.load(borders)
            instance = await started(component.link(offered()))
            assert await instance.call("#echo", b"x" * 5_000) == b"x" * 5_000
            assert component.bytes_cross == ("copies" if config is dense else "text")
            assert bool(stagings(instance)) == (config is dense)
            assert engine.instances_by_text == 0, "none was looked for in vain"


async def test_a_byte_costs_one_unit_of_fuel_each_way(borders, dense) -> None:
    """Once there is room for it; before, it crosses as text and costs as text does."""
    async with Engine(dense) as engine:
        instance = await started((await engine.load(borders)).link(offered()))
        costs = {}
        for size in (STAGED_LEAST_BYTES, 10_000, 50_000, 400_000):
            for _ in range(3):
                before = instance.fuel_used
                await instance.call("#echo", bytes(range(256)) * (size // 256))
            costs[size // 256 * 512] = instance.fuel_used - before
        overheads = {cost - moved for moved, cost in costs.items()}
        assert max(overheads) - min(overheads) < 100
        assert max(overheads) < 2_000
