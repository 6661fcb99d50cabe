"""Messages at a later time: once or again, over restarts, and with clocks that are set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
from airswasm.actor import ActorSystem, Context, DeathReason, Message, TimersNotDurable
from airswasm.messaging import (
    Acceptance,
    CodecNotAccepted,
    MessageNotStorable,
    MessagingLimits,
    Rate,
    RateExceeded,
    RecordUnreadable,
    SamePolicy,
    Schedule,
    SendingQuota,
    TimerInvalid,
    TimerSettings,
    encode,
)
from airswasm.messaging._timers.timer import ScheduledMessage, pack_timer, unpack_timer
from airswasm.storage import StorageUnavailable, Store, open_store
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio
NAME = "shop/clock"


class Sink:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.payloads: list[object] = []
        self.senders: set[str] = set()
        self.ids: list[str] = []
        self._changed = anyio.Event()

    def receive(self, message: Message, context: Context) -> None:
        del context
        self.payloads.append(message.payload)
        self.senders.add(message.sender)
        self.ids.append(message.envelope.id if message.envelope else "")
        self._changed.set()
        self._changed = anyio.Event()

    async def wait(self, count: int) -> None:
        with anyio.fail_after(30):
            while len(self.payloads) < count:
                await self._changed.wait()


class Clock:
    """A wall clock that tests set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Policy:
    """A policy whose rate is changed while timers run."""

    rate: Rate
    limits: MessagingLimits = field(default_factory=MessagingLimits)
    revision: int = 0

    def rate_of(self, component: str) -> Rate:
        del component
        return self.rate

    def acceptance_of(self, target: str) -> Acceptance:
        return Acceptance(target)


def quota_of(rate: Rate) -> SendingQuota:
    return SendingQuota(SamePolicy(rate=rate), anyio.current_time)


class Host:
    def __init__(self, store: Store, actors: ActorSystem, schedule: Schedule) -> None:
        self.store, self.actors, self.schedule = store, actors, schedule
        self.sink = Sink()


@asynccontextmanager
async def hosting(
    folder: Path,
    *,
    clock: Clock | None = None,
    settings: TimerSettings | None = None,
    quota: SendingQuota | None = None,
    has_target: bool = True,
) -> AsyncIterator[Host]:
    async with open_store(folder / "store") as store, ActorSystem() as actors:
        schedule = Schedule(
            actors,
            settings or TimerSettings(shortest=0.001),
            space=store.namespace("timers"),
            quota=quota,
            wall_clock=clock or Clock(),
        )
        host = Host(store, actors, schedule)
        schedule.open()
        if has_target:
            actors.spawn(host.sink, name=NAME)
        try:
            yield host
        finally:
            schedule.close()


@pytest.mark.parametrize("is_durable", [False, True])
async def test_a_message_comes_later_and_once(tmp_path: Path, *, is_durable: bool) -> None:
    """In the name of its owner, in the order of the delays."""
    async with hosting(tmp_path) as host:
        add = host.schedule.add
        add(NAME, NAME, b"2", 0.5, is_durable=is_durable)
        add(NAME, NAME, b"1", 0.001, is_durable=is_durable)
        add(NAME, NAME, b"0", 0, is_durable=is_durable)
        cancelled = add(NAME, NAME, b"x", 3600, is_durable=is_durable)
        assert host.schedule.cancel(NAME, cancelled.number)
        assert not host.schedule.cancel(NAME, cancelled.number)
        assert not host.schedule.cancel("other/name", 1)
        await host.sink.wait(3)
        assert host.sink.payloads == [b"0", b"1", b"2"]
        assert host.sink.senders == {NAME}
        assert len(set(host.sink.ids)) == 3
        assert host.schedule.of(NAME) == ()
        assert host.schedule.counters.timers_fired == 3
    async with hosting(tmp_path) as host:
        assert host.schedule.owners() == ()


async def test_a_message_comes_again_and_again(tmp_path: Path) -> None:
    """Until it is cancelled; each message has an id of its own."""
    async with hosting(tmp_path) as host:
        timer = host.schedule.add(NAME, NAME, b"tick", 0.005, repeats=True)
        await host.sink.wait(3)
        host.schedule.cancel(NAME, timer.number)
        seen = len(host.sink.payloads)
        await anyio.sleep(0.02)
        assert len(host.sink.payloads) == seen
        assert len(set(host.sink.ids)) == seen


