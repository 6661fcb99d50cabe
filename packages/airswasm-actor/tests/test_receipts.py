"""One receipt for each message, and the sums over them."""

from __future__ import annotations

import random
from contextlib import aclosing, suppress
from typing import Any

import anyio
import pytest
from airswasm.actor import (
    ActorRef,
    ActorStopped,
    ActorSystem,
    AskError,
    Backoff,
    Callback,
    ChildSpec,
    ComponentActor,
    Context,
    DeliveryError,
    MailboxFull,
    MailboxSpec,
    Message,
    Outcome,
    Receipt,
    Request,
    SupervisorNode,
    SupervisorSpec,
    Tally,
)
from airswasm.actor._messages import receipts as module
from airswasm.actor._running.reference import cell_of
from airswasm.runtime import Engine, HostInterface, Limits, LinkedComponent, Ok, Pending
from wasmtime import wat2wasm

from .conftest import MOODY, guest_wat

pytestmark = pytest.mark.anyio

WORDS = {
    b"echo": (Outcome.HANDLED, Outcome.REPLIED),
    b"refuse": (Outcome.REFUSED, Outcome.REFUSED),
    b"trap": (Outcome.TRAPPED, Outcome.TRAPPED),
    b"spin": (Outcome.LIMITED, Outcome.LIMITED),
    "text": (Outcome.UNFIT, Outcome.UNFIT),
}
"""A payload of the guest, and its outcome when it is told and when it is asked."""


class Plain:
    """Answers with the payload, or raises."""

    def receive(self, message: Message, _context: Context) -> object:
        if message.payload == b"raise":
            raise ValueError("as it was told")
        return message.payload


class Patient:
    """The same in a task, after a while."""

    async def receive(self, message: Message, context: Context) -> object:
        await anyio.lowlevel.checkpoint()
        return Plain().receive(message, context)


class Both:
    """A plain handler that returns something to await."""

    def receive(self, message: Message, context: Context) -> object:
        return Patient().receive(message, context)


async def link(engine: Engine, wait: Any = lambda _caller: None) -> LinkedComponent:
    wasm = bytes(wat2wasm(guest_wat(MOODY, waits=True)))
    component = await engine.load(wasm, name="test/moody")
    return component.link([HostInterface("test:host/gate@1.0.0", {"wait": wait})])


async def supervise(
    system: ActorSystem, make: Any, mailbox: MailboxSpec | None = None
) -> tuple[SupervisorNode, ActorRef]:
    spec = SupervisorSpec(
        intensity=10_000,
        children=(ChildSpec("test/guest", make, mailbox=mailbox),),
        backoff=Backoff("immediate"),
    )
    node = SupervisorNode(system, spec)
    await node.start()
    ref = node.child("test/guest")
    assert isinstance(ref, ActorRef)
    return node, ref


def counts(tally: Tally | None) -> dict[Outcome, int]:
    assert tally is not None
    return {outcome: count for outcome, count in tally.outcomes.items() if count}


async def settle(ref: ActorRef) -> None:
    """Until nothing waits and the next incarnation is there."""
    await anyio.wait_all_tasks_blocked()
    assert await ref.drain(10)


