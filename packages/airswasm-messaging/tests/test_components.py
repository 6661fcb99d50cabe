"""Real components that talk to each other and to Python actors through this block."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from airswasm.actor import ActorSystem, ComponentActor, Context, Message, NoRoute
from airswasm.messaging import (
    Delivery,
    DurableDelivery,
    MessagingLimits,
    Rate,
    SamePolicy,
    Schedule,
    TimerSettings,
    messaging_interface,
    timers_interface,
)
from airswasm.runtime import Engine, EngineConfig, Limits, LinkedComponent
from airswasm.storage import open_store
from wasmtime import wat2wasm

pytestmark = pytest.mark.anyio

GUEST = Path(__file__).parent / "guests" / "relay.wat"
TIMING = Path(__file__).parent / "guests" / "timing.wat"
CASES = (
    "denied", "unknown-target", "mailbox-full", "too-large", "rate-limited",
    "invalid", "timed-out", "cancelled", "cycle", "failed", "too-many-hops",
)  # fmt: skip


class Sink:
    """Keeps what it is sent, for a test to wait for."""

    def __init__(self) -> None:
        self.payloads: list[tuple[str, object]] = []
        self._arrived = anyio.Event()

    def receive(self, message: Message, context: Context) -> None:
        self.payloads.append((message.sender, message.payload))
        self._arrived.set()

    async def next(self) -> tuple[str, object]:
        with anyio.fail_after(30):
            while not self.payloads:
                await self._arrived.wait()
                self._arrived = anyio.Event()
        return self.payloads.pop(0)


WORDY = """
(component
  (core module $m
    (memory (export "memory") 18)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1114112))
    (func (export "handle") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
      (i32.store8 (i32.const 16) (i32.const 1))
      (i32.store (i32.const 20) (i32.const 64))
      (i32.store (i32.const 24) (i32.const 1048576))
      (i32.const 16)))
  (core instance $i (instantiate $m))
  (func $handle (param "sender" string) (param "topic" (option string))
    (param "payload" (list u8)) (result (result (option (list u8)) (error string)))
    (canon lift (core func $i "handle") (memory (core memory $i "memory"))
      (realloc (core func $i "realloc"))))
  (instance $handler (export "handle-message" (func $handle)))
  (export "airswasm:component/handler@0.1.0" (instance $handler)))
"""
"""Refuses every message, with a mebibyte of NULs."""

Hosting = Callable[..., AbstractAsyncContextManager[tuple[ActorSystem, Sink, LinkedComponent]]]


@pytest.fixture(scope="session")
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The guest is compiled once."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def hosting(cache_folder: Path) -> Hosting:
    """Runs a host with two relays, `local/a` and `local/b`, and a sink."""
    return lambda policy=None: host(cache_folder, policy)


@asynccontextmanager
async def host(
    cache_folder: Path, policy: SamePolicy | None
) -> AsyncIterator[tuple[ActorSystem, Sink, LinkedComponent]]:
    config = EngineConfig(cache_folder=cache_folder)
    async with Engine(config) as engine, ActorSystem() as system:
        component = await engine.load(bytes(wat2wasm(GUEST.read_text())), name="relay")
        linked = component.link([messaging_interface(system.broker, policy)])
        sink = Sink()
        system.spawn(sink, name="test/sink")
        for name in ("local/a", "local/b"):
            await system.started(system.spawn(ComponentActor(linked, name), name=name))
        yield system, sink, linked


def case_of(reply: object) -> str:
    assert isinstance(reply, bytes)
    assert len(reply) == 1
    return CASES[reply[0]]


async def test_a_component_calls_a_python_actor(hosting: Hosting) -> None:
    """The answer is the call's result; bytes stay, nothing stays nothing, values become CBOR."""
    async with hosting() as (system, _, _):
        answers: dict[str, object] = {
            "test/bytes": b"pong",
            "test/none": None,
            "test/value": {"n": 1},
        }
        for name, answer in answers.items():
            system.spawn(lambda message, context, answer=answer: answer, name=name)
        ask = system.broker.ask
        assert await ask("local/a", b"ctest/bytes") == b"pong"
        assert await ask("local/a", b"ctest/none") is None
        assert await ask("local/a", b"ctest/value") == bytes.fromhex("51a1616e01")


