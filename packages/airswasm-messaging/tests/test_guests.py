"""The host functions themselves: limits, codecs, deadlines, and what a cancel leaves behind."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from airswasm.actor import ActorSystem, Context, MailboxSpec, Message, MessageBroker
from airswasm.messaging import (
    BLOCK,
    MESSAGING_INTERFACE,
    Acceptance,
    MessagingLimits,
    MessagingPolicy,
    Rate,
    SamePolicy,
    encode,
    messaging_interface,
    provide,
)
from airswasm.runtime import Caller, Case, Err, HostFunction, Ok, Pending, Services
from airswasm.security import Grants, Guard, Kinds
from airswasm.wit import contract

pytestmark = pytest.mark.anyio


async def never(message: Message, context: Context) -> None:
    await anyio.sleep_forever()


@asynccontextmanager
async def offered(
    policy: MessagingPolicy | None = None, clock: Callable[[], float] | None = None
) -> AsyncIterator[tuple[ActorSystem, dict[str, HostFunction]]]:
    async with ActorSystem() as system:
        options = {} if clock is None else {"clock": clock}
        yield system, dict(messaging_interface(system.broker, policy, **options).functions)


def case_of(outcome: object) -> str:
    match outcome:
        case Err(Case(name)):
            return name
    pytest.fail(f"no refusal: {outcome}")


async def outcome_of(pending: object) -> object:
    assert isinstance(pending, Pending)
    outcomes: list[object] = []
    arrived = anyio.Event()

    def listen() -> None:
        outcomes.append(pending._value)
        arrived.set()

    pending._listen(listen)
    with anyio.fail_after(30):
        await arrived.wait()
    return outcomes[0]


async def test_it_offers_what_the_contract_declares() -> None:
    """Every function of the WIT interface, and nothing else."""
    async with offered() as (_, functions):
        assert functions.keys() == contract().interfaces[MESSAGING_INTERFACE].functions.keys()


async def test_every_case_is_declared() -> None:
    """The names of the errors are those of the contract's variant."""
    from airswasm.messaging._refusals import _CASES

    error = contract().interfaces[MESSAGING_INTERFACE].functions["send"].result.error  # type: ignore[union-attr]
    declared = {case.name for case in error.cases}
    assert {name for _, name in _CASES} | {"timed-out", "failed", "denied", "cancelled"} == declared


async def test_a_target_gets_only_codecs_that_it_accepts() -> None:
    """Whatever the function: the sender is told, and a subscriber is left out."""
    async with offered() as (system, call):
        seen: list[object] = []
        for name, accepts in (("test/cbor", ("cbor", "json")), ("test/any", ("any",))):
            mailbox = MailboxSpec(refuse=Acceptance(name, accepts).refuse)
            system.spawn(
                lambda message, context: seen.append(message.payload), name=name, mailbox=mailbox
            )
            system.broker.subscribe("news", name)
        caller = Caller("local/a")
        for good in (encode({"n": 1}), encode([], "json"), b"\x51 is all that is compared"):
            assert call["send"](caller, "test/cbor", good) == Ok(None)
            assert call["publish"](caller, "news", good) == Ok(2)
        for bad in (b"raw", b"", encode([], "msgpack"), encode(b"", "raw"), b"\x80", b"\xd1\x00"):
            for outcome in (
                call["send"](caller, "test/cbor", bad),
                call["call"](caller, "test/cbor", bad, 0),
            ):
                assert case_of(outcome) == "invalid"
                assert "test/cbor accepts cbor, json and was sent" in str(outcome)
            assert call["publish"](caller, "news", bad) == Ok(1)
            assert call["send"](caller, "test/any", bad) == Ok(None)


async def test_a_full_mailbox_is_told() -> None:
    """At once, and the sender decides what to do."""
    async with offered() as (system, call):
        ref = system.spawn(never, name="test/busy", mailbox=MailboxSpec(capacity=1), shutdown=0)
        await system.started(ref)
        ref.pause()
        caller = Caller("local/a")
        assert call["send"](caller, "test/busy", b"") == Ok(None)
        assert case_of(call["send"](caller, "test/busy", b"")) == "mailbox-full"
        bounds = MailboxSpec(capacity=9, capacity_bytes=9)
        system.spawn(never, name="test/small", mailbox=bounds, shutdown=0)
        assert case_of(call["send"](caller, "test/small", bytes(10))) == "too-large"
        assert case_of(call["call"](caller, "test/busy", b"", 0)) == "mailbox-full"


@pytest.mark.parametrize(
    ("timeout_ms", "limits"),
    [
        (0, MessagingLimits(default_timeout=0.01)),
        (60_000, MessagingLimits(longest_timeout=0.01)),
        (10, MessagingLimits()),
    ],
)
async def test_a_call_ends_in_time(timeout_ms: int, limits: MessagingLimits) -> None:
    """0 is the host's default, and no call waits longer than the host allows."""
    async with offered(SamePolicy(limits)) as (system, call):
        system.spawn(never, name="test/never", shutdown=0)
        pending = call["call"](Caller("local/a"), "test/never", b"", timeout_ms)
        assert await outcome_of(pending) == Err(Case("timed-out"))