@pytest.mark.parametrize("is_watched", [False, True])
@pytest.mark.parametrize("is_asked", [False, True])
@pytest.mark.parametrize("payload", WORDS)
async def test_the_outcome_of_a_guest_s_message(
    system: ActorSystem, engine: Engine, payload: bytes | str, is_asked: bool, is_watched: bool
) -> None:
    """Each way to end is counted once, whether or not a reader wants the receipt."""
    linked = await link(engine)
    got: list[Receipt] = []
    reader = system.receipts.listen(got.append) if is_watched else system.receipts.measure()
    limits = Limits(fuel=1_000_000)
    _, ref = await supervise(
        system, lambda: ComponentActor(linked, "test/guest", limits=limits, version="1.2.3")
    )
    if is_asked:
        request = ref.request(payload, lambda _: None, timeout=10, sender="test/other")
        with anyio.move_on_after(10):
            with suppress(AskError):
                await request.wait()
    else:
        ref.tell(payload, sender="test/other", topic="a.b")
    await settle(ref)
    outcome = WORDS[payload][is_asked]
    tally = system.receipts.of(ref.name)
    assert tally is not None
    assert counts(tally) == {outcome: 1}
    is_called = outcome is not Outcome.UNFIT
    assert (tally.queueing.total, tally.handling.total) == (1, is_called)
    assert tally.bytes_in == len(payload)
    assert tally.bytes_out == (len(payload) if outcome is Outcome.REPLIED else 0)
    assert (tally.usage.fuel > 0) is is_called
    if is_watched:
        (receipt,) = got
        assert (receipt.outcome, receipt.sender, receipt.receiver) == (
            outcome, "test/other", ref.name,
        )  # fmt: skip
        assert (receipt.version, receipt.incarnation) == ("1.2.3", 1)
        assert receipt.topic == (None if is_asked else "a.b")
        assert (receipt.bytes_in, receipt.bytes_out) == (tally.bytes_in, tally.bytes_out)
        assert (receipt.error != "") is (outcome not in (Outcome.HANDLED, Outcome.REPLIED))
        if is_called:
            assert receipt.use is not None
            assert receipt.fuel > 0
            assert receipt.use.function.endswith("#handle-message")
            assert receipt.run_seconds == receipt.use.seconds > 0
    reader.cancel()


@pytest.mark.parametrize("actor", [Plain, Patient, Both])
@pytest.mark.parametrize("payload", [b"echo", b"raise"])
@pytest.mark.parametrize("is_asked", [False, True])
async def test_the_outcome_of_a_message_to_python(
    system: ActorSystem, actor: type, payload: bytes, is_asked: bool
) -> None:
    """Actors in Python make receipts while they are listened to."""
    got: list[Receipt] = []
    system.receipts.listen(got.append, "test/python")
    ref = system.spawn(actor(), name="test/python")
    other = system.spawn(actor(), name="test/other")
    other.tell(b"echo")
    if is_asked:
        ref.request(payload, lambda _: None, timeout=10)
    else:
        ref.tell(payload)
    await anyio.wait_all_tasks_blocked()
    (receipt,) = got
    usual = Outcome.REPLIED if is_asked else Outcome.HANDLED
    assert receipt.outcome == (Outcome.FAILED if payload == b"raise" else usual)
    assert receipt.error == ("ValueError" if payload == b"raise" else "")
    assert (receipt.use, receipt.fuel, receipt.bytes_in) == (None, 0, len(payload))
    assert receipt.run_seconds > 0
    assert system.receipts.of("test/other") is None
    tally = system.receipts.of("test/python")
    assert tally is not None
    assert counts(tally) == {receipt.outcome: 1}
    assert tally.handling.total == 1


async def test_nothing_is_measured_before_a_reader_comes(
    system: ActorSystem, engine: Engine
) -> None:
    """And nothing after the last one has gone; what was added up stays readable."""
    linked = await link(engine)
    _, ref = await supervise(system, lambda: ComponentActor(linked, "test/guest"))
    cell = cell_of(ref)
    for reader in (
        system.receipts.measure, lambda: system.receipts.listen(lambda _: None), None,
    ):  # fmt: skip
        await ref.ask(b"echo")
        assert cell.rare.tally is None
        if reader is not None:
            first, second = reader(), reader()
            await ref.ask(b"echo")
            first.cancel()
            await ref.ask(b"echo")
            second.cancel()
    assert counts(system.receipts.of(ref.name)) == {Outcome.REPLIED: 4}


