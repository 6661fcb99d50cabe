from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
import pytest
from airswasm.actor import (
    ActorRef,
    ActorSystem,
    AskTimeout,
    Backoff,
    ChildSpec,
    Context,
    MailboxFull,
    MailboxSpec,
    Message,
    MessageDropped,
    MessageTooLarge,
    Request,
    SupervisorNode,
    SupervisorSpec,
)
from airswasm.actor._messages.bounds import WhenFull
from airswasm.actor._running.mailbox import move_all, resize
from airswasm.actor._running.reference import cell_of
from airswasm.actor.testing import Faults, Probe
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from .conftest import SEEDS

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


@pytest.mark.parametrize("spec", [MailboxSpec(1, "drop-oldest"),
                                  MailboxSpec(9, "drop-oldest", capacity_bytes=8)])  # fmt: skip
@pytest.mark.parametrize("way", ["tell", "deliver", "send", "ask"])
async def test_a_listener_that_resumes_the_actor_loses_no_message(
    system: ActorSystem, spec: MailboxSpec, way: str
) -> None:
    """The message for which room was made is handled, whatever the dead letter sets off."""
    probe = Probe()
    ref = system.spawn(probe, name="full", mailbox=spec, is_paused=True)
    system.dead_letters.listen(lambda _letter: ref.resume())
    ref.tell(b"first")
    if way == "tell":
        ref.tell(b"second")
    elif way == "deliver":
        system.broker.tell("full", b"second")
    elif way == "send":
        await ref.send(b"second")
    else:
        with suppress(AskTimeout):
            await ref.ask(b"second")
    assert await probe.wait_for(1) == [b"second"]
    assert [letter.message.payload for letter in system.dead_letters] == [b"first"]
    ref.tell(b"third")
    assert await probe.wait_for(2) == [b"second", b"third"]


@pytest.mark.parametrize("policy", ["reject", "drop-oldest", "wait"])
@pytest.mark.parametrize("is_paused", [True, False])
async def test_a_message_larger_than_the_mailbox_is_refused_at_once(
    system: ActorSystem, policy: WhenFull, is_paused: bool
) -> None:
    """By any way and policy, also when nothing waits; nothing waits or is dropped for it."""
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
    """Messages that wait stay; senders that wait for room come in as far as there is some."""
    ref = system.spawn(Probe(), mailbox=MailboxSpec(1, "wait", wait=60), is_paused=True)
    ref.tell(b"1234")
    async with anyio.create_task_group() as group:
        group.start_soon(ref.send, b"5678")
        await anyio.wait_all_tasks_blocked()
        resize(cell_of(ref), MailboxSpec(10, "reject", capacity_bytes=9))
    assert (ref.mailbox.size, ref.mailbox.size_bytes) == (2, 8)
    with pytest.raises(MailboxFull):
        ref.tell(b"90")
    resize(cell_of(ref), MailboxSpec(2))
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
    assert move_all(cell_of(old), cell_of(new)) == 1
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
    """Room goes to the sender that has waited longest; a tell does not overtake them."""
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


WAIT, PATIENCE, BACKOFF = 7.3, 4.1, 1.0  # no sum of these meets another

specs = st.builds(
    MailboxSpec,
    st.sampled_from((1, 2, 3, 9)),
    st.sampled_from(("reject", "drop-oldest", "wait", "wait")),
    st.just(WAIT),
    st.sampled_from((None, 10, 10, 20)),
)
sizes = st.sampled_from((0, 1, 4, 5, 7, 9, 10, 11, 21))
seconds = st.sampled_from((0.5, 3.0, 10.0))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("tell"), sizes, st.integers(1, 3)),
        st.tuples(st.sampled_from(("send", "ask")), sizes),
        st.tuples(st.sampled_from(("send", "ask")), sizes),
        st.tuples(st.just("give up"), st.integers(0, 9)),
        st.one_of(
            st.tuples(st.just("sleep"), seconds),
            st.tuples(st.just("batch"), seconds),
            st.tuples(st.just("poison"), sizes),
            st.tuples(st.just("bound"), specs),
            st.tuples(st.just("drop"), st.integers(1, 3)),
            st.tuples(st.sampled_from(("signal", "poisoned signal", "pause", "resume", "kill"))),
        ),
    ),
    min_size=5,
    max_size=30,
)


class Parcel(bytes):
    """A payload of some bytes, with a number that tells it from the others."""

    number: int
    is_poison: bool
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @classmethod
    def of(cls, number: int, size: int, *, is_poison: bool = False) -> Parcel:
        parcel = cls(size)
        parcel.number, parcel.is_poison = number, is_poison
        return parcel


