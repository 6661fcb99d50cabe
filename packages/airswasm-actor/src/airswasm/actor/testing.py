"""For tests of code that uses actors: actors that follow a script, and faults on purpose.

Nothing here is a mock: a `Probe` is an actor, and `Faults` acts on a real system. Run tests that
depend on time on trio's clock with autojump, for which these need nothing:

    @pytest.fixture
    def anyio_backend():
        return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from ._messages.events import LifecycleEvent
from ._running.mailbox import drop_oldest
from ._running.phase import Phase
from ._running.reference import ActorRef, cell_of

if TYPE_CHECKING:
    from ._lives.context import Context
    from ._messages.events import EventStream
    from ._messages.message import Message
    from ._system import ActorSystem

__all__ = (
    "Crash",
    "CrashOnCue",
    "EventRecorder",
    "Faults",
    "Hold",
    "Killed",
    "Leave",
    "Probe",
    "Reply",
    "Scripted",
)


class CrashOnCue(Exception):
    """The error that `Crash` steps raise."""


class Killed(Exception):
    """The error that ends an actor which `Faults.kill` has killed."""


class Probe:
    """Records the messages that it is sent, and answers all with `answer`.

    Attributes:
        messages: The messages that it has handled, the oldest first.
        answer: Its reply to everything.
    """

    def __init__(self, answer: object = None) -> None:
        self.messages: list[Message] = []
        self.answer = answer
        self._news = anyio.Event()

    @property
    def payloads(self) -> list[object]:
        """The payloads of `messages`."""
        return [message.payload for message in self.messages]

    def receive(self, message: Message, context: Context) -> object:  # noqa: ARG002
        """Record a message."""
        self.messages.append(message)
        self._news.set()
        return self.answer

    async def wait_for(self, count: int, *, timeout: float = 5.0) -> list[object]:
        """Wait for the first `count` payloads, and return them.

        Raises:
            TimeoutError: Fewer came in time.
        """
        with anyio.fail_after(timeout):
            while len(self.messages) < count:
                self._news = anyio.Event()
                await self._news.wait()
        return self.payloads[:count]


@dataclass(frozen=True, slots=True)
class Reply:
    """A step that answers with a value."""

    value: object = None


@dataclass(frozen=True, slots=True)
class Crash:
    """A step that raises `CrashOnCue`."""

    text: str = "crash on cue"


@dataclass(frozen=True, slots=True)
class Leave:
    """A step that ends the actor of its own wish."""

    reason: str = "normal"


@dataclass(frozen=True, slots=True)
class Hold:
    """A step that waits until the event is set, and answers with a value."""

    until: anyio.Event
    value: object = None


class Scripted:
    """Takes one step of its script for each message; echoes when there is none left.

    The script is shared by all incarnations that are given the same one, so that a restarted actor
    goes on where the last one crashed.
    """

    def __init__(self, *steps: Reply | Crash | Leave | Hold) -> None:
        self.steps = deque(steps)

    async def receive(self, message: Message, context: Context) -> object:
        """Take the next step."""
        step = self.steps.popleft() if self.steps else Reply(message.payload)
        if isinstance(step, Crash):
            raise CrashOnCue(step.text)
        if isinstance(step, Leave):
            context.stop(step.reason)
            return None
        if isinstance(step, Hold):
            await step.until.wait()
        return step.value


class EventRecorder:
    """Keeps all life cycle events of a system.

    Attributes:
        events: The oldest first.
    """

    def __init__(self, stream: EventStream) -> None:
        self.events: list[LifecycleEvent] = []
        stream.listen(self.events.append)

    def kinds(self, name: str) -> list[str]:
        """Return the kinds of the events of one actor, in order."""
        return [event.kind.value for event in self.events if event.name == name]


class Faults:
    """Does damage to a system; the same damage for the same seed.

    Attributes:
        rng: The source of chance.
    """

    def __init__(self, system: ActorSystem, seed: int = 0) -> None:
        self._system = system
        self.rng = random.Random(seed)

    def kill(self, ref: ActorRef) -> bool:
        """Crash the incarnation, with the message in hand. Return False if it is not up."""
        return self._system.crash(ref, Killed(f"{ref.name} was killed on purpose"))

    def kill_any(self) -> ActorRef | None:
        """Kill an actor by chance, and return it; None when none is up."""
        running = [ref for ref in self._system.actors.values() if ref.phase is Phase.RUNNING]
        victim = self.rng.choice(running) if running else None
        return victim if victim is not None and self.kill(victim) else None

    def drop(self, ref: ActorRef, count: int = 1) -> int:
        """Move waiting messages to the dead letters. Return how many there were to move."""
        return sum(drop_oldest(cell_of(ref)) for _ in range(count))

    def flood(self, ref: ActorRef, count: int, payload: object = b"") -> int:
        """Send until `count` or until one is not accepted. Return how many were."""
        from .errors import DeliveryError

        for accepted in range(count):
            try:
                ref.tell(payload, sender="flood")
            except DeliveryError:
                return accepted
        return count

    def delay(self, ref: ActorRef, seconds: float) -> None:
        """Deliver nothing to an actor for some seconds."""
        ref.pause()
        self._system.timers.after(seconds, ref.resume)

    @contextmanager
    def starve(self, ref: ActorRef) -> Generator[None, None, None]:
        """Deliver nothing to an actor inside the block."""
        ref.pause()
        try:
            yield
        finally:
            ref.resume()