async def test_a_sender_gets_the_receipt_that_it_asks_for(
    system: ActorSystem, engine: Engine
) -> None:
    """Of its own message alone, good or bad, from a component and from Python."""
    linked = await link(engine)
    _, guest = await supervise(system, lambda: ComponentActor(linked, "test/guest"))
    python = system.spawn(Plain(), name="test/python")
    for ref, word, outcome in (
        (guest, b"echo", Outcome.REPLIED),
        (guest, b"refuse", Outcome.REFUSED),
        (guest, b"trap", Outcome.TRAPPED),
        (python, b"echo", Outcome.REPLIED),
        (python, b"raise", Outcome.FAILED),
    ):
        request = system.broker.request(
            ref.name, word, lambda _: None, timeout=10, wants_receipt=True
        )
        try:
            await request.wait()
        except AskError:
            await anyio.wait_all_tasks_blocked()
        assert request.receipt is not None
        assert request.receipt.outcome is outcome
        assert cell_of(ref).rare.tally is None
    unasked = guest.request(b"echo", lambda _: None, timeout=10)
    await unasked.wait()
    assert unasked.receipt is None


async def test_an_answer_that_comes_too_late(system: ActorSystem, engine: Engine) -> None:
    """The message is handled all the same, and its receipt says that the asker had gone."""
    gate = Pending()
    linked = await link(engine, lambda _caller: gate)
    got: list[Receipt] = []
    system.receipts.listen(got.append)
    _, ref = await supervise(system, lambda: ComponentActor(linked, "test/guest"))
    request = ref.request(b"wait", lambda _: None, timeout=10)
    await anyio.wait_all_tasks_blocked()
    request.cancel()
    gate.resolve()
    await settle(ref)
    assert [each.outcome for each in got] == [Outcome.LATE]
    (use,) = got[0].use.host_calls if got[0].use else ()
    assert use.function == "test:host/gate@1.0.0#wait"


@pytest.mark.parametrize("kind", ["guest", "async"])
async def test_a_killed_message_has_a_receipt(
    system: ActorSystem, engine: Engine, kind: str
) -> None:
    """What was used until then is in the sums."""
    linked = await link(engine, lambda _caller: Pending())
    got: list[Receipt] = []
    system.receipts.listen(got.append)

    class Sleeper:
        async def receive(self, _message: Message, _context: Context) -> object:
            await anyio.sleep_forever()

    def make() -> object:
        return ComponentActor(linked, "test/guest") if kind == "guest" else Sleeper()

    node, ref = await supervise(system, make)
    ref.tell(b"wait")
    await anyio.wait_all_tasks_blocked()
    await node.stop(timeout=0)
    assert [each.outcome for each in got] == [Outcome.KILLED]
    assert (got[0].fuel > 0) is (kind == "guest")


async def test_a_callback_names_the_request_that_it_answers(
    system: ActorSystem, engine: Engine
) -> None:
    """The guest has no `handle-callback`; the receipt is the same."""
    linked = await link(engine)
    got: list[Receipt] = []
    system.receipts.listen(got.append)
    _, ref = await supervise(system, lambda: ComponentActor(linked, "test/guest"))
    ref.signal(Callback(42, Ok(b"answer")))
    await settle(ref)
    assert [(each.correlation, each.bytes_in) for each in got] == [(42, 6)]


async def test_sums_go_on_over_restarts_updates_and_stops(
    system: ActorSystem, engine: Engine
) -> None:
    """They belong to the name, until it is forgotten."""
    linked = await link(engine)
    system.receipts.measure()

    def make() -> ComponentActor:
        return ComponentActor(linked, "test/guest")

    node, ref = await supervise(system, make)
    seen = 0

    async def grown() -> bool:
        nonlocal seen
        assert await ref.ask(b"echo") == b"echo"
        tally = system.receipts.of("test/guest")
        assert tally is not None
        before, seen = seen, tally.usage.fuel
        return seen > before

    assert await grown()
    with pytest.raises(AskError):
        await ref.ask(b"trap")
    await settle(ref)
    assert await grown()
    assert await grown()  # and not with the fuel of the trap alone
    await node.update_child(ChildSpec("test/guest", make, shutdown=1.0))
    assert await grown()
    await node.stop()
    node, ref = await supervise(system, make)
    assert await grown()
    assert counts(system.receipts.of("test/guest")) == {Outcome.REPLIED: 5, Outcome.TRAPPED: 1}
    system.receipts.forget("test/guest")
    assert await ref.ask(b"echo") == b"echo"
    assert counts(system.receipts.of("test/guest")) == {Outcome.REPLIED: 1}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("when_full", ["reject", "drop-oldest", "wait"])
