"""Timers under grants, stores and targets that change: what is set, what ends, what comes again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from airswasm.actor import ActorSystem, MessageBroker
from airswasm.messaging import (
    BLOCK,
    Delivery,
    DurableDelivery,
    MessagingLimits,
    MessagingPolicy,
    RecordUnreadable,
    SamePolicy,
    Schedule,
    TimerSettings,
    provide,
    timers_interface,
)
from airswasm.messaging._forgetting import forget
from airswasm.messaging._timers import schedule as schedule_module
from airswasm.runtime import Caller, Err, Ok, Pending, Services
from airswasm.security import Grants, Guard, Kinds
from airswasm.storage import StorageUnavailable
from airswasm.wit import AirswasmError
from cbor2 import dumps
from hypothesis import given, settings
from hypothesis import strategies as st

from .test_guests import case_of, outcome_of
from .test_timers import NAME, Clock, Sink, hosting

pytestmark = pytest.mark.anyio
OWNER = "shop/owner"


@dataclass
class Entry:
    key: str
    value: bytes


@dataclass
class Page:
    entries: list[Entry]
    next: str | None = None


@dataclass
class Space:
    """A namespace that calls back at once, as a store without waits for the disk does.

    Attributes:
        rows: What it holds.
        refusal: What it answers with instead of writing.
        is_late: Whether it takes a write and refuses it in the callback.
    """

    rows: dict[str, bytes] = field(default_factory=dict)
    refusal: AirswasmError | None = None
    is_late: bool = False

    def read_page(self, prefix: str, after: str | None = None) -> Page:
        """Return two rows at a time."""
        keys = sorted(key for key in self.rows if key.startswith(prefix) and key > (after or ""))
        page = [Entry(key, self.rows[key]) for key in keys[:2]]
        return Page(page, page[-1].key if len(keys) > 2 else None)

    def write(
        self, values: Mapping[str, bytes | None], done: Callable[[AirswasmError | None], None]
    ) -> int:
        """Write, or refuse."""
        if self.refusal is not None and not self.is_late:
            raise self.refusal
        for key, value in values.items() if self.refusal is None else ():
            self.rows.pop(key, None)
            if value is not None:
                self.rows[key] = value
        done(self.refusal)
        return len(self.rows)


def refusal() -> StorageUnavailable:
    return StorageUnavailable(Path("disk"), "no space left")


def guard_of(*targets: str) -> Guard:
    return Guard(Kinds(BLOCK.capabilities), {OWNER: schedules(*targets)})


def schedules(*targets: str) -> Grants:
    return Grants({"messaging:schedule": targets})


@asynccontextmanager
async def scheduling(
    space: Space | None = None,
    *,
    guard: Guard | None = None,
    clock: Clock | None = None,
    fires: bool = True,
) -> AsyncIterator[tuple[ActorSystem, Schedule, Sink]]:
    async with ActorSystem() as actors:
        schedule = Schedule(
            actors, TimerSettings(most=3, shortest=0.001), space=space, guard=guard,
            wall_clock=clock or Clock(),
        )  # fmt: skip
        schedule.open(fires=fires)
        sink = Sink()
        actors.spawn(sink, name=NAME)
        yield actors, schedule, sink
        schedule.close()


async def passed(actors: ActorSystem, seconds: float = 0.01) -> None:
    """Wait until all timers have fired that are due in so many seconds from now."""
    fired = anyio.Event()
    actors.timers.after(seconds, fired.set)
    with anyio.fail_after(30):
        await fired.wait()


# -- grants ----------------------------------------------------------------------------------------


async def test_a_timer_ends_with_its_grant() -> None:
    """At once, in memory and on the disk; the grant is asked for no more once a timer has ended."""
    space, guard = Space(), guard_of(NAME, "shop/other")
    async with scheduling(space, guard=guard) as (_, schedule, sink):
        ended = schedule.add(OWNER, NAME, b"1", 0)
        await sink.wait(1)
        for is_durable in (False, True):
            schedule.add(OWNER, NAME, b"2", 3600, is_durable=is_durable)
        kept = schedule.add(OWNER, "shop/other", b"3", 3600, is_durable=True)
        schedule.add(OWNER, NAME, b"trusted", 3600, is_trusted=True)
        assert (ended.is_ended, guard.count_held(OWNER), len(space.rows)) == (True, 3, 2)
        guard.grant(OWNER, schedules("shop/other"))
        assert [each.payload for each in schedule.of(OWNER)] == [b"3", b"trusted"]
        assert (guard.count_held(OWNER), list(space.rows)) == (1, [f"{kept.number:016x}"])
        assert schedule.counters.timers_cancelled == 2
    assert guard.count_held(OWNER) == 0  # a host that ends asks for nothing


async def test_a_grant_that_ended_between_two_starts_ends_the_timer() -> None:
    """Before it fires, although it is overdue; other timers of the owner go on."""
    space, clock = Space(), Clock()
    async with scheduling(space, guard=guard_of(NAME, "shop/other"), clock=clock) as (_, timers, _):
        timers.add(OWNER, NAME, b"1", 5, is_durable=True)
        timers.add(OWNER, "shop/other", b"2", 5, is_durable=True)
        timers.add("clock", NAME, b"3", 3600, is_durable=True, is_trusted=True)
    clock.now += 60
    async with scheduling(space, guard=guard_of("shop/other"), clock=clock) as (_, timers, sink):
        assert [each.payload for each in timers.of(OWNER)] == [b"2"]
        assert [each.payload for each in timers.of("clock")] == [b"3"]
        assert (timers.counters.timers_found, len(space.rows)) == (2, 2)
        assert sink.payloads == []


# -- stores ----------------------------------------------------------------------------------------


async def test_where_nothing_runs_timers_are_known_and_do_not_fire() -> None:
    """As a tool sees them that looks at a stopped host's data; their number says nothing of it."""
    space, clock = Space(), Clock()
    async with scheduling(space, clock=clock) as (_, schedule, _):
        numbers = [schedule.add(OWNER, NAME, b"x", 3600, is_durable=True).number for _ in range(3)]
    clock.now += 7_200
    async with scheduling(space, clock=clock, fires=False) as (actors, schedule, sink):
        assert [each.number for each in schedule.of(OWNER)] == numbers
        await passed(actors)
        assert sink.payloads == []
        assert schedule.cancel(OWNER, numbers[0])
    clock.now = 0  # a clock that was set back gives no number twice
    async with scheduling(space, clock=clock, fires=False) as (_, schedule, _):
        assert [each.number for each in schedule.of(OWNER)] == numbers[1:]
        assert schedule.add(OWNER, NAME, b"x", 3600).number > max(numbers)


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_store_that_refuses_at_once_sets_no_timer(*, is_late: bool) -> None:
    """By whichever way it says so."""
    space = Space()
    async with scheduling(space) as (actors, schedule, sink):
        space.refusal, space.is_late = refusal(), is_late
        ends: list[BaseException | None] = []
        if is_late:
            timer = schedule.add(OWNER, NAME, b"x", 0, is_durable=True, done=ends.append)
            assert (timer.is_ended, ends) == (True, [space.refusal])
        else:
            with pytest.raises(StorageUnavailable):
                schedule.add(OWNER, NAME, b"x", 0, is_durable=True, done=ends.append)
        await passed(actors)
        counters = schedule.counters
        assert (counters.timers_set, counters.timers_refused, counters.timers_waiting) == (0, 1, 0)
        assert (sink.payloads, schedule.owners()) == ([], ())


