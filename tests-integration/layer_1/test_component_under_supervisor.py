"""Layer 1 as a whole: `wit` checks a component, `runtime` runs it, `actor` supervises it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from airswasm.actor import (
    ActorFailed,
    ActorRef,
    ActorSystem,
    Backoff,
    ChildSpec,
    ComponentActor,
    NoRoute,
    SupervisorGaveUp,
    SupervisorNode,
    SupervisorSpec,
)
from airswasm.actor.testing import Probe
from airswasm.runtime import Engine, EngineConfig, LinkedComponent, Trapped
from airswasm.wit import check_component
from wasmtime import wat2wasm

NAME = "local/counter"
INTENSITY = 2

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def wasm() -> bytes:
    return bytes(wat2wasm((Path(__file__).parent / "counter.wat").read_text()))


@pytest.fixture
async def linked(
    anyio_backend: str, wasm: bytes, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LinkedComponent]:
    async with Engine(EngineConfig(cache_folder=tmp_path_factory.mktemp("cache"))) as engine:
        yield (await engine.load(wasm, name="counter")).link([])


@pytest.fixture
async def system(anyio_backend: str) -> AsyncIterator[ActorSystem]:
    async with ActorSystem() as system:
        yield system


async def supervise(system: ActorSystem, linked: LinkedComponent) -> SupervisorNode:
    child = ChildSpec(NAME, lambda: ComponentActor(linked, NAME))
    spec = SupervisorSpec(
        children=(child,), intensity=INTENSITY, period=60, backoff=Backoff("immediate")
    )
    node = SupervisorNode(system, spec)
    await node.start()
    return node


async def crash(system: ActorSystem) -> None:
    with pytest.raises(ActorFailed) as caught:
        await system.broker.ask(NAME, b"trap", timeout=30)
    assert isinstance(caught.value.cause, Trapped)


def test_the_contract_admits_the_component(wasm: bytes) -> None:
    """A component that exports the handler and imports nothing needs no offer of the host."""
    report = check_component(wasm, offered=())
    assert report.is_satisfied, report.problems


async def test_a_crashed_component_is_replaced(
    system: ActorSystem, linked: LinkedComponent
) -> None:
    """A trap ends one incarnation: the next has fresh memory and takes what waited."""
    await supervise(system, linked)
    ask = system.broker.ask
    assert [await ask(NAME, b"hello", timeout=30) for _ in range(3)] == [b"\x01", b"\x02", b"\x03"]
    await crash(system)
    assert await ask(NAME, b"hello", timeout=30) == b"\x01"
    (letter,) = system.dead_letters
    assert letter.message.payload == b"trap"
    assert letter.fuel_used is not None


async def test_too_many_crashes_end_the_supervisor(
    system: ActorSystem, linked: LinkedComponent
) -> None:
    """One crash more than the intensity allows, and the name is gone; the system goes on."""
    node = await supervise(system, linked)
    bystander = Probe(answer="here")
    system.spawn(bystander, name="local/bystander")
    for _ in range(INTENSITY + 1):
        await crash(system)
    with pytest.raises(SupervisorGaveUp):
        await node.wait_stopped()
    with pytest.raises(NoRoute):
        system.broker.tell(NAME, b"hello")
    assert await system.broker.ask("local/bystander", 1, timeout=30) == "here"


async def test_a_published_message_reaches_the_component(
    system: ActorSystem, linked: LinkedComponent
) -> None:
    """The broker delivers a topic to a component as it does to a Python actor."""
    node = await supervise(system, linked)
    ref = node.child(NAME)
    assert isinstance(ref, ActorRef)
    system.broker.subscribe("news.*", NAME)
    assert system.broker.publish("news.today", b"x") == 1
    assert await ref.drain(30)
    assert await system.broker.ask(NAME, b"hello", timeout=30) == b"\x02"
