"""Shares of processor time: by weight, whatever the guests do, and soon for one that uses little.

The time is made up: each turn of a guest takes what it says. So these tests count turns.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio.lowlevel
import pytest
from airswasm.actor import (
    ActorRef,
    ActorSystem,
    Backoff,
    ChildSpec,
    Context,
    InvalidChildSpec,
    MailboxSpec,
    Message,
    SupervisorNode,
    SupervisorSpec,
    is_compiled,
)
from airswasm.actor._running import dispatcher, shares
from airswasm.actor._running.dispatcher import DispatcherConfig
from airswasm.actor._running.reference import cell_of
from airswasm.runtime import CallState
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.anyio
SHORT, LONG = 50e-6, 600e-6


@dataclass
class Clock:
    """Goes on only when a guest has a turn."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    if is_compiled():
        pytest.skip("a compiled module has the real clock")
    made = Clock()
    monkeypatch.setattr(dispatcher, "monotonic", made)
    monkeypatch.setattr(shares, "monotonic", made)
    return made


class Guest:
    """A guest whose turns take `seconds` each."""

    def __init__(self, clock: Clock, seconds: float, polls: int = 1) -> None:
        self.clock, self.seconds, self.polls = clock, seconds, polls
        self.left = 0
        self.turns = 0
        self.fuel_used = 0
        self.ended_at = 0.0

    def receive(self, message: Message, context: Context) -> object:
        raise NotImplementedError

    def begin(self, _message: Message, _context: Context, _wake: Callable[[object], None]) -> Guest:
        self.left = self.polls
        return self

    def complete(self, _call: object) -> object:
        return None

    def poll(self) -> CallState:
        self.clock.now += self.seconds
        self.turns += 1
        self.left -= 1
        return CallState.READY if self.left else CallState.DONE

    async def poll_in_thread(self) -> CallState:
        await anyio.lowlevel.checkpoint()
        self.left = 0
        return CallState.DONE

    def cancel(self) -> None: ...

    def result(self) -> object:
        return None


class Crashing(Guest):
    """A guest that crashes over each message, and whose start takes its time."""

    async def start(self) -> None:
        self.clock.now += SHORT
        await anyio.lowlevel.checkpoint()

    def poll(self) -> CallState:
        super().poll()
        raise RuntimeError("unreachable")


async def started(
    system: ActorSystem, *guests: Callable[[], Guest], weights: tuple[float, ...] = ()
) -> list[ActorRef]:
    """The guests, each under a supervisor of its own that never gives up, with full mailboxes."""
    refs = []
    for index, guest in enumerate(guests):
        spec = ChildSpec(
            f"guest-{index}",
            guest,
            mailbox=MailboxSpec(capacity=5000),
            weight=weights[index] if weights else 1.0,
        )
        node = SupervisorNode(
            system,
            SupervisorSpec(intensity=10**6, backoff=Backoff("immediate"), children=(spec,)),
        )
        await node.start()
        ref = node.child(spec.id)
        assert isinstance(ref, ActorRef)
        for _ in range(5000):
            ref.tell(b"")
        refs.append(ref)
    return refs


async def test_busy_guests_share_by_weight(system: ActorSystem, clock: Clock) -> None:
    """Whatever their turns take."""
    weights = (1.0, 2.0, 4.0, 1.0)
    guests = [Guest(clock, SHORT), Guest(clock, SHORT), Guest(clock, SHORT), Guest(clock, LONG)]
    await started(system, *((lambda guest=each: guest) for each in guests), weights=weights)
    for _ in range(3000):
        await anyio.lowlevel.checkpoint()
    used = [
        guest.turns * guest.seconds / weight for guest, weight in zip(guests, weights, strict=True)
    ]
    assert min(used) > 0.02
    assert max(used) < 1.2 * min(used) + 2 * LONG


ATTACKS: dict[str, Callable[[Clock], Guest]] = {
    "flooding": lambda clock: Guest(clock, SHORT),
    "computing": lambda clock: Guest(clock, LONG, polls=10),
    "crashing": lambda clock: Crashing(clock, SHORT),
}


@pytest.mark.parametrize("count", [1, 10])
@pytest.mark.parametrize("kind", ATTACKS)
async def test_a_guest_that_uses_little_has_its_turn_soon(
    system: ActorSystem, clock: Clock, kind: str, count: int
) -> None:
    """However many others use much: what they get before it does not grow with their number."""
    await started(system, *[lambda: ATTACKS[kind](clock)] * count)
    neighbour = Guest(clock, 20e-6)
    ref = system.spawn(neighbour)
    waited = []
    for _ in range(400):
        before, turns = clock.now, neighbour.turns
        ref.tell(b"")
        while neighbour.turns == turns:
            await anyio.lowlevel.checkpoint()
        waited.append(clock.now - before)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
    config = DispatcherConfig()
    most = config.slice if count == 1 else 2 * config.busy_slice
    if kind == "computing":
        most = max(most, LONG)  # a slice of fuel is not cut short
    assert statistics.median(waited[100:]) <= most + 2 * SHORT


async def test_a_busy_guest_that_becomes_quiet_is_busy_no_more(
    system: ActorSystem, clock: Clock
) -> None:
    """Its account is looked at anew; what it did not use is not saved up."""
    guest = Guest(clock, SHORT)
    ref = system.spawn(guest)
    cell = cell_of(ref)

    async def take(messages: int, pause: float) -> None:
        for _ in range(messages):
            clock.now += pause
            await ref.ask(b"")

    await take(100, 0.0)
    assert cell.share is not None
    await take(100, 0.02)
    assert cell.share is None
    assert ref.processor_seconds == pytest.approx(200 * SHORT)


async def test_starts_are_on_the_account(system: ActorSystem, clock: Clock) -> None:
    """Each has its price, and the fuel of `init` its own."""

    class Costly(Guest):
        async def start(self) -> None:
            self.fuel_used = 10_000_000

    (ref,) = await started(system, lambda: Costly(clock, 0.0))
    seconds = shares.START_SECONDS + 10_000_000 * shares.FUEL_SECONDS
    assert ref.processor_seconds == pytest.approx(seconds)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf"), float("nan")])
def test_a_weight_is_more_than_nothing(weight: float) -> None:
    """And less than everything."""
    with pytest.raises(InvalidChildSpec, match="weight"):
        ChildSpec("a", object, weight=weight)


@given(
    weights=st.lists(st.floats(0.01, 100), min_size=2, max_size=6),
    costs=st.lists(st.floats(1e-6, 1e-2), min_size=20, max_size=200),
)
def test_no_share_runs_ahead_by_more_than_a_turn(weights: list[float], costs: list[float]) -> None:
    """The rule of stride scheduling, for any weights and turns."""
    table = shares.Shares[Any]()
    accounts = [shares.Share(0.0) for _ in weights]
    cells = [object() for _ in weights]
    known = {id(cell): index for index, cell in enumerate(cells)}
    for cell, account in zip(cells, accounts, strict=True):
        table.push(cell, account)
    for cost in costs:
        index = known[id(table.pop())]
        assert accounts[index].used == min(account.used for account in accounts)
        accounts[index].used += cost / weights[index]
        table.push(cells[index], accounts[index])
    longest = max(costs) / min(weights)
    assert max(a.used for a in accounts) - min(a.used for a in accounts) <= longest * 1.001