async def test_a_timer_whose_end_is_refused_goes_on() -> None:
    """What an operator cancels is there until the disk has its end."""
    space = Space()
    async with scheduling(space) as (_, schedule, _):
        timer = schedule.add(OWNER, NAME, b"x", 3600, is_durable=True)
        space.refusal = refusal()
        with pytest.raises(StorageUnavailable):
            schedule.cancel(OWNER, timer.number)
        space.is_late = True
        with pytest.raises(StorageUnavailable):
            await schedule.forget(OWNER)
        space.refusal = None
        assert await schedule.forget(OWNER) == 1
        assert space.rows == {}


async def test_a_turn_that_is_not_written_comes_again() -> None:
    """The message went out, and a restart sends it once more: that is noted, and nothing ends."""
    space = Space()
    async with scheduling(space) as (actors, schedule, sink):
        schedule.add(OWNER, NAME, b"once", 0, is_durable=True)
        schedule.add(OWNER, NAME, b"tick", 0.001, repeats=True, is_durable=True)
        space.refusal = refusal()
        await sink.wait(4)
        assert actors.events.last_error is space.refusal
        schedule.close()
    space.refusal = None
    async with scheduling(space) as (_, schedule, sink):
        await sink.wait(2)
        assert {b"once", b"tick"} == set(sink.payloads)


