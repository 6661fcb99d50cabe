"""Messages that a component has no room for: the sender's fault, by every way in.

A message beyond `message_bytes` is refused before delivery. One that is within it, and that the
guest's own allocator refuses all the same, reaches its sender as `MessageTooLarge` too; the guest
is replaced, and its supervisor counts nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import anyio
import pytest
from airswasm.actor import (
    ActorRef,
    ActorStopped,
    ActorSystem,
    Backoff,
    Callback,
    ChildSpec,
    ComponentActor,
    DeathReason,
    EventKind,
    MessageTooLarge,
    SupervisorGaveUp,
    SupervisorNode,
    SupervisorSpec,
)
from airswasm.actor.testing import EventRecorder, Probe
from airswasm.runtime import ArgumentsTooLarge, Engine, EngineConfig, Limits, LinkedComponent, Ok
from wasmtime import wat2wasm

pytestmark = pytest.mark.anyio

MEMORY = 1 << 20
FITS = (MEMORY - 65536) // 8
GROW = "(drop (memory.grow (i32.const 8)))"
GUEST = """
(component
  (core module $m
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536)))
        (then @REFUSAL@))
      (local.get $at))
    (func (export "done") (param i32) (global.set $free (i32.const 1024)))
    (func (export "handle") (param i32 i32 i32 i32 i32) (param $at i32) (param $length i32)
      (result i32)
      (i32.store (i32.const 16) (i32.const 0))
      (i32.store (i32.const 20) (i32.const 1))
      (i32.store (i32.const 24) (i32.const 32))
      (i32.store (i32.const 28) (i32.const 4))
      (i32.store (i32.const 32) (local.get $length))
      (i32.const 16))
    (func (export "called") (param i64 i32 i32 i32 i32)
      (global.set $free (i32.const 1024))))
  (core instance $i (instantiate $m))
  (type $handle (func (param "sender" string) (param "topic" (option string))
    (param "payload" (list u8)) (result (result (option (list u8)) (error string)))))
  (func $handle (type $handle) (canon lift (core func $i "handle")
    (memory (core memory $i "memory"))
    (realloc (core func $i "realloc")) (post-return (core func $i "done"))))
  (instance $handler (export "handle-message" (func $handle)))
  (export "airswasm:component/handler@0.1.0" (instance $handler))
  (type $called (func (param "request-id" u64)
    (param "outcome" (result (option (list u8)) (error u32)))))
  (func $called (type $called) (canon lift (core func $i "called")
    (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (instance $callbacks (export "handle-callback" (func $called)))
  (export "airswasm:component/callbacks@0.1.0" (instance $callbacks)))
"""
ALLOCATORS = {
    "aborts": "(if (i32.lt_s (memory.grow (i32.const 8)) (i32.const 0)) (then unreachable))",
    "gives-an-address-beyond": GROW,
    "gives-minus-one": (
        "(if (i32.lt_s (memory.grow (i32.const 8)) (i32.const 0)) (then (return (i32.const -1))))"
    ),
}
WAYS = ("tell", "send", "ask", "request", "broker.tell", "broker.ask", "broker.request", "publish")


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each guest is compiled once."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(params=[True, False], ids=["bridge", "bare"])
async def engine(request: pytest.FixtureRequest, cache_folder: Path) -> AsyncIterator[Engine]:
    config = EngineConfig(bridge_bytes=request.param, cache_folder=cache_folder)
    async with Engine(config) as engine:
        yield engine


async def guest(engine: Engine, refusal: str = "aborts") -> LinkedComponent:
    text = GUEST.replace("@REFUSAL@", ALLOCATORS[refusal])
    return (await engine.load(bytes(wat2wasm(text)), name="test/guest")).link()


async def start(
    system: ActorSystem, linked: LinkedComponent, limits: Limits, **spec: object
) -> tuple[SupervisorNode, ActorRef]:
    """A component whose supervisor allows no restart at all."""
    child = ChildSpec("guest", lambda: ComponentActor(linked, "guest", limits=limits), **spec)  # type: ignore[arg-type]
    sibling = ChildSpec("sibling", Probe)
    supervisor = SupervisorSpec("one_for_all", intensity=0, children=(child, sibling))
    node = SupervisorNode(system, supervisor)
    await node.start()
    ref = node.child("guest")
    assert isinstance(ref, ActorRef)
    return node, ref


async def put(system: ActorSystem, ref: ActorRef, way: str, payload: bytes) -> object:
    """Send by one of `WAYS`; return the answer, or what a publication returns."""
    outcome: list[object] = []
    ended = anyio.Event()

    def note(request: object) -> None:
        outcome.append(request)
        ended.set()

    match way:
        case "publish":
            return system.broker.publish("news", payload)
        case "request" | "broker.request":
            if way == "request":
                request = ref.request(payload, note, timeout=5)
            else:
                request = system.broker.request("guest", payload, note, timeout=5)
            await ended.wait()
            return request.result()
        case _:
            owner: object = system.broker if way.startswith("broker") else ref
            target = ("guest",) if way.startswith("broker") else ()
            sent = getattr(owner, way.removeprefix("broker."))(*target, payload)
            return await sent if isinstance(sent, Awaitable) else None


@pytest.mark.parametrize("way", WAYS)
async def test_the_limit_holds_for_every_way_in(
    system: ActorSystem, engine: Engine, way: str
) -> None:
    """To the byte: what is within arrives, what is beyond is refused before delivery."""
    limits = Limits(memory_bytes=MEMORY)
    node, ref = await start(system, await guest(engine), limits)
    assert ref.mailbox.message_bytes == FITS
    system.broker.subscribe("news", "guest")
    for size in (0, 1, FITS - 1, FITS):
        handled = ref.handled
        answer = await put(system, ref, way, bytes(size))
        assert await ref.drain(5)
        assert ref.handled == handled + 1
        if way not in ("tell", "send", "broker.tell", "publish"):
            assert answer == size.to_bytes(4, "little")
    for size in (FITS + 1, MEMORY, 2 * MEMORY, 20 * MEMORY):
        if way == "publish":
            assert await put(system, ref, way, bytes(size)) == 0
            continue
        with pytest.raises(MessageTooLarge, match=f"message_bytes is {FITS:,}") as caught:
            await put(system, ref, way, bytes(size))
        assert (caught.value.size_bytes, caught.value.limit) == (size, "message_bytes")
    assert ref.incarnation == 1
    assert not len(system.dead_letters)
    assert not node.restart_history


@pytest.mark.parametrize("way", WAYS)
async def test_one_call_carries_no_more_whatever_the_manifest_says(
    system: ActorSystem, engine: Engine, way: str
) -> None:
    """`message_bytes` beyond `host_call_bytes` is cut to it, and refused as too large."""
    limits = Limits(memory_bytes=16 * MEMORY, message_bytes=2 * MEMORY, host_call_bytes=MEMORY)
    _, ref = await start(system, await guest(engine, "gives-minus-one"), limits)
    most = ref.mailbox.message_bytes
    assert most is not None
    assert MEMORY - 8192 < most < MEMORY
    if way == "publish":
        system.broker.subscribe("news", "guest")
        assert await put(system, ref, way, bytes(most + 1)) == 0
    else:
        with pytest.raises(MessageTooLarge) as caught:
            await put(system, ref, way, bytes(most + 1))
        assert caught.value.limit == "message_bytes"
    assert ref.incarnation == 1


@pytest.mark.parametrize("is_callback", [False, True])
async def test_names_and_message_together_may_be_too_large(
    system: ActorSystem, engine: Engine, is_callback: bool
) -> None:
    """What one call does not carry never reaches the guest, and is its sender's error."""
    limits = Limits(memory_bytes=16 * MEMORY, host_call_bytes=MEMORY // 4, message_bytes=MEMORY)
    node, ref = await start(system, await guest(engine), limits)
    most = ref.mailbox.message_bytes
    assert most is not None
    if is_callback:
        ref.signal(Callback(7, Ok(bytes(MEMORY // 4 + 1))))
    else:
        with pytest.raises(MessageTooLarge) as caught:
            await ref.ask(bytes(most), sender="s" * 10_000)
        assert (caught.value.size_bytes, caught.value.limit) == (most, "host_call_bytes")
        assert caught.value.explanation.code == "E0603"
    assert await ref.ask(b"") == bytes(4)
    assert await ref.ask(bytes(most), sender="s" * 127) == most.to_bytes(4, "little")
    (letter,) = system.dead_letters
    assert isinstance(letter.cause, MessageTooLarge)
    assert ref.incarnation == 1
    assert not node.restart_history


@pytest.mark.parametrize("allocator", ALLOCATORS)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
async def test_twenty_in_a_row_that_the_allocator_refuses_are_no_crash(
    system: ActorSystem, engine: Engine, allocator: str, restart: str
) -> None:
    """Each sender gets `MessageTooLarge`; the guest is replaced, answers, and nothing counts."""
    limits = Limits(memory_bytes=MEMORY, message_bytes=4 * MEMORY)
    linked = await guest(engine, allocator)
    recorder = EventRecorder(system.events)
    node, ref = await start(system, linked, limits, restart=restart)
    for number in range(20):
        with pytest.raises(MessageTooLarge) as caught:
            await ref.ask(bytes(2 * MEMORY))
        assert (caught.value.size_bytes, caught.value.limit) == (2 * MEMORY, "memory_bytes")
        assert isinstance(caught.value.__cause__, ArgumentsTooLarge)
        assert await ref.ask(bytes(1000)) == (1000).to_bytes(4, "little")
        assert ref.incarnation == number + 2
    letters = list(system.dead_letters)
    assert {letter.reason for letter in letters} == {DeathReason.UNDELIVERED}
    assert all(isinstance(letter.cause, ArgumentsTooLarge) for letter in letters)
    assert system.dead_letters.by_reason[DeathReason.UNDELIVERED] == 20
    assert node.is_open
    assert not node.restart_history
    assert [child.failures for child in node.status()] == [0, 0]
    assert [child.incarnation for child in node.status()] == [21, 1]
    assert EventKind.FAILED not in {event.kind for event in recorder.events}


async def test_messages_that_wait_are_handled_by_the_next_incarnation(
    system: ActorSystem, engine: Engine
) -> None:
    """In their order, those between refused ones too; nothing is lost, and the books balance."""
    limits = Limits(memory_bytes=MEMORY, message_bytes=4 * MEMORY)
    _, ref = await start(system, await guest(engine), limits)
    ref.pause()
    answers: list[object] = []
    for size in (1, 2 * MEMORY, 2, 2 * MEMORY, 2 * MEMORY, 3):
        ref.request(bytes(size), lambda request: answers.append(request.error or request.value),
                    timeout=600)  # fmt: skip
    ref.resume()
    assert await ref.drain(600)
    assert [each for each in answers if isinstance(each, bytes)] == [
        size.to_bytes(4, "little") for size in (1, 2, 3)
    ]
    assert [type(each) for each in answers].count(MessageTooLarge) == 3
    assert ref.incarnation == 4


async def test_a_callback_that_the_allocator_refuses_is_no_crash(
    system: ActorSystem, engine: Engine
) -> None:
    """No caller waits for it, so it goes to the dead letters; the guest is replaced."""
    limits = Limits(memory_bytes=MEMORY, message_bytes=4 * MEMORY)
    node, ref = await start(system, await guest(engine), limits)
    ref.signal(Callback(7, Ok(bytes(2 * MEMORY))))
    assert await ref.ask(b"") == bytes(4)
    (letter,) = system.dead_letters
    assert letter.reason is DeathReason.UNDELIVERED
    assert not node.restart_history


async def test_a_replacement_that_does_not_start_counts(
    system: ActorSystem, engine: Engine
) -> None:
    """A guest that cannot come up again is at fault itself."""
    linked = await guest(engine)
    limits = Limits(memory_bytes=MEMORY, message_bytes=4 * MEMORY)
    made: list[ComponentActor] = []

    def make() -> ComponentActor:
        if made:
            raise RuntimeError("not again")
        made.append(ComponentActor(linked, "guest", limits=limits))
        return made[0]

    spec = SupervisorSpec(
        intensity=2, backoff=Backoff("immediate"), children=(ChildSpec("guest", make),)
    )
    node = SupervisorNode(system, spec)
    await node.start()
    ref = system.broker.resolve("guest")
    with pytest.raises(MessageTooLarge):
        await ref.ask(bytes(2 * MEMORY))
    with anyio.fail_after(30), pytest.raises(SupervisorGaveUp):
        await node.wait_stopped()
    assert len(node.restart_history) == 2


async def test_a_component_without_a_supervisor_ends(system: ActorSystem, engine: Engine) -> None:
    """Nothing can make another one; its sender still learns why."""
    limits = Limits(memory_bytes=MEMORY, message_bytes=4 * MEMORY)
    ref = system.spawn(ComponentActor(await guest(engine), "alone", limits=limits))
    await system.started(ref)
    with pytest.raises(MessageTooLarge):
        await ref.ask(bytes(2 * MEMORY))
    with pytest.raises(ActorStopped):
        ref.tell(b"")