class Model:
    """A mailbox in the simplest words, for a handler that takes no time."""

    def __init__(self, spec: MailboxSpec) -> None:
        self.spec = spec
        self.queue: list[Parcel] = []
        self.signals: list[Parcel] = []
        self.room: list[tuple[Parcel, float]] = []  # until when
        self.asked: dict[int, float] = {}  # until when
        self.outcomes: dict[int, str] = {}
        self.seen: list[int] = []
        self.dead: list[tuple[int, str]] = []
        self.rejected = 0
        self.expired = 0
        self.now = 0.0
        self.is_paused = False
        self.down_until: float | None = None

    # -- sending -------------------------------------------------------------------------------

    def fits(self, parcel: Parcel) -> bool:
        most = self.spec.capacity_bytes
        if not self.queue:
            return True
        if len(self.queue) >= self.spec.capacity:
            return False
        return most is None or sum(map(len, self.queue)) + len(parcel) <= most

    def is_too_large(self, parcel: Parcel) -> bool:
        return self.spec.capacity_bytes is not None and len(parcel) > self.spec.capacity_bytes

    def reject(self, parcel: Parcel, error: str) -> None:
        self.rejected += 1
        self.end(parcel, error)

    def tell(self, parcel: Parcel) -> None:
        if self.is_too_large(parcel):
            self.reject(parcel, "MessageTooLarge")
            return
        while self.room or not self.fits(parcel):
            if self.spec.when_full != "drop-oldest":
                self.reject(parcel, "MailboxFull")
                return
            self.drop()
        self.queue.append(parcel)

    def send(self, parcel: Parcel) -> None:
        has_to_wait = bool(self.room) or not self.fits(parcel)
        if self.spec.when_full == "wait" and has_to_wait and not self.is_too_large(parcel):
            self.room.append((parcel, self.now + self.spec.wait))
        else:
            self.tell(parcel)

    def ask(self, parcel: Parcel) -> None:
        self.asked[parcel.number] = self.now + PATIENCE
        self.send(parcel)

    def end(self, parcel: Parcel, outcome: str) -> None:
        if self.asked.pop(parcel.number, None) is not None:
            self.outcomes[parcel.number] = outcome

    # -- what happens then ---------------------------------------------------------------------

    def drop(self) -> None:
        if self.queue:
            oldest = self.queue.pop(0)
            self.admit()
            self.dead.append((oldest.number, "dropped"))
            self.end(oldest, "MessageDropped")

    def admit(self) -> None:
        while self.room and self.fits(self.room[0][0]):
            self.queue.append(self.room.pop(0)[0])

    def leave_room(self, number: int, error: str) -> None:
        for entry in self.room:
            if entry[0].number == number:
                self.room.remove(entry)
                self.admit()
                self.reject(entry[0], error)
                return

    def run(self) -> None:
        while not self.is_paused and self.down_until is None and (self.signals or self.queue):
            is_signal = bool(self.signals)
            parcel = (self.signals or self.queue).pop(0)
            if not is_signal:
                self.admit()
            if self.outcomes.get(parcel.number) == "AskTimeout":
                self.expired += 1
            elif parcel.is_poison:
                self.dead.append((parcel.number, "crashed"))
                self.end(parcel, "ActorFailed")
                self.down_until = self.now + BACKOFF
            else:
                self.seen.append(parcel.number)
                self.end(parcel, "answer")

    def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            self.run()
            room = [(until, "room", parcel.number) for parcel, until in self.room]
            asked = [(until, "ask", number) for number, until in self.asked.items()]
            up = [(self.down_until, "up", 0)] if self.down_until is not None else []
            due = [event for event in (*room, *asked, *up) if event[0] <= end]
            if not due:
                self.now = end
                return
            self.now, what, number = min(due, key=lambda event: event[0])
            if what == "up":
                self.down_until = None
            elif what == "room":
                self.leave_room(number, "MailboxFull")
            else:
                del self.asked[number]
                self.outcomes[number] = "AskTimeout"
                self.leave_room(number, "")


