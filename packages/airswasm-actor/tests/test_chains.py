from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest
from airswasm.actor import (
    ActorSystem,
    AskTimeout,
    Context,
    Envelope,
    Message,
    Outcome,
    TooManyHops,
)
from airswasm.actor.testing import Probe
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

pytestmark = pytest.mark.anyio

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Link:
    """Sends what it gets on to the next of the ring, in one of three ways.

    Attributes:
        seen: The envelopes of what it got.
        refused: What it was not allowed to send.
    """

    def __init__(self, target: str, way: str, seen: list[Envelope | None]) -> None:
        self.target, self.way, self.seen = target, way, seen
        self.refused: list[TooManyHops] = []

    def receive(self, message: Message, context: Context) -> object:
        self.seen.append(message.envelope)
        try:
            if self.way == "publish":
                context.publish(f"to.{self.target}", message.payload)
            elif self.way == "reference":
                context.tell(context.system.broker.resolve(self.target), message.payload)
            else:
                context.tell(self.target, message.payload)
        except TooManyHops as error:
            self.refused.append(error)
        return None


class AskingLink(Link):
    """Asks the next of the ring."""

    async def receive(self, message: Message, context: Context) -> object:  # type: ignore[override]
        self.seen.append(message.envelope)
        if message.topic == "end":
            return None
        try:
            return await context.ask(self.target, message.payload, timeout=60)
        except TooManyHops as error:
            self.refused.append(error)
            return "the end"


ways = st.lists(st.sampled_from(("tell", "publish", "reference")), min_size=1, max_size=5)


@given(ways, st.integers(1, 40))
def test_a_ring_of_sends_dies(ring: list[str], hops: int) -> None:
    """Whatever it is made of: the longest chain has so many hops, and its end is refused."""

    async def run() -> None:
        async with ActorSystem(hops=hops) as system:
            seen: list[Envelope | None] = []
            links = [
                Link(f"link{(number + 1) % len(ring)}", way, seen)
                for number, way in enumerate(ring)
            ]
            for number, link in enumerate(links):
                system.spawn(link, name=f"link{number}")
                system.broker.subscribe(f"to.link{number}", f"link{number}")
            system.broker.tell("link0", b"round", envelope=Envelope("first", traceparent=TRACE))
            for _ in range(hops + 1):
                for ref in system.actors.values():
                    await ref.drain(5)
            assert [each.hops for each in seen if each is not None] == [*range(hops + 1)]
            assert {each.correlation for each in seen[1:] if each is not None} == {"first"}
            assert {each.traceparent for each in seen if each is not None} == {TRACE}
            refused = [error for link in links for error in link.refused]
            assert [(error.most, error.correlation) for error in refused] == [(hops, "first")]
            assert system.dispatcher.hop_deaths == 1
            assert system.books().is_balanced

    anyio.run(run, backend="trio")


async def test_a_chain_of_questions_dies(system: ActorSystem) -> None:
    """As a chain of sends does. It is no ring: each actor asks one that does not wait for it."""
    seen: list[Envelope | None] = []
    links = [AskingLink(f"link{number + 1}", "ask", seen) for number in range(70)]
    for number, link in enumerate(links):
        system.spawn(link, name=f"link{number}")
    assert await system.broker.ask("link0", b"x") == "the end"
    assert [error.most for link in links for error in link.refused] == [64]
    assert len(seen) == 65


def test_too_many_hops_survives_pickle() -> None:
    """With its fields, and its sentence."""
    error = TooManyHops("b", "a", 64, "first")
    again = pickle.loads(pickle.dumps(error))
    assert (again.target, again.sender, again.most, again.correlation) == ("b", "a", 64, "first")
    assert str(again) == str(error)


async def test_a_reference_of_ones_own_begins_a_new_chain(system: ActorSystem) -> None:
    """An actor that continues its own work tells its reference, which carries nothing on."""
    count = 0

    def receive(message: Message, context: Context) -> None:
        nonlocal count
        count += 1
        assert message.envelope is None
        if count < 200:
            context.ref.tell(b"go on")

    ref = system.spawn(receive)
    ref.tell(b"go")
    assert await ref.drain(5)
    assert count == 200


