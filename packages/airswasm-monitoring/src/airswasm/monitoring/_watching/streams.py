"""Events and receipts for one reader: bounded, and the oldest gives way to the newest."""

from __future__ import annotations

from collections import deque

from airswasm.actor import ActorSystem, LifecycleEvent, Receipt, Subscription

from .._history import in_one_line
from .frames import Row

__all__ = ("EVENT_COLUMNS", "RECEIPT_COLUMNS", "Events", "Receipts", "Stream")

EVENT_COLUMNS = ("time", "kind", "name", "incarnation", "reason", "cause")
RECEIPT_COLUMNS = (
    "time", "sender", "topic", "incarnation", "version", "outcome", "error", "queue_seconds",
    "run_seconds", "bytes_in", "bytes_out", "fuel", "busy_seconds", "memory_bytes", "host_calls",
)  # fmt: skip
"""`host_calls` are triples of a function, its calls and their seconds."""
_CAPACITY = 300
_CAUSE = 300


class Stream:
    """The newest lines that a reader has not taken yet.

    Args:
        columns: The names of a line's columns.
        wall: What to add to the system's clock for seconds since 1970.
    """

    def __init__(self, columns: tuple[str, ...], wall: float) -> None:
        self.columns, self._wall = columns, wall
        self._waiting: deque[Row] = deque(maxlen=_CAPACITY)
        self._lost = 0
        self._listening: Subscription | None = None

    def take(self) -> tuple[list[Row], int]:
        """Return the lines since the last time, and how many more there were."""
        lines, lost = list(self._waiting), self._lost
        self._waiting.clear()
        self._lost = 0
        return lines, lost

    def close(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            self._listening.cancel()

    def _put(self, line: Row) -> None:
        self._lost += len(self._waiting) == _CAPACITY
        self._waiting.append(line)


class Events(Stream):
    """The life cycle events of all components, from now on."""

    def __init__(self, system: ActorSystem, wall: float) -> None:
        super().__init__(EVENT_COLUMNS, wall)
        self._listening = system.events.listen(self.note)

    def note(self, event: LifecycleEvent) -> None:
        """Keep an event."""
        self._put(
            (
                round(event.time + self._wall, 3), event.kind.value, event.name,
                event.incarnation, event.reason, in_one_line(event)[:_CAUSE],
            )
        )  # fmt: skip


class Receipts(Stream):
    """The receipts of one component, from now on."""

    def __init__(self, system: ActorSystem, wall: float, name: str) -> None:
        super().__init__(RECEIPT_COLUMNS, wall)
        self._listening = system.receipts.listen(self.note, name)

    def note(self, receipt: Receipt) -> None:
        """Keep a receipt."""
        use = receipt.use
        ended_at = receipt.sent_at + receipt.queue_seconds + receipt.run_seconds
        calls = use.host_calls if use is not None else ()
        self._put(
            (
                round(ended_at + self._wall, 3), receipt.sender, receipt.topic,
                receipt.incarnation, receipt.version, receipt.outcome.value, receipt.error,
                receipt.queue_seconds, receipt.run_seconds, receipt.bytes_in, receipt.bytes_out,
                receipt.fuel, use.busy_seconds if use is not None else None,
                use.memory_bytes if use is not None else None,
                tuple((each.function, each.calls, each.seconds) for each in calls),
            )
        )  # fmt: skip