async def test_what_a_host_missed_fires_once(tmp_path: Path) -> None:
    """A single message, and one for all the times of a timer that repeats; it keeps on then."""
    clock = Clock()
    async with hosting(tmp_path, clock=clock) as host:
        host.schedule.add(NAME, NAME, b"once", 60, is_durable=True)
        host.schedule.add(NAME, NAME, b"tick", 10, repeats=True, is_durable=True)
        host.schedule.add(NAME, NAME, b"later", 1_000, is_durable=True)
        host.schedule.add(NAME, NAME, b"gone", 60)
        await host.store.namespace("x").set("k", b"")  # the disk has all before that
    clock.now += 95
    async with hosting(tmp_path, clock=clock) as host:
        await host.sink.wait(2)
        assert sorted(map(str, host.sink.payloads)) == ["b'once'", "b'tick'"]
        tick, later = sorted(host.schedule.of(NAME), key=lambda each: each.seconds)
        assert (tick.missed, later.payload) == (8, b"later")
        assert tick.due == pytest.approx(clock.now + 5, abs=6)
        assert later.due == pytest.approx(clock.now + 905, abs=1)


async def test_a_clock_that_was_set_back_keeps_nothing_waiting(tmp_path: Path) -> None:
    """No timer waits longer than its delay, whatever the clock says."""
    clock = Clock()
    async with hosting(tmp_path, clock=clock) as host:
        host.schedule.add(NAME, NAME, b"x", 0.01, is_durable=True)
        host.schedule.add(NAME, NAME, b"y", 0.01, repeats=True, is_durable=True)
        host.schedule.close()
        await host.store.namespace("x").set("k", b"")
    clock.now -= 86_400
    async with hosting(tmp_path, clock=clock) as host:
        await host.sink.wait(3)
        assert host.sink.payloads.count(b"x") == 1


async def test_a_clock_that_jumps_moves_no_running_timer(tmp_path: Path) -> None:
    """While the host runs, the event loop's clock counts."""
    clock = Clock()
    async with hosting(tmp_path, clock=clock) as host:
        host.schedule.add(NAME, NAME, b"far", 3_600, is_durable=True)
        host.schedule.add(NAME, NAME, b"near", 0.01, repeats=True)
        clock.now += 1_000_000
        await host.sink.wait(1)
        clock.now -= 5_000_000
        await host.sink.wait(3)
        assert set(host.sink.payloads) == {b"near"}


async def test_a_target_that_is_not_there(tmp_path: Path) -> None:
    """A durable timer waits for it; another message is a dead letter; a tick is counted."""
    async with hosting(tmp_path, has_target=False) as host:
        host.schedule.add(NAME, NAME, b"durable", 0, is_durable=True)
        host.schedule.add(NAME, NAME, b"lost", 0)
        tick = host.schedule.add(NAME, NAME, b"tick", 0.001, repeats=True)
        with anyio.fail_after(30):
            while tick.missed < 2 or not host.actors.dead_letters.total:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        host.schedule.cancel(NAME, tick.number)
        host.actors.spawn(host.sink, name=NAME)
        await host.sink.wait(1)
        assert host.sink.payloads == [b"durable"]
        (letter,) = host.actors.dead_letters
        assert (letter.message.payload, letter.reason) == (b"lost", DeathReason.UNDELIVERED)
        assert host.actors.books().is_balanced


async def test_a_timer_sends_at_the_rate_that_holds_when_it_fires(tmp_path: Path) -> None:
    """An update that allows less, or more, holds for timers that are set already."""
    policy = Policy(Rate.of(1_000))
    async with hosting(tmp_path, quota=SendingQuota(policy, lambda: 0.0)) as host:
        host.schedule.add(NAME, NAME, b"1", 0)
        await host.sink.wait(1)
        policy.rate, policy.revision = Rate(per_second=0.001, burst=1), 1
        for _ in range(3):
            host.schedule.add(NAME, NAME, b"2", 0)
        dead = host.actors.dead_letters
        with anyio.fail_after(30):
            while dead.total < 2:  # noqa: ASYNC110
                await anyio.sleep(0.001)
            await host.sink.wait(2)
        assert host.sink.payloads == [b"1", b"2"]
        assert [type(letter.cause) for letter in dead] == [RateExceeded] * 2