async def test_the_first_message_is_the_correlation(system: ActorSystem) -> None:
    """A message without an envelope has an id all the same, and those that follow name it."""
    probe = Probe()
    system.spawn(probe, name="probe")
    first: list[str] = []

    def receive(message: Message, context: Context) -> None:
        first.append(context.broker.id_of(message))
        assert context.message is message
        context.tell("probe", b"x")
        context.tell("probe", b"y")

    ref = system.spawn(receive)
    ref.tell(b"go")
    await ref.drain(5)
    await probe.wait_for(2)
    envelopes = [message.envelope for message in probe.messages]
    assert envelopes == [Envelope(correlation=first[0], hops=1)] * 2


async def test_outside_of_a_handler_a_chain_begins(system: ActorSystem) -> None:
    """The callback of a timer sends without an envelope."""
    probe = Probe()
    system.spawn(probe, name="probe")

    def receive(message: Message, context: Context) -> None:
        context.call_later(0.001, lambda: context.tell("probe", b"later"))

    ref = system.spawn(receive)
    ref.tell(b"go", envelope=Envelope("first", hops=63))
    await probe.wait_for(1)
    assert probe.messages[0].envelope is None


# -- deadlines -----------------------------------------------------------------------------------


Handler = Callable[[Message, Context], Coroutine[Any, Any, object]]


def with_autojump(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    anyio.run(run, backend="trio", backend_options={"clock": MockClock(autojump_threshold=0)})


async def _silent(message: Message, context: Context) -> object:
    await anyio.sleep(1000)
    return None


@given(st.floats(0.01, 100), st.lists(st.floats(0.01, 100), min_size=1, max_size=5), st.booleans())
def test_a_question_within_a_question_does_not_outlast_it(
    first: float, inner: list[float], is_plain: bool
) -> None:
    """Each asker along the chain has its time-out when the least of those above it is over."""
    ended: dict[int, tuple[float, bool]] = {}

    def link(number: int, timeout: float) -> Handler:
        async def receive(message: Message, context: Context) -> object:
            try:
                return await context.ask(f"link{number + 1}", b"x", timeout=timeout)
            except AskTimeout as error:
                ended[number] = (anyio.current_time(), error.is_inherited)
                raise

        return receive

    async def run() -> None:
        async with ActorSystem() as system:
            system.spawn(_silent, name=f"link{len(inner)}")
            for number, timeout in enumerate(inner):
                system.spawn(link(number, timeout), name=f"link{number}")
            began = anyio.current_time()
            with pytest.raises(Exception):  # noqa: B017, PT011 - its own, or the failure of a link
                await system.broker.ask("link0", b"x", timeout=first)
            await anyio.sleep(200)
            for number, (time, is_inherited) in ended.items():
                bound = min(first, *inner[: number + 1])
                assert time - began == pytest.approx(bound, abs=1e-5)
                if abs(bound - inner[number]) > 1e-3:  # else it is both
                    assert is_inherited is (bound < inner[number])

    with_autojump(run)


def test_the_error_says_whose_deadline_it_was() -> None:
    """A longer time-out of the asker would not help, and the text says what does."""
    assert "deadline of the message in hand" in str(AskTimeout("b", 1, is_inherited=True))
    assert "deadline" not in str(AskTimeout("b", 1))


def test_what_is_told_outlives_the_question() -> None:
    """The asker's time-out is no deadline of what the handler tells others meanwhile."""

    async def run() -> None:
        async with ActorSystem() as system:
            probe = Probe()
            late = system.spawn(probe, name="late", is_paused=True)

            async def receive(message: Message, context: Context) -> object:
                context.tell("late", b"note")
                context.publish("notes", b"note")
                await anyio.sleep(10)
                return b"too late"

            system.broker.subscribe("notes", "late")
            ref = system.spawn(receive)
            with pytest.raises(AskTimeout):
                await ref.ask(b"x", timeout=1)
            await anyio.sleep(100)
            late.resume()
            assert await probe.wait_for(2) == [b"note", b"note"]
            assert system.dispatcher.late == 1

    with_autojump(run)


@given(st.lists(st.tuples(st.sampled_from(("tell", "ask", "publish")), st.integers(1, 9))))
def test_what_is_worthless_is_not_handled(sent: list[tuple[str, int]]) -> None:
    """A message whose deadline passed while it waited is counted, and not handled."""

    async def run() -> None:
        async with ActorSystem() as system:
            probe = Probe()
            ref = system.spawn(probe, name="svc", is_paused=True)
            system.receipts.listen(lambda _receipt: None)
            system.broker.subscribe("t", "svc")
            wall = system.broker.wall_time()
            async with anyio.create_task_group() as group:
                for number, (way, seconds) in enumerate(sent):
                    payload = f"{number} {seconds}"
                    envelope = Envelope(deadline=wall + seconds)
                    if way == "ask":
                        group.start_soon(_ask_in_vain, system, payload, seconds)
                    elif way == "tell":
                        ref.tell(payload, envelope=envelope)
                    else:
                        system.broker.publish("t", payload, envelope=envelope)
                await anyio.sleep(4.5)
                ref.resume()
                await anyio.sleep(10)
            handled = {str(payload) for payload in probe.payloads}
            in_time = {f"{n} {seconds}" for n, (_, seconds) in enumerate(sent) if seconds > 4.5}
            assert handled == in_time
            books = system.books()
            assert (books.expired, books.handled) == (len(sent) - len(in_time), len(in_time))
            assert books.is_balanced
            tally = system.receipts.of("svc")
            assert (tally.outcomes[Outcome.EXPIRED] if tally else 0) == books.expired

    with_autojump(run)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), max_size=9))