async def test_the_receiver_sees_who_sent(hosting: Hosting) -> None:
    """The sender is the component's own name, whatever it sends."""
    async with hosting() as (system, sink, _):
        assert await system.broker.ask("local/a", b"stest/sink") is None
        assert await sink.next() == ("local/a", b"ping")


async def test_components_call_each_other(hosting: Hosting) -> None:
    """`ping` is no order to the other relay, so its reply is empty; no call waits for ever."""
    async with hosting() as (system, _, _):
        assert await system.broker.ask("local/a", b"clocal/b") is None


async def test_a_ring_of_calls_is_refused(hosting: Hosting) -> None:
    """A component that calls itself would wait for ever; it is told so at once."""
    async with hosting() as (system, _, _):
        assert case_of(await system.broker.ask("local/a", b"clocal/a")) == "cycle"


async def test_what_goes_wrong_has_its_case(hosting: Hosting) -> None:
    """Unknown and malformed names, no answer in time, a target that fails."""
    async with hosting() as (system, _, _):

        async def never(message: Message, context: Context) -> None:
            await anyio.sleep_forever()

        def crash(message: Message, context: Context) -> None:
            raise ValueError("a secret of the target's")

        system.spawn(never, name="test/never", shutdown=0)
        system.spawn(crash, name="test/crash")
        ask = system.broker.ask
        for target, case in [
            ("test/absent", "unknown-target"),
            ("test/*", "invalid"),
            ("", "invalid"),
            ("test/never", "timed-out"),
            ("test/crash", "failed"),
        ]:
            assert case_of(await ask("local/a", b"c" + target.encode())) == case
        assert case_of(await ask("local/a", b"stest/absent")) == "unknown-target"
        assert case_of(await ask("local/a", b"pa..b")) == "invalid"
        assert case_of(await ask("local/a", b"ua*.b")) == "invalid"


@pytest.mark.parametrize("size", [0, 99, 100, 101, 5_000])
async def test_a_reply_that_the_asker_has_no_room_for_is_too_large(
    hosting: Hosting, size: int
) -> None:
    """By `call` and by callback, to the byte; the asker goes on, and so does the target."""
    async with hosting() as (system, sink, linked):
        limits = Limits(message_bytes=100)
        small = system.spawn(ComponentActor(linked, "local/c", limits=limits), name="local/c")
        await system.started(small)
        system.spawn(lambda message, context: bytes(size), name="test/big")
        reply = await system.broker.ask("local/c", b"ctest/big")
        await system.broker.ask("local/c", b"rtest/big")
        sender, told = await sink.next()
        assert sender == "local/c"
        if size <= 100:
            assert reply == told == bytes(size)
        else:
            assert case_of(reply) == case_of(told) == "too-large"
        assert small.is_alive


async def test_a_long_refusal_does_not_end_the_asker(hosting: Hosting) -> None:
    """The target's own words are cut: the asker is let down by them, and not killed."""
    async with hosting() as (system, sink, linked):
        wordy = await linked.component.engine.load(bytes(wat2wasm(WORDY)), name="wordy")
        system.spawn(ComponentActor(wordy.link(), "test/wordy"), name="test/wordy")
        asker = system.broker.resolve("local/a")
        assert case_of(await system.broker.ask("local/a", b"ctest/wordy")) == "failed"
        assert await system.broker.ask("local/a", b"rtest/wordy") is None
        _, told = await sink.next()
        assert case_of(told) == "failed"
        assert asker.incarnation == 1


