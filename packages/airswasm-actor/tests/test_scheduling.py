"""Timers of actors: they send later, in order, and end with the incarnation that has set them."""

from __future__ import annotations

import anyio
import pytest
from airswasm.actor import (
    ActorStopped,
    ActorSystem,
    ChildSpec,
    Context,
    DeathReason,
    Message,
    SupervisorNode,
    SupervisorSpec,
    TimersNotDurable,
)
from airswasm.actor._running.reference import cell_of

pytestmark = pytest.mark.anyio


class Inbox:
    """Notes what it is given, and waits for it."""

    def __init__(self) -> None:
        self.payloads: list[object] = []
        self.senders: set[str] = set()
        self._changed = anyio.Event()

    def receive(self, message: Message, context: Context) -> None:
        del context
        self.payloads.append(message.payload)
        self.senders.add(message.sender)
        self._changed.set()
        self._changed = anyio.Event()

    async def wait(self, count: int) -> None:
        with anyio.fail_after(30):
            while len(self.payloads) < count:
                await self._changed.wait()


class Clock:
    """Hands its context out as it starts; crashes when it is told so."""

    def __init__(self, contexts: list[Context]) -> None:
        self._contexts = contexts

    def bind(self, context: Context) -> None:
        self._contexts.append(context)

    def receive(self, message: Message, context: Context) -> None:
        if message.payload == "crash":
            raise RuntimeError("told to")
        if message.payload == "stop":
            context.stop()


def clock_of(system: ActorSystem) -> Context:
    contexts: list[Context] = []
    system.spawn(Clock(contexts), name="clock")
    return contexts[0]


async def test_a_message_comes_later_and_again() -> None:
    """In the actor's name, in the order of the delays, until the timer is cancelled."""
    async with ActorSystem() as system:
        inbox = Inbox()
        ref = system.spawn(inbox, name="inbox")
        context = clock_of(system)
        context.send_later("inbox", "second", 0.01)
        context.send_later(ref, "first", 0)
        gone = context.send_later("inbox", "gone", 0.005)
        assert (gone.cancel(), gone.cancel()) == (True, False)
        await gone.written()
        await inbox.wait(2)
        assert (inbox.payloads, inbox.senders) == (["first", "second"], {"clock"})
        tick = context.send_every("inbox", "tick", 0.001)
        await inbox.wait(5)
        assert tick.cancel()
        assert system.books().is_balanced


@pytest.mark.parametrize("how", ["crash", "stop", "stop from outside", "restart"])
async def test_a_timer_ends_with_its_incarnation(how: str) -> None:
    """However it ends; the next one sets its own, and the old context sets none."""
    async with ActorSystem() as system:
        inbox, contexts = Inbox(), list[Context]()
        system.spawn(inbox, name="inbox")
        if how == "restart":
            child = ChildSpec("clock", lambda: Clock(contexts))
            node = SupervisorNode(system, SupervisorSpec(children=(child,)))
            await node.start()
        else:
            system.spawn(Clock(contexts), name="clock")
        old = contexts[0]
        old.send_every("inbox", "old", 3600)
        later = old.send_later("inbox", "old", 3600)
        if how == "stop from outside":
            await system.stop(old.ref)
        else:
            old.ref.tell("crash" if how == "restart" else how)
            await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(30):
            while how == "restart" and len(contexts) < 2:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        assert not later.cancel()
        for send in (old.send_later, old.send_every):
            with pytest.raises(ActorStopped):
                send("inbox", "old", 0.001)
        if how == "restart":
            contexts[1].send_later("inbox", "new", 0)
            await inbox.wait(1)
        assert inbox.payloads == (["new"] if how == "restart" else [])


async def test_the_timers_of_a_version_that_never_came_up_end() -> None:
    """An update that fails leaves those of the running incarnation, and no others."""

    class Candidate(Clock):
        async def start(self) -> None:
            self._contexts[-1].send_every("inbox", "candidate", 3600)
            raise RuntimeError("no")

    async with ActorSystem() as system:
        context = clock_of(system)
        running = context.send_later("clock", "later", 3600)
        contexts: list[Context] = []
        waiting = len(system.timers)
        with pytest.raises(RuntimeError):
            await system.life.prepare(cell_of(context.ref), Candidate(contexts), None)
        assert contexts[0].incarnation == context.incarnation + 1
        assert len(system.timers) == waiting
        assert running.cancel()


async def test_a_message_without_a_receiver_is_a_dead_letter() -> None:
    """One of a repeating timer is not: the next one comes."""
    async with ActorSystem() as system:
        context = clock_of(system)
        context.send_later("missing", "lost", 0)
        tick = context.send_every("missing", "tick", 0.001)
        with anyio.fail_after(30):
            while not system.dead_letters.total:  # noqa: ASYNC110
                await anyio.sleep(0.001)
        inbox = Inbox()
        system.spawn(inbox, name="missing")
        await inbox.wait(1)
        tick.cancel()
        (letter,) = system.dead_letters
        assert (letter.message.payload, letter.reason) == ("lost", DeathReason.UNDELIVERED)
        assert (letter.target, letter.message.sender) == ("missing", "clock")
        assert system.books().is_balanced


async def test_what_cannot_be_set() -> None:
    """A delay of no sense, and a durable timer without a store."""
    async with ActorSystem() as system:
        context = clock_of(system)
        for seconds in (-1.0, float("nan")):
            with pytest.raises(ValueError, match="delay"):
                context.send_later("clock", "x", seconds)
        with pytest.raises(ValueError, match="interval"):
            context.send_every("clock", "x", 0)
        with pytest.raises(TimersNotDurable):
            context.send_later("clock", b"x", 1, is_durable=True)