@pytest.mark.parametrize(
    ("limits", "rate"),
    [
        (MessagingLimits(), Rate.of(1_000, 10)),
        (MessagingLimits(total_bytes=10), Rate.of(1_000)),
        (MessagingLimits(total_messages=1), Rate.of(1_000)),
    ],
)
async def test_a_timer_is_no_way_past_the_rates(
    tmp_path: Path, limits: MessagingLimits, rate: Rate
) -> None:
    """Its bytes count, and so does it in what the whole host may send; one account for both."""
    quota = SendingQuota(Policy(rate, limits), lambda: 0.0)
    async with hosting(tmp_path, quota=quota) as host:
        quota.take(NAME, 10)  # sent at once
        timer = host.schedule.add(NAME, NAME, b"later", 0)
        with anyio.fail_after(30):
            while not timer.is_ended:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        assert host.sink.payloads == []
        assert [type(each.cause) for each in host.actors.dead_letters] == [RateExceeded]


async def test_timers_are_bounded(tmp_path: Path) -> None:
    """In number, bytes, interval and delay, and in the rate of their messages."""
    settings = TimerSettings(most=3, size=10, shortest=0.5)
    async with hosting(tmp_path, settings=settings) as host:
        add = host.schedule.add
        for seconds, repeats in ((0.4, True), (-1, False), (1e12, False)):
            with pytest.raises(TimerInvalid):
                add(NAME, NAME, b"", seconds, repeats=repeats)
        with pytest.raises(RateExceeded):
            add(NAME, NAME, bytes(11), 60)
        for _ in range(3):
            add(NAME, NAME, b"123", 60)
        with pytest.raises(RateExceeded):
            add(NAME, NAME, b"", 60)
        add("another/one", NAME, b"1234567890", 60)
        assert host.schedule.drop(NAME) == 3
    async with hosting(tmp_path, quota=quota_of(Rate(per_second=1, burst=2))) as host:
        timer = host.schedule.add(NAME, NAME, b"x", 0.001, repeats=True)
        with anyio.fail_after(30):
            while timer.missed < 5:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        assert len(host.sink.payloads) <= 3


async def test_without_a_store_no_timer_is_durable() -> None:
    async with ActorSystem() as actors:
        schedule = Schedule(actors)
        with pytest.raises(TimersNotDurable):
            schedule.add(NAME, NAME, b"", 1, is_durable=True)
        assert schedule.of(NAME) == ()


async def test_a_disk_that_refuses_sets_no_timer(tmp_path: Path) -> None:
    async with hosting(tmp_path) as host:
        backend = host.store.backend
        apply = backend.apply

        def refuse(changes: object) -> None:
            raise StorageUnavailable(tmp_path, "no space left")

        backend.apply = refuse  # type: ignore[method-assign, assignment]
        with pytest.raises(StorageUnavailable):
            host.schedule.add(NAME, NAME, b"", 60, is_durable=True)
        assert host.schedule.of(NAME) == ()
        backend.apply = apply  # type: ignore[method-assign]


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_timer(stored: bytes) -> None:
    with pytest.raises(RecordUnreadable):
        unpack_timer(1, stored)


@pytest.mark.parametrize(("key", "value"), [("x", b""), ("", b"\0"), ("00", b"\xa0"), ("é", b"")])
async def test_a_damaged_timer_keeps_no_host_from_starting(
    tmp_path: Path, key: str, value: bytes
) -> None:
    """It is noted and left; the others go on."""
    async with hosting(tmp_path) as host:
        host.schedule.add(NAME, NAME, b"", 3600, is_durable=True)
        await host.store.namespace("timers").set(key or "0", value)
    async with hosting(tmp_path) as host:
        assert len(host.schedule.of(NAME)) == 1


@given(
    payload=st.binary(max_size=50),
    seconds=st.floats(0.001, 1e9),
    due=st.floats(0, 1e10),
    repeats=st.booleans(),
    names=st.tuples(st.text(max_size=9), st.text(max_size=9), st.text(max_size=9)),
)
def test_a_timer_comes_back_as_it_was(
    payload: bytes, seconds: float, due: float, names: tuple[str, str, str], *, repeats: bool
) -> None:
    owner, target, origin = names
    timer = ScheduledMessage(7, owner, target, payload, seconds, repeats, True, due, origin, 3)
    again = unpack_timer(7, pack_timer(timer))
    fields = ("number", "owner", "target", "payload", "seconds", "repeats", "due", "origin", "turn")
    assert [getattr(again, each) for each in fields] == [getattr(timer, each) for each in fields]


