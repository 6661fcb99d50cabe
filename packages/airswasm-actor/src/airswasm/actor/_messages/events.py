"""Life cycle events, as a stream that monitoring and the CLI consume.

Emitting costs one test when there is no listener. An error of a listener is counted and dropped,
since one bad observer must not stop actors. A stream is bounded: a slow reader loses the oldest
events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from enum import StrEnum

import anyio

from .._foreign import repr_of
from .trace import TraceContext

__all__ = ("EventKind", "EventListener", "EventStream", "LifecycleEvent", "Subscription")


class EventKind(StrEnum):
    """The kinds of events."""

    STARTED = "started"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    RESTARTED = "restarted"
    UPDATED = "updated"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class LifecycleEvent:
    """One step in the life of an actor or a supervisor.

    Attributes:
        kind: The kind of the event.
        name: The actor or supervisor that it happened to.
        time: The system's clock, in seconds.
        incarnation: Which incarnation; 0 for a supervisor.
        reason: `normal`, `shutdown`, `crash`, `killed`, `replaced`, or empty.
        cause: The error, for `failed` and `given_up`, and for an incarnation that is replaced.
        trace: The place in its trace of the message that an incarnation has failed over; None
            where there is no message, or no trace.
    """

    kind: EventKind
    name: str
    time: float
    incarnation: int = 0
    reason: str = ""
    cause: BaseException | None = None
    trace: TraceContext | None = None

    def __repr__(self) -> str:
        return repr_of(self)


EventListener = Callable[[LifecycleEvent], None]


class Subscription:
    """Something that goes on until `cancel`, which may be called any number of times."""

    __slots__ = ("_cancel",)

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel: Callable[[], None] | None = cancel

    def cancel(self) -> None:
        """End it."""
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()


class EventStream:
    """The life cycle events of a system. `listen` to be called, or iterate `read`.

    Attributes:
        has_listeners: Whether an event would reach a listener.
        listener_errors: How many errors had no caller to go to: those of listeners, watchers and
            callbacks.
        last_error: The last one of them.
    """

    __slots__ = ("_listeners", "has_listeners", "last_error", "listener_errors")

    def __init__(self) -> None:
        self._listeners: tuple[EventListener, ...] = ()
        self.has_listeners = False
        self.listener_errors = 0
        self.last_error: BaseException | None = None

    def listen(self, listener: EventListener) -> Subscription:
        """Call `listener` with each event from now on, on the loop's thread."""
        self._listeners = (*self._listeners, listener)
        self.has_listeners = True
        return Subscription(lambda: self._remove(listener))

    def emit(self, event: LifecycleEvent) -> None:
        """Give `event` to all listeners."""
        for listener in self._listeners:
            try:
                listener(event)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self.note_error(error)

    def note_error(self, error: BaseException) -> None:
        """Count an error that has no caller to go to; actors go on."""
        self.listener_errors += 1
        self.last_error = error

    async def read(self, *, capacity: int = 1000) -> AsyncGenerator[LifecycleEvent, None]:
        """Iterate over the events from the first step of the iteration on, without an end.

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
        """Remove it once, by identity: a listener's `__eq__` may raise."""
        known = self._listeners
        at = next(index for index, each in enumerate(known) if each is listener)
        self._listeners = (*known[:at], *known[at + 1 :])
        self.has_listeners = bool(self._listeners)