def test_what_becomes_worthless_while_a_handler_waits_is_not_handled(
    sent: list[tuple[int, int]],
) -> None:
    """Also where nothing else happens in the host meanwhile."""

    async def run() -> None:
        async with ActorSystem() as system:
            handled: list[object] = []

            async def receive(message: Message, _context: Context) -> None:
                handled.append(message.payload)
                await anyio.sleep(sent[int(str(message.payload))][0])

            ref, wall = system.spawn(receive), system.broker.wall_time()
            expected, passed = [], 0
            for number, (seconds, deadline) in enumerate(sent):
                ref.tell(str(number), envelope=Envelope(deadline=wall + deadline + 0.5))
                if deadline >= passed:
                    expected.append(str(number))
                    passed += seconds
            assert await ref.drain(100)
            assert handled == expected
            assert system.books().expired == len(sent) - len(expected)

    with_autojump(run)


async def _ask_in_vain(system: ActorSystem, payload: str, seconds: int) -> None:
    with contextlib.suppress(AskTimeout):
        await system.broker.ask("svc", payload, timeout=seconds)


async def test_a_deadline_in_the_past_is_refused_at_once(system: ActorSystem) -> None:
    """A question that cannot be answered in time is not asked."""
    probe = Probe()
    ref = system.spawn(probe)
    envelope = Envelope(deadline=system.broker.wall_time() - 1)
    with pytest.raises(AskTimeout) as caught:
        await ref.ask(b"x", envelope=envelope)
    assert caught.value.is_inherited
    with pytest.raises(AskTimeout):
        ref.request(b"x", lambda _: None, timeout=5, envelope=envelope)
    assert probe.messages == []
    assert system.books().is_balanced


async def test_a_deadline_that_was_set_travels(system: ActorSystem) -> None:
    """To all that the handler sends: nothing that comes later has a value."""
    probe = Probe()
    system.spawn(probe, name="probe")

    def receive(message: Message, context: Context) -> None:
        context.tell("probe", b"x")

    deadline = system.broker.wall_time() + 60
    system.spawn(receive).tell(b"go", envelope=Envelope(deadline=deadline))
    await probe.wait_for(1)
    assert probe.messages[0].envelope is not None
    assert probe.messages[0].envelope.deadline == deadline