async def test_a_purge_ends_what_the_disk_would_not(tmp_path: Path) -> None:
    """The next owner of the name must not get timers whose end was refused once."""
    async with hosting(tmp_path) as host:
        host.schedule.add(NAME, NAME, b"secret", 3600, is_durable=True)
        host.schedule.add("other/name", "a/third", b"stays", 3600, is_durable=True)
        await host.store.namespace("x").set("k", b"")
        backend = host.store.backend
        apply = backend.apply

        def refuse(changes: object) -> None:
            raise StorageUnavailable(tmp_path, "no space left")

        backend.apply = refuse  # type: ignore[method-assign, assignment]
        with pytest.raises(StorageUnavailable):
            await host.schedule.forget(NAME)
        assert host.schedule.of(NAME) == ()
        backend.apply = apply  # type: ignore[method-assign]
        with anyio.fail_after(30):
            while host.store.failure is not None:
                await anyio.sleep(0.11)
                host.store.ask_for_recovery()
        assert await host.schedule.forget(NAME) == 1
        assert await host.schedule.forget(NAME) == 0
    async with hosting(tmp_path) as host:
        assert host.schedule.owners() == ("other/name",)


@pytest.mark.parametrize("is_durable", [True, False])
async def test_a_timer_to_a_purged_name_ends(tmp_path: Path, *, is_durable: bool) -> None:
    """The name's next owner gets nothing that was meant for the last one; it is counted."""
    async with hosting(tmp_path) as host:
        for repeats in (False, True):
            host.schedule.add(
                "other/name", NAME, b"old", 3600, repeats=repeats, is_durable=is_durable
            )
        kept = host.schedule.add("other/name", "a/third", b"stays", 3600, is_durable=is_durable)
        assert await host.schedule.forget(NAME) == 2
        assert host.schedule.of("other/name") == (kept,)
        assert host.schedule.counters.timers_forgotten == 2
    async with hosting(tmp_path) as host:
        assert [each.target for each in host.schedule.of("other/name")] == ["a/third"] * is_durable


# -- of actors in Python ---------------------------------------------------------------------------


class Owner:
    """An actor that gives its context away."""

    def __init__(self) -> None:
        self.context: Context

    def bind(self, context: Context) -> None:
        self.context = context

    def receive(self, message: Message, context: Context) -> None:
        del message
        context.stop()


async def test_the_timers_of_an_actor_are_those_of_the_host(tmp_path: Path) -> None:
    """An operator sees and ends them; those that are not durable end with the incarnation."""
    settings = TimerSettings(most=1, size=1, shortest=60)
    async with hosting(tmp_path, settings=settings, quota=quota_of(Rate(0.001, 1))) as host:
        owner, counters = Owner(), host.schedule.counters
        ref = host.actors.spawn(owner, name="clock")
        send = owner.context.send_later
        kept = send(NAME, b"kept", 3600, is_durable=True)
        await kept.written()
        for number in range(5):  # trusted: neither bounds nor rates hold
            send(NAME, {"n": number}, 0)
        await host.sink.wait(5)
        every = owner.context.send_every(NAME, object(), 0.005)
        ended = owner.context.send_every(NAME, b"x", 3600)
        assert [each.number for each in host.schedule.of("clock")] == [kept.id, every.id, ended.id]
        assert host.schedule.cancel("clock", ended.id)
        assert not ended.cancel()
        await host.actors.stop(ref)
        assert [each.number for each in host.schedule.of("clock")] == [kept.id]
        assert (counters.timers_set, counters.timers_done, counters.timers_cancelled) == (8, 5, 2)
    async with hosting(tmp_path) as host:
        assert [each.number for each in host.schedule.of("clock")] == [kept.id]
        assert host.schedule.of("clock")[0].is_trusted
        assert host.schedule.cancel("clock", kept.id)