NUMBERS = st.floats() | st.floats(-1, 1) | st.sampled_from((0.0, -0.0, 1e-9, 5e-324, 1e308))


@given(
    records=st.lists(
        st.tuples(NUMBERS, st.booleans(), NUMBERS, st.integers(-(2**70), 2**70)), max_size=5
    )
)
@settings(max_examples=50)
async def test_no_record_keeps_a_host_from_starting(
    records: list[tuple[float, bool, float, int]],
) -> None:
    """Whatever the times in it are: it is armed, or noted and left out."""
    space = Space()
    for number, (seconds, repeats, due, turn) in enumerate(records):
        space.rows[f"{number:016x}"] = dumps(
            [1, OWNER, "shop/absent", b"x", seconds, repeats, due, "id", turn, False]
        )
    async with scheduling(space) as (actors, schedule, _):
        for timer in schedule.of(OWNER):
            assert 0 <= timer.seconds < 2**33
            assert not timer.repeats or timer.seconds > 0
            assert abs(timer.due) < 2**41
        unread = len(records) - len(schedule.of(OWNER))
        assert actors.events.listener_errors == unread
        assert not unread or isinstance(actors.events.last_error, RecordUnreadable)


# -- targets that are durable, and ends ------------------------------------------------------------


@pytest.mark.parametrize("repeats", [False, True])
async def test_a_timer_to_a_durable_target_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, repeats: bool
) -> None:
    """Its message is sent when the disk has it; one that it refuses is sent again."""
    monkeypatch.setattr(schedule_module, "_FIRST_PAUSE", 0.001)
    async with hosting(tmp_path, has_target=False) as host:
        delivery = DurableDelivery(host.store, host.actors)
        delivery.open()
        delivery.declare(NAME, Delivery())
        backend, schedule = host.store.backend, host.schedule
        timer = schedule.add(OWNER, NAME, b"x", 0.001, repeats=repeats, is_durable=True)
        await host.store.namespace("x").set("k", b"")  # the disk has all before that
        sync = backend.sync
        backend.sync = refuse  # type: ignore[method-assign]
        with anyio.fail_after(30):
            while not schedule.counters.timers_retried:  # noqa: ASYNC110
                await anyio.sleep(0.001)
            backend.sync = sync  # type: ignore[method-assign]
            while host.store.failure is not None:
                await anyio.sleep(0.11)
                host.store.ask_for_recovery()
            while not timer.fired:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        assert timer.is_ended is not repeats
        host.actors.spawn(host.sink, name=NAME)
        await host.sink.wait(1)
        assert set(host.sink.payloads) == {b"x"}
        delivery.close()


@pytest.mark.parametrize("end", ["cancel", "close"])
@pytest.mark.parametrize("is_refused", [False, True])
@pytest.mark.parametrize("is_durable", [False, True])
async def test_a_timer_that_ends_while_its_message_is_written(
    tmp_path: Path, end: str, *, is_refused: bool, is_durable: bool
) -> None:
    """It fires no more, whatever becomes of the message; the books balance."""
    async with hosting(tmp_path, has_target=False) as host:
        ends: list[Callable[[BaseException | None], None]] = []
        broker, schedule = host.actors.broker, host.schedule

        def submit(*args: object, **_: object) -> bool:
            ends.append(args[2])  # type: ignore[arg-type]
            return False

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(broker), "submit", lambda _self, *args, **more: submit(
                *args, **more
            ))  # fmt: skip
            timer = schedule.add(OWNER, NAME, b"x", 0.001, repeats=True, is_durable=is_durable)
            with anyio.fail_after(30):
                while not ends:  # noqa: ASYNC110
                    await anyio.sleep(0.001)
            if end == "cancel":
                assert schedule.cancel(OWNER, timer.number)
            else:
                schedule.close()
            ends.pop()(refusal() if is_refused else None)
            await passed(host.actors)
            assert ends == []
        counters = schedule.counters
        assert counters.timers_waiting == (end == "close")
        assert counters.timers_fired == (not is_refused)
        assert counters.timers_cancelled == (end == "cancel")
        assert host.actors.dead_letters.total == 0


# -- the interface ---------------------------------------------------------------------------------


