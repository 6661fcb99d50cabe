"""Dropping a guest's resource: its destructor is a call, with the limits of one."""

from __future__ import annotations

import anyio
import pytest
import wasmtime
from airswasm.runtime import (
    Caller,
    DeadlineExceeded,
    FuelExhausted,
    GuestResource,
    HostInterface,
    InstanceBusy,
    InstanceClosed,
    Limits,
    ResourceDropped,
    Trapped,
    ValueMismatch,
)

pytestmark = pytest.mark.anyio
THINGS = "test:droppy/things#"
COUNTS, TRAPS, SPINS, WAITS = range(4)
ROOM = Limits(resources=4)


class Door:
    """A host function that waits until it is opened."""

    def __init__(self) -> None:
        self.reached = anyio.Event()
        self.opened = anyio.Event()

    async def wait(self, _caller: Caller, _ms: int) -> int:
        self.reached.set()
        await self.opened.wait()
        return 100


@pytest.fixture
async def door() -> Door:
    return Door()


@pytest.fixture
async def linked(engine, droppy_wasm, door):
    component = await engine.load(droppy_wasm, name="droppy")
    return component.link([HostInterface("test:droppy/host", {"wait": door.wait})])


@pytest.fixture
async def instance(linked):
    return await linked.instantiate(caller=Caller("test/droppy"))


async def _thing(instance, kind: int) -> GuestResource:
    made = await instance.call(f"{THINGS}[constructor]thing", kind)
    assert isinstance(made, GuestResource)
    return made


async def test_dropping_runs_the_destructor_once(instance):
    """After that the resource is gone, for its methods and for another drop."""
    thing = await _thing(instance, COUNTS)
    assert thing.is_held
    await thing.drop()
    assert not thing.is_held
    assert await instance.call(f"{THINGS}dropped") == 1
    with pytest.raises(ResourceDropped, match="thing was dropped"):
        await thing.drop()
    with pytest.raises(ValueMismatch, match="thing that is gone"):
        await instance.call(f"{THINGS}[method]thing.name", thing)
    assert await instance.call(f"{THINGS}dropped") == 1


async def test_a_block_drops_at_its_end(instance):
    """Also when an error leaves the block, and not what was given back in it."""
    async with await _thing(instance, COUNTS) as thing:
        assert await instance.call(f"{THINGS}[method]thing.name", thing) == b"thing"
    assert await instance.call(f"{THINGS}dropped") == 1
    with pytest.raises(LookupError):
        async with await _thing(instance, COUNTS):
            raise LookupError
    assert await instance.call(f"{THINGS}dropped") == 2
    async with await _thing(instance, COUNTS) as given:
        assert await instance.call(f"{THINGS}join", given, 7) == 7
    assert await instance.call(f"{THINGS}dropped") == 3
    with pytest.raises(ResourceDropped):
        async with given:
            raise AssertionError


async def test_a_destructor_that_traps_ends_the_instance(instance):
    """As any call; the fault names what was called and where."""
    thing = await _thing(instance, TRAPS)
    with pytest.raises(Trapped) as caught:
        await thing.drop()
    assert caught.value.function == f"{THINGS}[resource-drop]thing"
    assert "dtor" in caught.value.backtrace[0].function
    assert instance.is_closed
    assert not thing.is_held


async def test_a_destructor_that_spins_meets_the_limits(linked):
    """Fuel, or wall-clock time; the event loop goes on meanwhile."""
    tight = await linked.instantiate(caller=Caller("x"), limits=Limits(fuel=1_000_000))
    with pytest.raises(FuelExhausted):
        await (await _thing(tight, SPINS)).drop()
    slow = await linked.instantiate(caller=Caller("x"), limits=Limits(fuel=2**62, timeout=1.0))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while not slow.is_closed:
            await anyio.sleep(0.005)
            turns += 1

    async with anyio.create_task_group() as group:
        group.start_soon(count)
        with pytest.raises(DeadlineExceeded):
            await (await _thing(slow, SPINS)).drop()
    assert turns > 5


async def test_a_destructor_may_wait_in_the_host(instance, door):
    """It runs on a fibre: other work goes on, and another call is refused until it ends."""
    thing = await _thing(instance, WAITS)
    async with anyio.create_task_group() as group:
        group.start_soon(thing.drop)
        await door.reached.wait()
        with pytest.raises(InstanceBusy):
            await instance.call(f"{THINGS}dropped")
        door.opened.set()
    assert await instance.call(f"{THINGS}dropped") == 101