@pytest.mark.parametrize("size", [1, 99, 100])
async def test_what_the_target_has_no_room_for_is_too_large(hosting: Hosting, size: int) -> None:
    """For `send`, `request` and `call`; a publication skips the subscriber and counts it out."""
    async with hosting() as (system, sink, linked):
        limits = Limits(message_bytes=size)
        for name in ("local/c", "local/d"):
            actor = ComponentActor(linked, name, limits=limits)
            await system.started(system.spawn(actor, name=name))
        ask = system.broker.ask
        for way in (b"s", b"r", b"c"):
            reply = await ask("local/a", way + b"local/c")  # the relay sends `ping`
            assert reply is None if size >= 4 else case_of(reply) == "too-large"
            if way == b"r" and size >= 4:
                await sink.next()
        system.broker.subscribe("news", "local/d")
        assert system.broker.publish("news", bytes(size)) == 1
        assert system.broker.publish("news", bytes(size + 1)) == 0
        assert system.books().is_balanced


async def test_a_request_is_called_back(hosting: Hosting) -> None:
    """The reply, or why there is none, arrives through `handle-callback`."""
    async with hosting() as (system, sink, _):
        system.spawn(lambda message, context: b"pong", name="test/bytes")
        assert await system.broker.ask("local/a", b"rtest/bytes") is None
        assert await sink.next() == ("local/a", b"pong")

        async def never(message: Message, context: Context) -> None:
            await anyio.sleep_forever()

        system.spawn(never, name="test/never", shutdown=0)
        assert await system.broker.ask("local/a", b"rtest/never") is None
        _, outcome = await sink.next()
        assert case_of(outcome) == "timed-out"
        assert case_of(await system.broker.ask("local/a", b"rtest/absent")) == "unknown-target"
        assert sink.payloads == []


async def test_a_ring_through_components_topics_and_python_dies(hosting: Hosting) -> None:
    """The sink tells a relay, which publishes; the other relay hears it, and tells the sink."""
    async with hosting() as (system, _, _):
        hops: list[int] = []

        def pass_on(message: Message, context: Context) -> None:
            hops.append(0 if message.envelope is None else message.envelope.hops)
            context.tell("local/a", b"pring")

        await system.broker.ask("local/b", b"uring")
        await system.stop(system.broker.resolve("test/sink"))
        system.spawn(pass_on, name="test/sink")
        system.broker.tell("local/a", b"pring")
        while not system.dispatcher.hop_deaths:
            await anyio.lowlevel.checkpoint()
        assert hops == [*range(2, 64, 3)]
        assert system.books().is_balanced


async def test_a_ring_of_requests_and_callbacks_dies(hosting: Hosting) -> None:
    """Each callback continues the chain of its request."""
    async with hosting() as (system, _, _):
        hops: list[int] = []

        def pass_on(message: Message, context: Context) -> None:
            hops.append(0 if message.envelope is None else message.envelope.hops)
            context.tell("local/a", b"rtest/echo")

        system.spawn(lambda message, context: b"yes", name="test/echo")
        await system.stop(system.broker.resolve("test/sink"))
        system.spawn(pass_on, name="test/sink")
        system.broker.tell("local/a", b"rtest/echo")
        while not system.dispatcher.hop_deaths:
            await anyio.lowlevel.checkpoint()
        assert hops == [*range(2, 65, 3)]


async def test_publications_reach_subscribers_until_they_end(hosting: Hosting) -> None:
    """Subscribe, publish, unsubscribe, between two components."""
    async with hosting() as (system, sink, _):
        ask = system.broker.ask
        assert await ask("local/b", b"ugreetings.*") is None
        assert await ask("local/a", b"pgreetings.world") is None
        assert await sink.next() == ("local/b", b"ping")
        assert await ask("local/b", b"dgreetings.*") is None
        assert await ask("local/a", b"pgreetings.world") is None
        assert system.broker.publish("greetings.world", b"") == 0


async def test_subscriptions_end_with_the_incarnation(hosting: Hosting) -> None:
    """Stopping a component ends what it subscribed to; its namesake starts without."""
    async with hosting() as (system, _, linked):
        assert await system.broker.ask("local/b", b"ugreetings.*") is None
        assert system.broker.publish("greetings.x", b"ping") == 1
        await system.stop(system.broker.resolve("local/b"))
        with pytest.raises(NoRoute):
            system.broker.resolve("local/b")
        await system.started(system.spawn(ComponentActor(linked, "local/b"), name="local/b"))
        assert system.broker.publish("greetings.x", b"ping") == 0


