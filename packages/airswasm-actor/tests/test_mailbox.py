from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
import pytest
from airswasm.actor import (
    ActorRef,
    ActorSystem,
    AskTimeout,
    Context,
    MailboxFull,
    MailboxSpec,
    Message,
    MessageDropped,
    MessageTooLarge,
)
from airswasm.actor.mailbox import WhenFull
from airswasm.actor.testing import Probe
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio

MIB = 2**20


async def test_a_full_mailbox_rejects(system: ActorSystem) -> None:
    """The sender gets a typed error that names the capacity; what waits stays."""
    probe = Probe()
    ref = system.spawn(probe, name="small", mailbox=MailboxSpec(capacity=2), is_paused=True)
    ref.tell(1)
    ref.tell(2)
    with pytest.raises(MailboxFull, match=r"'small' is full \(capacity is 2 messages\)") as caught:
        ref.tell(3)
    assert (caught.value.limit, caught.value.value) == ("capacity", 2)
    ref.resume()
    assert await probe.wait_for(2) == [1, 2]
    assert system.books().rejected == 1


async def test_drop_oldest_keeps_the_newest(system: ActorSystem) -> None:
    """The dropped ones are dead letters, and their askers are told."""
    probe = Probe()
    ref = system.spawn(probe, mailbox=MailboxSpec(2, "drop-oldest"), is_paused=True)
    async with anyio.create_task_group() as group:

        async def ask() -> None:
            with pytest.raises(MessageDropped):
                await ref.ask(0)

        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        for number in (1, 2, 3):
            ref.tell(number)
    ref.resume()
    assert await probe.wait_for(2) == [2, 3]
    assert [letter.message.payload for letter in system.dead_letters] == [0, 1]


async def test_bytes_are_bounded_beside_the_count(system: ActorSystem) -> None:
    """A thousand messages of a mebibyte take what the mailbox may hold, and no gigabyte."""
    probe = Probe()
    spec = MailboxSpec(capacity_bytes=4 * MIB)
    ref = system.spawn(probe, name="small", mailbox=spec, is_paused=True)
    errors: list[MailboxFull] = []
    for _ in range(1000):
        try:
            ref.tell(bytes(MIB))
        except MailboxFull as error:
            errors.append(error)
    assert len(errors) == 996
    assert (errors[0].limit, errors[0].value) == ("capacity_bytes", 4 * MIB)
    assert "raise capacity_bytes in its MailboxSpec" in str(errors[0])
    info = ref.mailbox
    assert (info.size, info.size_bytes, info.capacity_bytes) == (4, 4 * MIB, 4 * MIB)
    ref.resume()
    await probe.wait_for(4)
    assert ref.mailbox.size_bytes == 0
    ref.tell(bytes(4 * MIB))


@pytest.mark.parametrize("policy", ["reject", "drop-oldest", "wait"])
@pytest.mark.parametrize("is_paused", [True, False])
async def test_a_message_larger_than_the_mailbox_is_refused_at_once(
    system: ActorSystem, policy: WhenFull, is_paused: bool
) -> None:
    """By whatever way and policy, also when nothing waits; nobody waits or is dropped for it."""
    spec = MailboxSpec(1000, policy, wait=60.0, capacity_bytes=10)
    ref = system.spawn(Probe(), name="tiny", mailbox=spec, is_paused=is_paused)
    ref.tell(b"fits")

    async def try_to(send: Callable[[], object]) -> None:
        sent = send()
        if isinstance(sent, Awaitable):
            await sent

    await anyio.wait_all_tasks_blocked()
    ways: tuple[Callable[[], object], ...] = (
        lambda: ref.tell(bytes(11)),
        lambda: ref.send(memoryview(bytes(11))),
        lambda: ref.ask("eleven char"),
        lambda: ref.request(bytearray(11), lambda _: None, timeout=1),
        lambda: system.broker.tell("tiny", bytes(11)),
        lambda: system.broker.deliver("tiny", Message(bytes(11))),
    )
    for send in ways:
        with pytest.raises(MessageTooLarge, match=r"11 bytes .*capacity_bytes is 10"):
            await try_to(send)
    assert len(system.dead_letters) == 0
    system.broker.subscribe("t", ref)
    assert system.broker.publish("t", bytes(11)) == 0


async def test_drop_oldest_makes_room_in_bytes(system: ActorSystem) -> None:
    """As many of the oldest go as the new one needs."""
    probe = Probe()
    spec = MailboxSpec(100, "drop-oldest", capacity_bytes=10)
    ref = system.spawn(probe, mailbox=spec, is_paused=True)
    for payload in (b"four", b"3by", b"two", b"eightbyt"):
        ref.tell(payload)
    assert ref.mailbox.size_bytes == 8
    ref.resume()
    assert await probe.wait_for(1) == [b"eightbyt"]
    assert [letter.message.payload for letter in system.dead_letters] == [b"four", b"3by", b"two"]


