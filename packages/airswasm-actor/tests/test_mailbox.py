from __future__ import annotations

from collections import deque
from contextlib import suppress

import anyio
import pytest
from airswasm.actor import (
    ActorRef,
    ActorSystem,
    Context,
    MailboxFull,
    MailboxSpec,
    Message,
    MessageDropped,
)
from airswasm.actor.testing import Probe
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio


async def test_a_full_mailbox_rejects(system: ActorSystem) -> None:
    """The sender gets a typed error that names the capacity; what waits stays."""
    probe = Probe()
    ref = system.spawn(probe, name="small", mailbox=MailboxSpec(capacity=2), is_paused=True)
    ref.tell(1)
    ref.tell(2)
    with pytest.raises(MailboxFull, match=r"'small' is full \(2 messages wait\)"):
        ref.tell(3)
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
    [{"capacity": 0}, {"when_full": "explode"}, {"wait": -1.0}],
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
