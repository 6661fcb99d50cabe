"""A guest that holds the event loop within a slice: twice at most, then it works on threads.

Both clocks are made up, so these tests count turns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio.lowlevel
import pytest
from airswasm.actor import ActorRef, ActorSystem, Context, Message, is_compiled
from airswasm.actor._running import dispatcher, shares
from airswasm.runtime import CallState

pytestmark = pytest.mark.anyio


@dataclass
class Clocks:
    """The time, and the part of it that this thread worked."""

    now: float = 1000.0
    worked: float = 0.0


@dataclass
class Guest:
    """A guest whose polls take the given times, the last of them again and again."""

    clocks: Clocks
    times: list[tuple[float, float]]
    """Of each poll: the seconds that pass, and those that the thread works."""
    polls: int = 1
    """Of each message."""
    left: int = 0
    fuel_used: int = 0
    seconds: float = 0.0
    ended_at: float = 0.0
    where: list[str] = field(default_factory=list[str])

    def receive(self, message: Message, context: Context) -> object:
        raise NotImplementedError

    def begin(self, _message: Message, _context: Context, _wake: Callable[[object], None]) -> Guest:
        self.left = self.polls
        return self

    def complete(self, _call: object) -> object:
        return None

    def poll(self) -> CallState:
        passes, works = self.times.pop(0) if len(self.times) > 1 else self.times[0]
        self.clocks.now += passes
        self.clocks.worked += works
        self.where.append("loop")
        self.left -= 1
        return CallState.READY if self.left else CallState.DONE

    async def poll_in_thread(self) -> CallState:
        await anyio.lowlevel.checkpoint()
        self.where.append("thread")
        return CallState.DONE

    def cancel(self) -> None: ...

    def result(self) -> object:
        return None


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    if is_compiled():
        pytest.skip("a compiled module has the real clock")
    made = Clocks()
    monkeypatch.setattr(dispatcher, "monotonic", lambda: made.now)
    monkeypatch.setattr(shares, "monotonic", lambda: made.now)
    monkeypatch.setattr(dispatcher, "thread_time", lambda: made.worked)
    return made


async def where_it_works(system: ActorSystem, guest: Guest, messages: int = 6) -> ActorRef:
    ref = system.spawn(guest, name="guest")
    for _ in range(messages):
        await ref.ask(b"")
    return ref


@pytest.mark.parametrize("polls", [1, 3])
async def test_it_holds_the_loop_twice(system: ActorSystem, clocks: Clocks, polls: int) -> None:
    guest = Guest(clocks, [(0.1, 0.1)], polls)
    ref = await where_it_works(system, guest)
    assert ref.holds_loop
    assert guest.where.count("loop") == 2
    assert set(guest.where[2:]) == {"thread"}
    assert len(guest.where) >= 6


async def test_on_a_busy_machine_a_guest_stays_on_the_loop(
    system: ActorSystem, clocks: Clocks
) -> None:
    """Its turns are long because others had theirs."""
    guest = Guest(clocks, [(0.1, 0.0001)])
    ref = await where_it_works(system, guest)
    assert not ref.holds_loop
    assert set(guest.where) == {"loop"}


async def test_a_turn_that_works_well_in_between_does_not_clear_it(
    system: ActorSystem, clocks: Clocks
) -> None:
    guest = Guest(clocks, [(0.1, 0.1), *[(1e-5, 1e-5)] * 20, (0.1, 0.1), (1e-5, 1e-5)])
    ref = await where_it_works(system, guest, 30)
    assert ref.holds_loop
    assert guest.where == ["loop"] * 22 + ["thread"] * 8


async def test_a_long_wait_for_the_processor_afterwards_does_not_clear_it(
    system: ActorSystem, clocks: Clocks
) -> None:
    guest = Guest(clocks, [(0.1, 0.1)])
    ref = await where_it_works(system, guest)
    begin = guest.begin

    def begin_late(message: Message, context: Context, wake: Callable[[object], None]) -> Guest:
        clocks.now += 0.1
        return begin(message, context, wake)

    guest.begin = begin_late  # type: ignore[method-assign]
    await ref.ask(b"")
    await ref.ask(b"")
    assert ref.holds_loop
    assert guest.where[-2:] == ["thread", "thread"]