async def test_each_message_is_counted_once(
    system: ActorSystem, engine: Engine, when_full: Any, seed: int
) -> None:
    """Whatever becomes of it: the sum over all outcomes is what was sent."""
    dice = random.Random(seed)
    linked = await link(engine, lambda _caller: Pending())
    got: list[Receipt] = []
    reader = system.receipts.listen(got.append) if seed % 2 else system.receipts.measure()
    limits = Limits(fuel=200_000, timeout=20.0)
    mailbox = MailboxSpec(5, when_full=when_full, capacity_bytes=200)
    node, ref = await supervise(
        system, lambda: ComponentActor(linked, "test/guest", limits=limits), mailbox
    )
    payloads: list[Any] = [b"echo", b"refuse", b"trap", b"spin", "text", bytes(90), bytes(300)]
    sent, requests = 0, list[Request]()
    for _ in range(50):
        payload = dice.choice(payloads)
        sent += 1
        try:
            if dice.random() < 0.5:
                ref.tell(payload)
            else:
                requests.append(ref.request(payload, lambda _: None, timeout=20))
        except DeliveryError:
            pass
        if dice.random() < 0.1:
            dice.choice(requests or [ref.request(b"", lambda _: None, timeout=1)]).cancel()
            sent += not requests
        if dice.random() < 0.2:
            await anyio.wait_all_tasks_blocked()
    await settle(ref)
    ref.tell(b"wait")
    ref.tell(b"waits for that")
    await anyio.wait_all_tasks_blocked()
    await node.stop(timeout=0)
    with pytest.raises(ActorStopped):
        ref.tell(b"too late")
    tally = system.receipts.of("test/guest")
    assert tally is not None
    assert sum(tally.outcomes.values()) == sent + 3 == system.dispatcher.sent
    never = {Outcome.DROPPED, Outcome.STOPPED, Outcome.REJECTED}
    taken = {each: count for each, count in counts(tally).items() if each not in never}
    assert tally.queueing.total == sum(taken.values())
    assert taken[Outcome.KILLED] == tally.outcomes[Outcome.STOPPED] == 1
    if seed % 2:
        assert len(got) == sum(taken.values())
        assert len({each.message_id for each in got}) == len(got)
        assert sum(each.bytes_in for each in got) == tally.bytes_in
        assert sum(each.bytes_out for each in got) == tally.bytes_out
    reader.cancel()


class TestWaiting:
    """How long a message has waited, on a clock that stands still while code runs."""

    @pytest.fixture
    def anyio_backend(self, autojump: object) -> object:
        return autojump

    @pytest.mark.parametrize("way", ["tell", "request", "send", "signal"])
    @pytest.mark.parametrize("bytes_count", [False, True])
    async def test_from_its_sending_on(
        self, system: ActorSystem, way: str, bytes_count: bool
    ) -> None:
        """Also when the system has done nothing for an hour before it was sent."""
        got: list[Receipt] = []
        system.receipts.listen(got.append)
        mailbox = MailboxSpec(capacity_bytes=100 if bytes_count else None)
        ref = system.spawn(Plain(), name="test/python", mailbox=mailbox, is_paused=True)
        for _ in range(2):
            await anyio.sleep(3_600)
            if way == "request":
                ref.request(b"x", lambda _: None, timeout=10**6)
            elif way == "send":
                await ref.send(b"x")
            else:
                (ref.tell if way == "tell" else ref.signal)(b"x")
            await anyio.sleep(10)
            ref.resume()
            await anyio.wait_all_tasks_blocked()
            ref.pause()
        assert [round(each.queue_seconds, 3) for each in got] == [10, 10]
        tally = system.receipts.of("test/python")
        assert tally is not None
        assert tally.queueing.seconds == pytest.approx(20)