async def test_who_waits_for_bytes_is_not_overtaken(system: ActorSystem) -> None:
    """A small message behind a large one waits with it, and goes in when that gives up."""
    probe = Probe()
    spec = MailboxSpec(100, "wait", wait=60, capacity_bytes=10)
    ref = system.spawn(probe, mailbox=spec, is_paused=True)
    ref.tell(b"123456")
    async with anyio.create_task_group() as group:
        large = anyio.CancelScope()

        async def send_large() -> None:
            with large:
                await ref.send(b"too much")

        group.start_soon(send_large)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(ref.send, b"ok")
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(MailboxFull) as caught:
            ref.tell(b"x")
        assert caught.value.limit == "capacity_bytes"
        assert ref.mailbox.senders_waiting == 2
        large.cancel()
    assert (ref.mailbox.senders_waiting, ref.mailbox.size_bytes) == (0, 8)
    ref.resume()
    assert await probe.wait_for(2) == [b"123456", b"ok"]


async def test_an_asker_that_gives_up_has_not_asked(system: ActorSystem) -> None:
    """While its question waits for room; the actor never hears of it."""
    probe = Probe()
    ref = system.spawn(probe, mailbox=MailboxSpec(1, "wait", wait=60), is_paused=True)
    ref.tell(0)
    with pytest.raises(AskTimeout):
        await ref.ask(1, timeout=0.01)
    with anyio.move_on_after(0.01):
        await ref.ask(2, timeout=60)
    assert ref.mailbox.senders_waiting == 0
    assert system.books().rejected == 2
    ref.resume()
    assert await ref.drain(5)
    assert probe.payloads == [0]


async def test_new_bounds_hold_from_now_on(system: ActorSystem) -> None:
    """What waits stays; who waits for room comes in as far as there is some."""
    ref = system.spawn(Probe(), mailbox=MailboxSpec(1, "wait", wait=60), is_paused=True)
    ref.tell(b"1234")
    async with anyio.create_task_group() as group:
        group.start_soon(ref.send, b"5678")
        await anyio.wait_all_tasks_blocked()
        ref.bound(MailboxSpec(10, "reject", capacity_bytes=9))
    assert (ref.mailbox.size, ref.mailbox.size_bytes) == (2, 8)
    with pytest.raises(MailboxFull):
        ref.tell(b"90")
    ref.bound(MailboxSpec(2))
    with pytest.raises(MailboxFull):
        ref.tell(b"")
    assert ref.mailbox.size_bytes == 8


async def test_bytes_move_with_the_messages(system: ActorSystem) -> None:
    """A hand-over may exceed the successor's bounds, and is counted there."""
    spec = MailboxSpec(capacity_bytes=10)
    old = system.spawn(Probe(), name="svc", mailbox=spec, is_paused=True)
    new = system.spawn(Probe(), mailbox=spec, is_paused=True)
    old.tell(b"12345678")
    new.tell(b"1234")
    assert old.move_to(new) == 1
    assert (old.mailbox.size_bytes, new.mailbox.size_bytes) == (0, 12)
    with pytest.raises(MailboxFull):
        old.tell(b"x")
    new.resume()
    assert await new.drain(5)
    assert new.mailbox.size_bytes == 0


async def test_signals_go_first_and_always_fit(system: ActorSystem) -> None:
    """A full mailbox takes a system message, and it overtakes the others."""
    probe = Probe()
    ref = system.spawn(probe, mailbox=MailboxSpec(1), is_paused=True)
    ref.tell("ordinary")
    ref.signal("urgent")
    assert (ref.mailbox.size, ref.mailbox.signals) == (1, 1)
    ref.resume()
    assert await probe.wait_for(2) == ["urgent", "ordinary"]


async def test_senders_wait_for_room_in_order(system: ActorSystem) -> None:
    """Room goes to whoever has waited longest; a tell does not overtake them."""
    probe = Probe()
    ref = system.spawn(probe, mailbox=MailboxSpec(1, "wait", wait=60), is_paused=True)
    ref.tell(0)
    async with anyio.create_task_group() as group:
        for number in (1, 2, 3):
            group.start_soon(ref.send, number)
            await anyio.wait_all_tasks_blocked()
        assert ref.mailbox.senders_waiting == 3
        with pytest.raises(MailboxFull):
            ref.tell("cannot wait")
        ref.resume()
    assert await probe.wait_for(4) == [0, 1, 2, 3]
    assert len(system.timers) == 0


async def test_a_cancelled_sender_has_not_sent(system: ActorSystem) -> None:
    """Its message was never accepted."""
    probe = Probe()
    ref = system.spawn(probe, mailbox=MailboxSpec(1, "wait", wait=60), is_paused=True)
    ref.tell(0)
    with anyio.move_on_after(0.01):
        await ref.send(1)
    assert ref.mailbox.senders_waiting == 0
    ref.resume()
    assert await ref.drain(5)
    assert probe.payloads == [0]