async def test_limits_hold(hosting: Hosting) -> None:
    """Rate, size and number of subscriptions; each has its case."""
    limits = MessagingLimits(payload_bytes=3, subscriptions=1)
    async with hosting(SamePolicy(limits, Rate(0.001, 2))) as (system, _, _):
        ask = system.broker.ask
        assert case_of(await ask("local/a", b"stest/sink")) == "too-large"
        assert await ask("local/a", b"ua.b") is None
        assert await ask("local/a", b"ua.b") is None
        assert case_of(await ask("local/a", b"ua.c")) == "rate-limited"
    async with hosting(SamePolicy(rate=Rate(0.001, 2))) as (system, _, _):
        ask = system.broker.ask
        assert [await ask("local/a", b"stest/sink") for _ in range(2)] == [None, None]
        assert case_of(await ask("local/a", b"stest/sink")) == "rate-limited"
        assert case_of(await ask("local/a", b"pa.b")) == "rate-limited"
        assert await ask("local/b", b"stest/sink") is None


async def test_a_component_waits_until_its_message_is_on_the_disk(
    hosting: Hosting, tmp_path: Path
) -> None:
    """Then `send` and `publish` are done; a full log refuses; another component gets it all."""
    async with hosting() as (system, sink, _), open_store(tmp_path / "store") as store:
        delivery = DurableDelivery(store, system)
        delivery.open()
        delivery.declare("test/durable", Delivery(messages=2))
        ask = system.broker.ask
        system.broker.subscribe("a.*", "test/durable")
        assert await ask("local/a", b"stest/durable") is None
        status = delivery.status("test/durable")
        assert status is not None
        assert status.messages == 1
        assert await ask("local/a", b"pa.b") is None
        assert case_of(await ask("local/a", b"stest/durable")) == "mailbox-full"
        delivery.declare("local/b", Delivery(attempts=1))
        assert await ask("local/a", b"clocal/b") is None
        assert await ask("local/a", b"slocal/b") is None
        await ask("local/b", b"stest/sink")
        assert await sink.next() == ("local/b", b"ping")
        assert delivery.counters.durable_accepted == 5
        delivery.close()


async def test_a_component_sets_timers(cache_folder: Path, tmp_path: Path) -> None:
    """Once and again, in memory and durable; they end with their incarnation, or do not."""
    config = EngineConfig(cache_folder=cache_folder)
    async with (
        open_store(tmp_path / "store") as store,
        Engine(config) as engine,
        ActorSystem() as system,
    ):
        schedule = Schedule(
            system, TimerSettings(shortest=0.001, most=3), space=store.namespace("timers")
        )
        component = await engine.load(bytes(wat2wasm(TIMING.read_text())), name="timing")
        linked = component.link([timers_interface(schedule, lambda: 1024)])
        ref = system.spawn(ComponentActor(linked, "local/t"), name="local/t")
        await system.started(ref)
        sink = Sink()
        system.spawn(sink, name="test/sink")
        ask = system.broker.ask
        assert await ask("local/t", b"l") == b"\0"
        assert await sink.next() == ("local/t", b"later")
        assert await ask("local/t", b"d") == b"\0"
        assert await sink.next() == ("local/t", b"later")
        assert await ask("local/t", b"e") == b"\0"
        for _ in range(3):
            assert await sink.next() == ("local/t", b"every")
        assert await ask("local/t", b"c") == b"\1"  # the last one was there
        assert await ask("local/t", b"c") == b"\0"
        assert schedule.of("local/t") == ()
        for _ in range(3):
            await ask("local/t", b"f")  # far away
        assert await ask("local/t", b"f") == b"\1"  # refused: too many
        assert [each.is_durable for each in schedule.of("local/t")] == [False] * 3
        await system.stop(ref)
        assert schedule.of("local/t") == ()
        schedule.close()