async def test_a_reader_that_is_behind_loses_the_oldest(system: ActorSystem) -> None:
    """And no more than that."""
    ref = system.spawn(Plain(), name="test/python")
    async with aclosing(system.receipts.read("test/python", capacity=2)) as stream:
        async with anyio.create_task_group() as group:
            first: list[Receipt] = []

            async def begin() -> None:
                first.append(await anext(stream))

            group.start_soon(begin)
            await anyio.wait_all_tasks_blocked()
            await ref.ask(b"0")
        for number in range(1, 5):
            await ref.ask(b"%d" % number)
        rest = [await anext(stream), await anext(stream)]
    ids = [each.message_id for each in (*first, *rest)]
    assert ids == [ids[0], ids[0] + 3, ids[0] + 4]
    assert cell_of(ref).rare.tally is None


async def test_an_error_of_a_listener_goes_no_further(system: ActorSystem) -> None:
    """It is counted, and the others get their receipt."""
    got: list[Receipt] = []

    def fail(_receipt: Receipt) -> None:
        raise RuntimeError("mine")

    system.receipts.listen(fail)
    system.receipts.listen(got.append)
    ref = system.spawn(Plain())
    assert await ref.ask(b"x") == b"x"
    assert (len(got), system.receipts.listener_errors) == (1, 1)
    assert str(system.receipts.last_error) == "mine"


async def test_the_sums_of_ended_actors_are_bounded(
    system: ActorSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that ended first gives way; live ones do not."""
    monkeypatch.setattr(module, "_MOST_ENDED", 2)
    reader = system.receipts.listen(lambda _: None)
    alive = system.spawn(Plain(), name="alive")
    for name in ("a", "b", "c", "d"):
        ref = system.spawn(Plain(), name=name)
        await ref.ask(b"x")
        await system.stop(ref)
    assert [each.name for each in system.receipts.all()] == ["alive", "c", "d"]
    assert alive.is_alive
    reader.cancel()


async def test_what_is_rejected_is_counted_for_its_receiver(system: ActorSystem) -> None:
    """The sender's error is not the end of what is known about it."""
    system.receipts.listen(lambda _: None)
    ref = system.spawn(Plain(), name="full", mailbox=MailboxSpec(1), is_paused=True)
    ref.tell(b"x")
    with pytest.raises(MailboxFull):
        ref.tell(b"y")
    assert counts(system.receipts.of("full")) == {Outcome.REJECTED: 1}


@pytest.mark.parametrize("is_watched", [False, True])
async def test_health_checks_are_no_messages(
    system: ActorSystem, engine: Engine, is_watched: bool
) -> None:
    """No tally, histogram or receipt has them, between other messages or alone."""
    linked = await link(engine)
    got: list[Receipt] = []
    reader = system.receipts.listen(got.append) if is_watched else system.receipts.measure()
    actors: list[ComponentActor] = []

    def make() -> ComponentActor:
        actors.append(ComponentActor(linked, "test/guest"))
        return actors[-1]

    _, ref = await supervise(system, make)
    for _ in range(3):
        await actors[-1].check()
    assert await ref.ask(b"echo") == b"echo"
    await actors[-1].check()
    tally = system.receipts.of(ref.name)
    assert tally is not None
    assert counts(tally) == {Outcome.REPLIED: 1}
    assert (tally.queueing.total, tally.handling.total) == (1, 1)
    assert len(got) == is_watched
    reader.cancel()