class TestOnAClockThatJumps:
    @pytest.fixture
    def anyio_backend(self, autojump: object) -> object:
        return autojump

    async def test_a_sender_waits_no_longer_than_its_deadline(self, anyio_backend: object) -> None:
        """Then it gets `MailboxFull`; an asker too, within its own time-out."""
        async with ActorSystem() as system:
            ref = system.spawn(Probe(), mailbox=MailboxSpec(1, "wait", wait=9), is_paused=True)
            ref.tell(0)
            before = anyio.current_time()
            for wait in (ref.send(1), ref.ask(2, timeout=60)):
                with pytest.raises(MailboxFull):
                    await wait
            assert anyio.current_time() - before == pytest.approx(18)
            assert system.books().is_balanced


@pytest.mark.parametrize(
    "wrong",
    [{"capacity": 0}, {"when_full": "explode"}, {"wait": -1.0}, {"capacity_bytes": 0}],
)
def test_a_spec_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    """With the value in the message."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MailboxSpec(**wrong)  # type: ignore[arg-type]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), st.integers(1, 4)),
        st.tuples(st.sampled_from(("signal", "pause", "resume", "run", "send"))),
    ),
    max_size=30,
)


class Model:
    """What a mailbox is, in the simplest words."""

    def __init__(self, spec: MailboxSpec) -> None:
        self.spec = spec
        self.queue: deque[object] = deque()
        self.room: deque[object] = deque()
        self.signals: deque[object] = deque()
        self.seen: list[object] = []
        self.dropped: list[object] = []
        self.rejected = 0
        self.is_paused = False

    def tell(self, payload: object) -> None:
        if len(self.queue) < self.spec.capacity:
            self.queue.append(payload)
        elif self.spec.when_full == "drop-oldest":
            self.dropped.append(self.queue.popleft())
            self.queue.append(payload)
        else:
            self.rejected += 1

    def send(self, payload: object) -> None:
        if self.spec.when_full == "wait" and len(self.queue) >= self.spec.capacity:
            self.room.append(payload)
        else:
            self.tell(payload)

    def run(self) -> None:
        while not self.is_paused and (self.signals or self.queue):
            self.seen.append((self.signals or self.queue).popleft())
            while self.room and len(self.queue) < self.spec.capacity:
                self.queue.append(self.room.popleft())


@given(
    steps=STEPS,
    capacity=st.integers(1, 4),
    policy=st.sampled_from(("reject", "drop-oldest", "wait")),
    is_async=st.booleans(),
)
def test_a_mailbox_does_what_its_model_does(
    steps: list[tuple[object, ...]], capacity: int, policy: str, is_async: bool
) -> None:
    """Whatever the order of sending, pausing and running: same order, drops and rejections."""
    spec = MailboxSpec(capacity, policy, wait=3600.0)  # type: ignore[arg-type]
    anyio.run(_compare, steps, spec, is_async, backend="trio")


async def _compare(steps: list[tuple[object, ...]], spec: MailboxSpec, is_async: bool) -> None:
    model, probe = Model(spec), Probe()

    async def receive(message: Message, context: Context) -> None:
        await anyio.lowlevel.checkpoint()
        probe.receive(message, context)

    async with ActorSystem() as system, anyio.create_task_group() as group:
        ref = system.spawn(receive if is_async else probe, mailbox=spec, is_paused=True)
        model.is_paused = True
        for number, step in enumerate(steps):
            await _take(step, number, ref, model, group)
        ref.resume()
        model.is_paused = False
        model.run()
        await anyio.wait_all_tasks_blocked()
        assert probe.payloads == model.seen
        assert [letter.message.payload for letter in system.dead_letters] == model.dropped
        books = system.books()
        assert books.is_balanced
        assert books.rejected == model.rejected
        assert ref.queue is None


async def _take(
    step: tuple[object, ...],
    number: int,
    ref: ActorRef,
    model: Model,
    group: anyio.abc.TaskGroup,
) -> None:
    if step[0] == "tell":
        for count in range(int(str(step[1]))):
            model.tell((number, count))
            try:
                ref.tell((number, count))
            except MailboxFull:
                assert model.spec.when_full != "drop-oldest"
    elif step[0] == "signal":
        model.signals.append(number)
        ref.signal(number)
    elif step[0] == "send":
        model.send(number)
        group.start_soon(_send, ref, number)
        await anyio.wait_all_tasks_blocked()
        model.run()
    elif step[0] in ("pause", "resume"):
        model.is_paused = step[0] == "pause"
        getattr(ref, str(step[0]))()
    else:
        await anyio.wait_all_tasks_blocked()
        model.run()
    if not model.is_paused:
        await anyio.wait_all_tasks_blocked()
        model.run()


async def _send(ref: ActorRef, payload: object) -> None:
    with suppress(MailboxFull):
        await ref.send(payload)