async def test_a_durable_timer_of_an_actor_holds_bytes(tmp_path: Path) -> None:
    async with hosting(tmp_path) as host:
        owner = Owner()
        host.actors.spawn(owner, name="clock")
        with pytest.raises(MessageNotStorable):
            owner.context.send_later(NAME, "text", 1, is_durable=True)
        assert host.schedule.of("clock") == ()
    assert not isinstance(host.actors.scheduler, Schedule)


async def test_a_disk_that_fails_later_leaves_no_timer(tmp_path: Path) -> None:
    """The wait for the disk tells; what it has refused does not fire."""
    async with hosting(tmp_path) as host:
        owner = Owner()
        host.actors.spawn(owner, name="clock")
        backend = host.store.backend

        def refuse() -> None:
            raise StorageUnavailable(tmp_path, "no space left")

        backend.sync = refuse  # type: ignore[method-assign]
        timer = owner.context.send_later(NAME, b"x", 3600, is_durable=True)
        with pytest.raises(StorageUnavailable):
            await timer.written()
        assert host.schedule.of("clock") == ()
        counters = host.schedule.counters
        assert (counters.timers_set, counters.timers_refused, counters.timers_waiting) == (0, 1, 0)


# -- the codec, and the books ----------------------------------------------------------------------


async def test_the_codec_is_compared_when_the_timer_is_set(tmp_path: Path) -> None:
    """Its sender is there to be told; a message that fires later has no sender who waits."""
    quota = SendingQuota(SamePolicy(accepts=("json",)), anyio.current_time)
    async with hosting(tmp_path, quota=quota) as host:
        for is_durable in (False, True):
            with pytest.raises(CodecNotAccepted):
                host.schedule.add(NAME, NAME, encode(1), 0, is_durable=is_durable)
        host.schedule.add(NAME, NAME, encode(1, "json"), 0)
        await host.sink.wait(1)
        assert host.schedule.counters.timers_refused == 2


_ACTS = (
    "once", "every", "durable", "durable every", "cancel", "forget", "time", "restart", "stop",
)  # fmt: skip


@given(steps=st.lists(st.tuples(st.sampled_from(_ACTS), st.integers(0, 2)), max_size=20))
@hypothesis_settings(max_examples=30, deadline=None)
def test_the_books_of_timers_balance(steps: list[tuple[str, int]]) -> None:
    """Each timer that was set, or found, waits or has ended in one of the counted ways."""
    with TemporaryDirectory() as folder:
        anyio.run(_balance, Path(folder), steps)


async def _balance(folder: Path, steps: list[tuple[str, int]]) -> None:
    rest = list(steps)
    clock = Clock()
    is_first = True
    while rest or is_first:
        is_first = False
        async with hosting(folder, clock=clock) as host:
            owner, counters = Owner(), host.schedule.counters
            ref = host.actors.spawn(owner, name="clock")
            while rest:
                what, number = rest.pop(0)
                if what == "restart":
                    clock.now += 7
                    break
                await _step(host, owner, what, number)
                if what == "stop" and ref.is_alive:
                    await host.actors.stop(ref)
                await host.store.namespace("x").set("k", b"")  # the disk has all before that
                waiting = sum(len(host.schedule.of(each)) for each in host.schedule.owners())
                assert counters.timers_waiting == waiting
                ended = counters.timers_done + counters.timers_cancelled + counters.timers_forgotten
                assert counters.timers_set + counters.timers_found == waiting + ended
            assert host.actors.books().is_balanced


async def _step(host: Host, owner: Owner, what: str, number: int) -> None:
    targets = (NAME, "a/missing", "clock2")
    if what in ("once", "every"):
        if owner.context.ref.is_alive and number == 0:
            send = owner.context.send_every if what == "every" else owner.context.send_later
            send(NAME, object(), 0.002)
        else:
            host.schedule.add("a/b", targets[number], b"x", 0.002, repeats=what == "every")
    elif what.startswith("durable"):
        repeats = what != "durable"
        host.schedule.add("a/b", targets[number], b"x", 0.002, repeats=repeats, is_durable=True)
    elif what == "cancel":
        known = [each for name in host.schedule.owners() for each in host.schedule.of(name)]
        if known:
            timer = known[number % len(known)]
            assert host.schedule.cancel(timer.owner, timer.number)
    elif what == "forget":
        await host.schedule.forget(targets[number % 3])
    elif what == "time":
        await anyio.sleep(0.004)