async def test_the_numbers_of_ended_timers_cost_no_memory_for_ever() -> None:
    """A component that sets one after the other holds as many as it may have."""
    async with scheduling() as (_, schedule, sink):
        call, caller = timers_interface(schedule, lambda: 10).functions, Caller(OWNER)
        for count in range(1, 30):
            assert isinstance(call["send-later"](caller, NAME, b"x", 0, False), Ok)
            await sink.wait(count)
        (own,) = caller._kept.values()  # type: ignore[union-attr]
        assert len(own.numbers) <= 2 * schedule.settings.most + 1  # type: ignore[attr-defined]
        far = call["send-later"](caller, NAME, b"x", 3_600_000, False)
        assert isinstance(far, Ok)
        caller._close()
        assert schedule.of(OWNER) == ()


async def test_a_durable_timer_of_a_component_is_answered_by_the_disk() -> None:
    """Set and ended when it has that; refused where it refuses, by whichever way."""
    space = Space()
    async with scheduling(space) as (_, schedule, _):
        call, caller = timers_interface(schedule, lambda: 10).functions, Caller(OWNER)
        set_one = call["send-later"](caller, NAME, b"x", 3_600_000, True)
        assert isinstance(set_one, Ok)
        assert list(space.rows) == [f"{set_one.value:016x}"]
        for is_late in (False, True):
            space.refusal, space.is_late = refusal(), is_late
            assert case_of(call["send-every"](caller, NAME, b"x", 3_600_000, True)) == (
                "rate-limited"
            )
        space.is_late = False
        assert call["cancel"](caller, set_one.value) is False
        space.refusal = None
        ended = call["cancel"](caller, set_one.value)
        assert isinstance(ended, Pending)
        assert ended._value is True
        assert space.rows == {}
        assert call["cancel"](caller, set_one.value) is False


async def test_a_store_that_syncs_later_answers_later(tmp_path: Path) -> None:
    async with hosting(tmp_path) as host:
        call, caller = timers_interface(host.schedule, lambda: 10).functions, Caller(OWNER)
        pending = call["send-later"](caller, NAME, b"x", 3_600_000, True)
        assert isinstance(await outcome_of(pending), Ok)
        host.store.backend.sync = refuse  # type: ignore[method-assign]
        refused = await outcome_of(call["send-later"](caller, NAME, b"x", 3_600_000, True))
        assert case_of(refused) == "rate-limited"
        assert len(host.schedule.of(OWNER)) == 1


async def test_what_a_component_asks_wrongly_is_its_error() -> None:
    """Payload and address have their cases; a fault of the host is no answer of the guest's."""
    async with scheduling() as (_, schedule, _):
        call, caller = timers_interface(schedule, lambda: 10).functions, Caller(OWNER)
        assert case_of(call["send-later"](caller, NAME, bytes(11), 0, False)) == "too-large"
        assert case_of(call["send-later"](caller, "no name!", b"", 0, False)) == "invalid"
        assert case_of(call["send-every"](caller, NAME, b"", 0, False)) == "invalid"
        assert case_of(call["send-later"](caller, NAME, b"", 0, True)) == "invalid"
        with pytest.raises(TypeError):
            call["send-later"](caller, NAME, b"", "soon", False)


@pytest.mark.parametrize("has_schedule", [False, True])
async def test_timers_are_provided_from_services(*, has_schedule: bool) -> None:
    """With the host's own schedule, or with one in memory; by the limits of the host's policy."""
    async with scheduling() as (actors, schedule, sink):
        services = Services()
        services.add(MessageBroker, actors.broker)
        services.add(ActorSystem, actors)
        services.add(MessagingPolicy, SamePolicy(MessagingLimits(payload_bytes=1)))  # type: ignore[type-abstract]
        if has_schedule:
            services.add(Schedule, schedule)
        _, timers = provide(services)
        send = timers.functions["send-later"]
        assert case_of(send(Caller(OWNER), NAME, b"12", 0, False)) == "too-large"
        assert isinstance(send(Caller(OWNER), NAME, b"1", 0, False), Ok)
        await sink.wait(1)
        durable = send(Caller(OWNER), NAME, b"1", 0, True)
        assert isinstance(durable, Err)
        assert schedule.counters.timers_set == has_schedule
        schedule.add(OWNER, NAME, b"x", 3600)
        await forget(services, OWNER)
        assert bool(schedule.of(OWNER)) is not has_schedule


def refuse(*_: object) -> None:
    raise refusal()


@pytest.mark.parametrize("shortest", [0.0, 0.0009, -1.0, float("nan")])
def test_an_interval_has_a_shortest(shortest: float) -> None:
    with pytest.raises(ValueError, match="shortest"):
        TimerSettings(shortest=shortest)
