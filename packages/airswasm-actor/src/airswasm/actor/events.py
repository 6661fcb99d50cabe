"""Life cycle events, as a stream that monitoring and the CLI consume.

Emitting costs one test when nobody listens. A listener that is called must not raise: what it
raises is counted and dropped, since one bad observer must not stop actors. A stream is bounded:
a slow reader loses the oldest events and is told how many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from enum import StrEnum

import anyio

__all__ = ("EventKind", "EventListener", "EventStream", "LifecycleEvent", "Subscription")


class EventKind(StrEnum):
    """What happened."""

    STARTED = "started"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    RESTARTED = "restarted"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class LifecycleEvent:
    """One step in the life of an actor or a supervisor.

    Attributes:
        kind: What happened.
        name: To whom.
        time: The system's clock, in seconds.
        incarnation: Which incarnation; 0 for a supervisor.
        reason: `normal`, `shutdown`, `crash`, `killed`, or empty.
        cause: The error, for `failed` and `given_up`.
    """

    kind: EventKind
    name: str
    time: float
    incarnation: int = 0
    reason: str = ""
    cause: BaseException | None = None


EventListener = Callable[[LifecycleEvent], None]


class Subscription:
    """Ends with `cancel`, which may be called any number of times."""

    __slots__ = ("_cancel",)

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel: Callable[[], None] | None = cancel

    def cancel(self) -> None:
        """Ends it."""
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()


class EventStream:
    """Where life cycle events go. `listen` to be called, iterate `read` to wait for them.

    Attributes:
        has_listeners: Whether an event would reach anybody.
        listener_errors: How many times a listener raised; the last one is `last_error`.
    """

    __slots__ = ("_listeners", "has_listeners", "last_error", "listener_errors")

    def __init__(self) -> None:
        self._listeners: tuple[EventListener, ...] = ()
        self.has_listeners = False
        self.listener_errors = 0
        self.last_error: Exception | None = None

    def listen(self, listener: EventListener) -> Subscription:
        """Calls `listener` with each event from now on, on the loop's thread."""
        self._listeners = (*self._listeners, listener)
        self.has_listeners = True
        return Subscription(lambda: self._remove(listener))

    def emit(self, event: LifecycleEvent) -> None:
        """Gives `event` to everybody who listens."""
        for listener in self._listeners:
            try:
                listener(event)
            except Exception as error:
                self.note_error(error)

    def note_error(self, error: Exception) -> None:
        """Counts what an observer or a callback raised; actors go on."""
        self.listener_errors += 1
        self.last_error = error

    async def read(self, *, capacity: int = 1000) -> AsyncGenerator[LifecycleEvent, None]:
        """The events from the first step of the iteration on, without an end.

        Close it when you leave early: `async with contextlib.aclosing(...)`.

        A reader more than `capacity` events behind loses the oldest ones.
        """
        waiting: deque[LifecycleEvent] = deque(maxlen=capacity)
        news = anyio.Event()

        def note(event: LifecycleEvent) -> None:
            waiting.append(event)
            news.set()

        subscription = self.listen(note)
        try:
            while True:
                while waiting:
                    yield waiting.popleft()
                news = anyio.Event()
                await news.wait()
        finally:
            subscription.cancel()

    def _remove(self, listener: EventListener) -> None:
        remaining = list(self._listeners)
        remaining.remove(listener)
        self._listeners = tuple(remaining)
        self.has_listeners = bool(remaining)