class Machine:
    """Takes the same steps with a model and with a supervised actor, and compares the two."""

    def __init__(self, system: ActorSystem, group: anyio.abc.TaskGroup, spec: MailboxSpec) -> None:
        self.system, self.group = system, group
        self.model = Model(spec)
        self.spec = spec
        self.seen: list[int] = []
        self.outcomes: dict[int, str] = {}
        self.senders: list[tuple[int, anyio.CancelScope]] = []
        self.count = 0

    async def start(self, is_async: bool) -> None:
        def receive(message: Message, _context: Context) -> None:
            assert isinstance(message.payload, Parcel)
            if message.payload.is_poison:
                raise RuntimeError("poison")
            self.seen.append(message.payload.number)

        async def receive_later(message: Message, context: Context) -> None:
            await anyio.lowlevel.checkpoint()
            receive(message, context)

        handler = receive_later if is_async else receive
        child = ChildSpec("a", lambda: handler, mailbox=self.spec)
        backoff = Backoff("linear", initial=BACKOFF, cap=BACKOFF, jitter=0.0)
        self.node = SupervisorNode(
            self.system, SupervisorSpec(intensity=10**6, backoff=backoff, children=(child,))
        )
        await self.node.start()
        ref = self.node.child("a")
        assert isinstance(ref, ActorRef)
        self.ref = ref

    def parcel(self, size: int, *, is_poison: bool = False) -> Parcel:
        self.count += 1
        return Parcel.of(self.count, size, is_poison=is_poison)

    async def take(self, step: tuple[object, ...]) -> None:
        if step[0] == "batch":  # of what waits, and then it collects again
            for each in (("resume",), ("sleep", step[1]), ("pause",)):
                await self.take(each)
            return
        getattr(self, "_" + str(step[0]).replace(" ", "_"))(*step[1:])
        if step[0] == "sleep":
            await anyio.sleep(float(str(step[1])))
        await anyio.wait_all_tasks_blocked()
        self.model.run()
        self.compare()

    def _tell(self, size: int, count: int) -> None:
        for _ in range(count):
            self._tell_one(self.parcel(size))

    def _poison(self, size: int) -> None:
        self._tell_one(self.parcel(size, is_poison=True))

    def _tell_one(self, parcel: Parcel) -> None:
        self.model.tell(parcel)
        with suppress(MailboxFull, MessageTooLarge):
            self.ref.tell(parcel)

    def _send(self, size: int) -> None:
        parcel, scope = self.parcel(size), anyio.CancelScope()
        self.model.send(parcel)
        self.senders.append((parcel.number, scope))

        async def send() -> None:
            with scope, suppress(MailboxFull, MessageTooLarge):
                await self.ref.send(parcel)

        self.group.start_soon(send)

    def _ask(self, size: int) -> None:
        parcel = self.parcel(size)
        self.model.ask(parcel)

        def note(request: Request) -> None:
            error = request.error
            self.outcomes[parcel.number] = "answer" if error is None else type(error).__name__

        try:
            self.ref.request(parcel, note, timeout=PATIENCE)
        except (MailboxFull, MessageTooLarge) as error:
            self.outcomes[parcel.number] = type(error).__name__

    def _give_up(self, position: int) -> None:
        if position < len(self.senders):
            number, scope = self.senders[position]
            scope.cancel()
            self.model.leave_room(number, "")

    def _sleep(self, seconds: float) -> None:
        self.model.sleep(seconds)

    def _bound(self, spec: MailboxSpec) -> None:
        self.model.spec = spec
        self.model.admit()
        resize(cell_of(self.ref), spec)

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self.model.drop()
        Faults(self.system).drop(self.ref, count)

    def _signal(self, *, is_poison: bool = False) -> None:
        parcel = self.parcel(0, is_poison=is_poison)
        self.model.signals.append(parcel)
        self.ref.signal(parcel)

    def _poisoned_signal(self) -> None:
        self._signal(is_poison=True)

    def _pause(self) -> None:
        self.model.is_paused = True
        self.ref.pause()

    def _resume(self) -> None:
        self.model.is_paused = False
        self.ref.resume()

    def _kill(self) -> None:
        if Faults(self.system).kill(self.ref):
            self.model.down_until = self.model.now + BACKOFF

    def compare(self) -> None:
        model, info = self.model, self.ref.mailbox
        assert info.size == len(model.queue)
        assert info.size_bytes == sum(map(len, model.queue))
        assert info.signals == len(model.signals)
        assert info.senders_waiting == len(model.room)
        assert self.seen == model.seen
        assert self.outcomes == model.outcomes
        dead = self.system.dead_letters
        assert [(one.message.payload.number, one.reason) for one in dead] == model.dead  # type: ignore[attr-defined]
        books = self.system.books()
        assert books.is_balanced
        assert (books.rejected, books.expired) == (model.rejected, model.expired)


@given(steps=steps, spec=specs, is_async=st.booleans())
@settings(max_examples=SEEDS)
def test_a_mailbox_does_what_its_model_does(
    steps: list[tuple[object, ...]], spec: MailboxSpec, is_async: bool
) -> None:
    """In whatever order there is sending, waiting, giving up, pausing, crashing and bounding."""
    options = {"clock": MockClock(autojump_threshold=0)}
    anyio.run(_run_machine, steps, spec, is_async, backend="trio", backend_options=options)


async def _run_machine(steps: list[tuple[object, ...]], spec: MailboxSpec, is_async: bool) -> None:
    async with ActorSystem() as system, anyio.create_task_group() as group:
        machine = Machine(system, group, spec)
        await machine.start(is_async)
        for step in (("pause",), *steps):
            await machine.take(step)
        for last in (("resume",), *[("sleep", 10.0)] * (2 + len(steps))):
            await machine.take(last)
        assert cell_of(machine.ref).queue is None
        assert len(system.timers) == 0
