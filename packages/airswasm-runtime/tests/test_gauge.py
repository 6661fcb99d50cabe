"""The memory of a guest is known, and what asks for it does not show."""

from __future__ import annotations

from dataclasses import replace

import pytest
from airswasm.runtime import (
    Caller,
    Engine,
    EngineConfig,
    FuelExhausted,
    HostInterface,
    Limits,
    Trapped,
)
from airswasm.runtime import _instance as instances
from airswasm.runtime._wasmtime import slot_allocator

pytestmark = pytest.mark.anyio
PAGE = 65536
GROWING = """(module
  (memory (export "memory") 3)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "spin") (loop $again (br $again)))
  (func (export "trap") unreachable)
  (func (export "say") (param i32 i32))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))"""
GROWING_WIT = """package test:growing;
world growing {
  export grow: func(pages: u32) -> s32;
  export spin: func();
  export trap: func();
  export say: func(text: string);
}"""
LAYOUTS = {
    "few": EngineConfig(),
    "few, without bridge": EngineConfig(bridge_bytes=False),
    "many": EngineConfig.dense(),
    "many, large": replace(EngineConfig.dense(), small_component_bytes=0),
}


@pytest.fixture
def often(monkeypatch):
    """Asks after every call instead of ten times a second."""
    monkeypatch.setattr(instances, "_GAUGE_SECONDS", 0.0)


@pytest.fixture(params=LAYOUTS)
async def layout(request, cache_folder):
    async with Engine(replace(LAYOUTS[request.param], cache_folder=cache_folder)) as engine:
        yield engine


async def growing(engine, build, **limits):
    component = await engine.load(build(GROWING_WIT, GROWING))
    return await component.link().instantiate(
        caller=Caller("test/growing"), limits=Limits(**limits)
    )


async def test_memory_is_known_after_a_call_in_every_layout(layout, build, often):
    instance = await growing(layout, build)
    assert instance.memory_peak_bytes is None
    assert await instance.call("#grow", 0) == 3
    assert instance.memory_peak_bytes == 3 * PAGE
    fuel = instance.fuel_used
    assert await instance.call("#grow", 0) == 3
    assert instance.fuel_used == 2 * fuel  # asking is free for the guest
    assert await instance.call("#grow", 7) == 3
    assert instance.memory_peak_bytes == 10 * PAGE


ASKING_WIT = """package test:growing;
world growing {
  import look: func();
  export grow: func(pages: u32) -> s32;
}"""
ASKING = """(module
  (import "$root" "look" (func $look))
  (memory (export "memory") 3)
  (func (export "grow") (param i32) (result i32)
    (memory.grow (local.get 0)) (call $look))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))"""


@pytest.mark.parametrize("slice_fuel", [10_000, 1_000_000])
async def test_a_packed_memory_is_known_within_a_call(build, cache_folder, slice_fuel):
    """The engine asks us for more of it; elsewhere it is what it was after the last call."""
    seen = []

    def look(caller):
        seen.append(caller.instance.memory_bytes)

    for config in (EngineConfig.dense(), EngineConfig()):
        config = replace(config, cache_folder=cache_folder, slice_fuel=slice_fuel)
        async with Engine(config) as engine:
            component = await engine.load(build(ASKING_WIT, ASKING))
            linked = component.link([HostInterface("", {"look": look})])
            instance, other = [
                await linked.instantiate(caller=Caller("test/growing")) for _ in range(2)
            ]
            await instance.call("#grow", 5)
            await instance.call("#grow", 7)
            await other.call("#grow", 0)
            instance.close()
            assert instance.memory_bytes == instance.memory_peak_bytes
    is_packing = slot_allocator.is_possible()
    assert seen == [8 * PAGE, 15 * PAGE, 3 * PAGE, 0, 8 * PAGE, 0][0 if is_packing else 3 :]


async def test_it_is_not_asked_after_every_call(engine, build):
    instance = await growing(engine, build)
    await instance.call("#grow", 0)
    await instance.call("#grow", 7)
    assert instance.memory_peak_bytes == 3 * PAGE


@pytest.mark.parametrize(("path", "fault"), [("#trap", Trapped), ("#spin", FuelExhausted)])
async def test_a_fault_says_how_large_the_guest_was(engine, build, often, path, fault):
    instance = await growing(engine, build, fuel=10_000_000)
    await instance.call("#grow", 4)
    with pytest.raises(fault) as caught:
        await instance.call(path)
    assert caught.value.memory_peak_bytes == 7 * PAGE


async def test_what_asks_is_not_among_the_exports(layout, build):
    instance = await growing(layout, build)
    await instance.call("#grow", 0)
    component = await layout.load(build(GROWING_WIT, GROWING))
    assert tuple(sorted(component.paths)) == ("#grow", "#say", "#spin", "#trap")
    assert {name for name in dir(instance.exports) if not name.startswith("_")} == {
        "grow", "say", "spin", "trap",
    }  # fmt: skip


async def test_it_takes_nothing_of_the_guests_limits(engine, build):
    """One instance, one memory: as many as the guest has."""
    instance = await growing(engine, build, instances=1, memories=1)
    assert await instance.call("#grow", 1) == 3
    assert instance.memory_peak_bytes == 4 * PAGE


async def test_a_component_that_shows_no_memory_cannot_be_asked(engine, build):
    wit = "package test:tiny; world tiny { export one: func() -> u32; }"
    core = '(module (func (export "one") (result i32) i32.const 1))'
    component = await engine.load(build(wit, core))
    instance = await component.link().instantiate(caller=Caller("test/tiny"))
    assert await instance.call("#one") == 1
    assert instance.memory_peak_bytes is None


async def test_a_guest_with_an_export_of_that_name_keeps_it(engine, build):
    wit = "package test:same; world same { export airswasm-memory-pages: func() -> u32; }"
    core = """(module (memory (export "memory") 1)
      (func (export "airswasm-memory-pages") (result i32) i32.const 77))"""
    component = await engine.load(build(wit, core))
    instance = await component.link().instantiate(caller=Caller("test/same"))
    assert await instance.call("#airswasm-memory-pages") == 77
    assert instance.memory_peak_bytes is None