async def test_a_resource_is_kept_while_its_instance_is_busy(instance, door):
    """A drop that is refused changes nothing."""
    thing, slow = await _thing(instance, COUNTS), await _thing(instance, WAITS)
    async with anyio.create_task_group() as group:
        group.start_soon(slow.drop)
        await door.reached.wait()
        with pytest.raises(InstanceBusy):
            await thing.drop()
        door.opened.set()
    assert thing.is_held
    await thing.drop()


async def test_cancelling_a_drop_ends_the_instance(instance):
    """A destructor that was begun cannot be taken back."""
    thing = await _thing(instance, SPINS)
    with anyio.move_on_after(0.05):
        await thing.drop()
    assert instance.is_closed


async def test_dropping_after_the_instance_is_fine(instance, linked):
    """What a closed instance held is gone with it: there is nothing left to do."""
    thing, other = await _thing(instance, TRAPS), await _thing(instance, TRAPS)
    instance.close()
    await thing.drop()
    assert not thing.is_held
    async with other:
        pass
    with pytest.raises(InstanceClosed):
        await instance.call(f"{THINGS}dropped")
    left = await _thing(await linked.instantiate(caller=Caller("x")), COUNTS)
    await left.drop()  # nothing holds its instance


async def test_arguments_that_do_not_fit_give_nothing_away(instance):
    """The call did not begin, so the resource is still the host's."""
    one, two = await _thing(instance, COUNTS), await _thing(instance, COUNTS)
    with pytest.raises(ValueMismatch):
        await instance.call(f"{THINGS}join", one, -1)
    with pytest.raises(ValueMismatch):
        await instance.call(f"{THINGS}both", two, "no thing")
    with pytest.raises(ValueMismatch):  # one thing cannot be given twice
        await instance.call(f"{THINGS}both", one, one)
    assert one.is_held
    assert two.is_held
    assert await instance.call(f"{THINGS}both", one, two) == 2


async def test_a_guest_that_drops_by_the_thousand(linked):
    """Handles are numbered anew: neither side grows."""
    instance = await linked.instantiate(caller=Caller("x"), limits=ROOM)
    for _ in range(3000):
        async with await _thing(instance, COUNTS):
            pass
    assert await instance.call(f"{THINGS}dropped") == 3000


CORE = """(core module $core
    (import "" "new" (func $new (param i32) (result i32)))
    (global $dropped (mut i32) (i32.const 0))
    (func (export "drop") (param i32)
      (global.set $dropped (i32.add (global.get $dropped) (local.get 0))))
    (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
    (func (export "sum") (result i32) (global.get $dropped)))
  (core module $table
    (table (export "t") 1 funcref)
    (type $drop (func (param i32)))
    (func (export "drop") (param i32) (call_indirect (type $drop) (local.get 0) (i32.const 0))))
  (core module $fill
    (import "" "t" (table 1 funcref)) (import "" "f" (func $f (param i32)))
    (elem (i32.const 0) $f))
  (core instance $t (instantiate $table))
  (type $r' (resource (rep i32) (dtor (core func $t "drop"))))
  (core func $new (canon resource.new $r'))
  (core instance $i (instantiate $core (with "" (instance (export "new" (func $new))))))
  (core instance (instantiate $fill (with "" (instance
    (export "t" (table $t "t")) (export "f" (func $i "drop"))))))"""
SHAPES = {
    "put together from what there is": f"""(component {CORE}
  (func $make (param "by" u32) (result (own $r')) (canon lift (core func $i "make")))
  (func $sum (result u32) (canon lift (core func $i "sum")))
  (instance $all (export "r" (type $r')) (export "sum" (func $sum)))
  (export $e "test:shapes/all" (instance $all))
  (alias export $e "r" (type $r))
  (func $make2 (param "by" u32) (result (own $r)) (canon lift (core func $i "make")))
  (export "make" (func $make2)))""",
    "defined in a component inside": f"""(component
  (component $inner {CORE}
    (export $r "r" (type $r'))
    (func (export "make") (param "by" u32) (result (own $r)) (canon lift (core func $i "make")))
    (func (export "sum") (result u32) (canon lift (core func $i "sum"))))
  (instance $all (instantiate $inner))
  (export "test:shapes/all" (instance $all)))""",
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_other_shapes_of_components(engine, shape):
    """Tools nest components; wherever the resource is defined, it can be dropped."""
    component = await engine.load(bytes(wasmtime.wat2wasm(SHAPES[shape])))
    instance = await component.link().instantiate(caller=Caller("x"), limits=Limits(instances=10))
    make = next(path for path in component.paths if path.endswith("make"))
    for number in (3, 4):
        thing = await instance.call(make, number)
        assert isinstance(thing, GuestResource)
        await thing.drop()
    assert await instance.call("test:shapes/all#sum") == 7
    assert not any("airswasm" in path for path in component.paths)
