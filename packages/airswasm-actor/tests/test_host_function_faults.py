"""A fault of an async host function is its caller's fault: the guest's, and no other's.

The engine's task group is shared by all guests, so a cancellation that leaks into it ends them all.
"""

from __future__ import annotations

import pytest
from airswasm.actor import ActorFailed, ActorRef, ActorSystem, ComponentActor
from airswasm.runtime import Caller, Engine, HostFunctionFailed, HostInterface, LinkedComponent
from wasmtime import wat2wasm

from .conftest import MOODY, guest_wat
from .test_cancellation import LEFT_OPEN, Body
from .test_component import GATE
from .test_faults import (
    FAULTS,
    Inner,
    cancelled_by_others,
    cancels_itself,
    cancels_itself_and_fails,
    cancels_itself_and_waits,
    on_asyncio,
    raising,
    stray_cancellation,
)

pytestmark = pytest.mark.anyio


async def link(engine: Engine, body: Inner) -> LinkedComponent:
    async def wait(_caller: object) -> None:
        await body()

    component = await engine.load(bytes(wat2wasm(guest_wat(MOODY, waits=True))), name="moody")
    return component.link([HostInterface(GATE, {"wait": wait})])


async def ask_both_ways(system: ActorSystem, linked: LinkedComponent) -> None:
    """As an actor, whose host function runs in the engine's task, and called in our own."""
    bad = system.spawn(ComponentActor(linked, "test/bad"))
    await system.started(bad)
    with pytest.raises(ActorFailed) as raised:
        await bad.ask(b"wait")
    assert isinstance(raised.value.cause, HostFunctionFailed)
    instance = await linked.instantiate(caller=Caller("test/bad"))
    handle = instance.function("airswasm:component/handler@0.1.0#handle-message")
    with pytest.raises(HostFunctionFailed):
        await instance.call(handle, "host", None, b"wait")


async def neighbour_of(system: ActorSystem, linked: LinkedComponent) -> ActorRef:
    ref = system.spawn(ComponentActor(linked, "test/good"))
    await system.started(ref)
    return ref


@pytest.mark.parametrize("kind", sorted(FAULTS))
async def test_an_error_is_the_guest_s(system: ActorSystem, engine: Engine, kind: str) -> None:
    """Whatever it is, the guest fails with HostFunctionFailed and the others go on."""
    fault = raising(await stray_cancellation()) if kind == "cancelled" else FAULTS[kind]

    async def body() -> object:
        return fault()

    linked = await link(engine, body)
    good = await neighbour_of(system, linked)
    await ask_both_ways(system, linked)
    assert await good.ask(b"hello") == b"hello"


@pytest.mark.parametrize(
    "inner", [cancelled_by_others, cancels_itself_and_waits, cancels_itself_and_fails]
)
async def test_a_cancellation_is_the_guest_s(
    system: ActorSystem, engine: Engine, inner: Inner
) -> None:
    """Unless a scope has asked for it, or the one who cancels the caller's own task."""
    on_asyncio()
    linked = await link(engine, inner)
    good = await neighbour_of(system, linked)
    bad = system.spawn(ComponentActor(linked, "test/bad"))
    await system.started(bad)
    with pytest.raises(ActorFailed) as raised:
        await bad.ask(b"wait")
    assert isinstance(raised.value.cause, HostFunctionFailed)
    assert await good.ask(b"hello") == b"hello"


async def test_a_function_that_cancels_its_task_and_returns_has_returned(
    system: ActorSystem, engine: Engine
) -> None:
    """The task is the engine's: the request is dropped with it."""
    on_asyncio()
    linked = await link(engine, cancels_itself)
    good = await neighbour_of(system, linked)
    assert await good.ask(b"wait") == b"wait"
    assert await good.ask(b"hello") == b"hello"


@pytest.mark.parametrize("body", LEFT_OPEN)
async def test_a_scope_left_open_is_the_guest_s(
    system: ActorSystem, engine: Engine, body: Body
) -> None:
    """The engine's task group, and the caller's task, are as they were."""
    linked = await link(engine, body)
    good = await neighbour_of(system, linked)
    await ask_both_ways(system, linked)
    assert await good.ask(b"hello") == b"hello"