async def test_a_cancelled_call_is_given_up() -> None:
    """When the guest's call ends, the answer is dropped and nothing completes twice."""
    async with offered() as (system, call):
        release = anyio.Event()

        async def slow(message: Message, context: Context) -> bytes:
            await release.wait()
            return b"late"

        ref = system.spawn(slow, name="test/slow")
        pending = call["call"](Caller("local/a"), "test/slow", b"", 0)
        assert isinstance(pending, Pending)
        pending._cancel()
        release.set()
        assert await ref.drain(5)
        assert pending._value is None


async def test_a_reply_that_cannot_be_given_is_a_failure() -> None:
    """Python actors may answer with values; what has no encoding, or is too large, is told."""
    async with offered(SamePolicy(MessagingLimits(payload_bytes=100))) as (system, call):
        system.spawn(lambda message, context: object(), name="test/odd")
        system.spawn(lambda message, context: bytes(101), name="test/large")
        system.spawn(lambda message, context: [1, None, "x"], name="test/value")
        caller = Caller("local/a")
        assert case_of(await outcome_of(call["call"](caller, "test/odd", b"", 0))) == "failed"
        assert case_of(await outcome_of(call["call"](caller, "test/large", b"", 0))) == "too-large"
        assert await outcome_of(call["call"](caller, "test/value", b"", 0)) == Ok(
            encode([1, None, "x"])
        )


async def test_how_a_target_failed_stays_with_its_owner() -> None:
    """The sender learns that it failed, not with which values and where."""
    async with offered() as (system, call):

        def crash(message: Message, context: Context) -> None:
            raise ValueError("password=hunter2")

        system.spawn(crash, name="test/crash")
        outcome = await outcome_of(call["call"](Caller("local/a"), "test/crash", b"", 0))
        assert case_of(outcome) == "failed"
        assert "hunter2" not in str(outcome)


async def test_a_flood_is_held_at_its_rate() -> None:
    """A sender that is over its rate is refused until time has passed; restarting does not help."""
    now = [0.0]
    async with offered(SamePolicy(rate=Rate(1.0, 3)), lambda: now[0]) as (system, call):
        system.spawn(lambda message, context: None, name="test/sink")

        def burst() -> list[bool]:
            caller = Caller("local/a")
            return [call["send"](caller, "test/sink", b"") == Ok(None) for _ in range(5)]

        assert burst() == [True] * 3 + [False] * 2
        assert burst() == [False] * 5
        now[0] = 2.0
        assert burst() == [True] * 2 + [False] * 3


async def test_it_is_provided_from_services() -> None:
    """The entry point takes the broker and, where there is one, the host's policy."""
    async with ActorSystem() as system:
        services = Services()
        services.add(MessageBroker, system.broker)
        services.add(MessagingPolicy, SamePolicy(MessagingLimits(payload_bytes=1)))  # type: ignore[type-abstract]
        (interface,) = provide(services)
        outcome = interface.functions["publish"](Caller("local/a"), "a.b", b"12")
        assert case_of(outcome) == "too-large"


@asynccontextmanager
async def guarded_host() -> AsyncIterator[tuple[ActorSystem, Guard, dict[str, HostFunction]]]:
    kinds = Kinds(BLOCK.capabilities)
    every = {each.annotation: ("everything",) for each in kinds}
    guard = Guard(kinds, {"local/a": Grants(every)})
    async with ActorSystem() as system:
        yield system, guard, dict(messaging_interface(system.broker, guard=guard).functions)


async def test_a_subscription_ends_with_its_grant() -> None:
    """What is published afterwards does not arrive, under a grant that is left."""
    async with guarded_host() as (system, guard, functions):
        caller = Caller("local/a")
        for pattern in ("orders.*", "news.*"):
            assert functions["subscribe"](caller, pattern) == Ok(None)
        guard.grant("local/a", Grants({"messaging:subscribe": ("news.*",)}))
        assert guard.count_held("local/a") == 1
        assert system.broker.publish("orders.new", b"x") == 0
        assert functions["unsubscribe"](caller, "news.*") == Ok(None)
        assert guard.count_held("local/a") == 0


async def test_a_request_that_waits_is_answered_with_the_denial() -> None:
    """Its asker goes on at once; the answer that comes later goes nowhere."""
    async with guarded_host() as (system, guard, functions):
        system.spawn(never, name="local/b")
        system.spawn(never, name="local/c")
        outcomes = [
            functions["call"](Caller("local/a"), target, b"x", 60_000)
            for target in ("local/b", "local/c")
        ]
        assert guard.count_held("local/a") == 2
        guard.grant("local/a", Grants({"messaging:request": ("local/c",)}))
        lost, kept = outcomes
        assert isinstance(lost, Pending)
        assert isinstance(kept, Pending)
        assert lost.is_done
        assert case_of(lost._value) == "denied"
        assert not kept.is_done
        assert guard.count_held("local/a") == 1
