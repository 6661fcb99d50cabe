"""The readers of live tables: each at its own pace, over one look at the host.

A reader is asked for nothing while it is slow: its next frames have what has changed since the last
ones that it took, and the events between, as far as there is room. So it holds a bounded memory,
and neither a component nor another reader waits for it. Looks are shared, so ten pages cost little
more than one.

Rejected: to push each change. A busy component changes with every message, and a page shows no more
than a look in a second or two.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import ExitStack

import anyio
from airswasm.actor import ActorSystem
from airswasm.runtime import BOUNDS, HostMemory

from .._health import HealthReport
from .._history import History
from .components import COMPONENT_COLUMNS, ComponentTable
from .frames import PARTS, Frame, Part, Row
from .streams import Events, Receipts, Stream
from .supervisors import SUPERVISOR_COLUMNS, supervisor_rows
from .tables import Changes
from .traffic import TRAFFIC_COLUMNS, Traffic

__all__ = ("Watching",)

_FRESH_SECONDS = 0.9
"""A look at the components is that of all readers for so long."""
_HEALTH_SECONDS = 10.0
"""Between two reports of health, each of which looks at everything, stored data too."""
_SHOWN_FINDINGS = 20
_TEXT = 500

Ask = Callable[[], Awaitable[Frame | None]]


class Watching:
    """Gives what happens on a host to any number of readers.

    Attributes:
        readers: How many there are.

    Args:
        system: The system.
        history: The histories of its components.
        health: Returns the report of health.
        memory: The host's budget, if it has one.
        clock: The monotonic clock, by which looks and reports are kept for a while.
    """

    def __init__(
        self,
        system: ActorSystem,
        history: History,
        health: Callable[[], Awaitable[HealthReport]],
        memory: HostMemory | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._system, self._health, self._memory = system, health, memory
        self._clock = clock
        self._history = history
        self._wall: float | None = None
        self._table: ComponentTable | None = None
        self._traffic = Traffic(system)
        self._rows: dict[str, Row] = {}
        self._looked_at = float("-inf")
        self._report: HealthReport | None = None
        self._reported_at = float("-inf")
        self._lock = anyio.Lock()
        self._over = anyio.Event()
        self.readers = 0

    async def read(
        self, parts: Iterable[Part], *, name: str = "", interval: float = 2.0
    ) -> AsyncGenerator[Frame]:
        """Iterate over frames, until `close`.

        Close it when you leave early: `async with contextlib.aclosing(...)`.

        Args:
            parts: What to watch; `receipts` needs a name. `host` comes in any case, as the sign
                that the host is there.
            name: The component whose receipts to watch.
            interval: Seconds between two looks.
        """
        with ExitStack() as leaving:
            self.readers += 1
            leaving.callback(self._leave)
            asked = {"host", *parts}
            asks = [self._ask(part, name, leaving) for part in PARTS if part in asked]
            while not self._over.is_set():
                for ask in asks:
                    frame = await ask()
                    if frame is not None:
                        yield frame
                with anyio.move_on_after(interval):
                    await self._over.wait()

    def close(self) -> None:
        """Let all readers end: the host is about to stop."""
        self._over.set()

    def _leave(self) -> None:
        self.readers -= 1
        if not self.readers:  # what was seen is of no use to a later reader
            self._rows, self._table = {}, None
            self._looked_at = float("-inf")

    def _ask(self, part: Part, name: str, leaving: ExitStack) -> Ask:
        match part:
            case "host":
                return self._host()
            case "components":
                return self._rows_of(part, COMPONENT_COLUMNS, self._components)
            case "supervisors":
                return self._rows_of(part, SUPERVISOR_COLUMNS, self._supervisors)
            case "traffic":
                self._traffic.join()
                leaving.callback(self._traffic.leave)
                return self._rows_of(part, TRAFFIC_COLUMNS, self._pairs)
            case "events":
                stream: Stream = Events(self._system, self._offset())
            case "receipts":
                stream = Receipts(self._system, self._offset(), name)
        leaving.callback(stream.close)
        return _lines_of(part, stream)

    def _rows_of(
        self,
        part: Part,
        columns: tuple[str, ...],
        look: Callable[[], Awaitable[Mapping[str, Row]]],
    ) -> Ask:
        changes = Changes()
        is_first = True

        async def ask() -> Frame | None:
            nonlocal is_first
            rows, gone = changes.since(await look())
            shown = columns if is_first else ()
            lost = self._traffic.beyond if part == "traffic" else 0
            if not (rows or gone or shown):
                return None
            is_first = False
            return Frame(part, time.time(), shown, rows, gone, lost=lost)

        return ask

    def _host(self) -> Ask:
        is_first = True

        async def ask() -> Frame:
            nonlocal is_first
            figures = await self._figures()
            if is_first:
                figures["bounds"] = BOUNDS
            is_first = False
            return Frame("host", time.time(), figures=figures)

        return ask

    async def _components(self) -> Mapping[str, Row]:
        async with self._lock:
            if self._clock() - self._looked_at >= _FRESH_SECONDS:
                if self._table is None:
                    self._table = ComponentTable(self._system, self._history, self._offset())
                self._rows = await self._table.look()
                self._looked_at = self._clock()
            return self._rows

    async def _supervisors(self) -> Mapping[str, Row]:
        return supervisor_rows(self._system)

    async def _pairs(self) -> Mapping[str, Row]:
        return self._traffic.rows()

    async def _figures(self) -> dict[str, object]:
        if self._clock() - self._reported_at >= _HEALTH_SECONDS:
            self._reported_at = self._clock()
            self._report = await self._health()
        dispatcher, memory, report = self._system.dispatcher, self._memory, self._report
        letters = self._system.dead_letters.by_reason
        return {
            "sent": dispatcher.sent,
            "handled": dispatcher.handled,
            "rejected": dispatcher.rejected,
            "expired": dispatcher.expired,
            "dead_letters": {reason.value: count for reason, count in letters.items()},
            "memory_bytes": memory.taken_bytes if memory else None,
            "memory_most_bytes": memory.most_bytes if memory else None,
            "descriptors": memory.held_descriptors if memory else None,
            "descriptors_most": memory.most_descriptors if memory else None,
            "readers": self.readers,
            **(_health_figures(report) if report is not None else {}),
        }

    def _offset(self) -> float:
        """Return what to add to the system's clock for seconds since 1970; always the same."""
        if self._wall is None:
            self._wall = time.time() - self._system.clock()
        return self._wall


def _lines_of(part: Part, stream: Stream) -> Ask:
    is_first = True

    async def ask() -> Frame | None:
        nonlocal is_first
        lines, lost = stream.take()
        columns = stream.columns if is_first else ()
        if not (lines or lost or columns):
            return None
        is_first = False
        return Frame(part, time.time(), columns, lines=lines, lost=lost)

    return ask


def _health_figures(report: HealthReport) -> dict[str, object]:
    return {
        "health": report.health.name.lower(),
        "is_ready": report.is_ready,
        "total_findings": report.total,
        "findings": [
            {
                "health": each.health.name.lower(),
                "subject": each.subject,
                "text": each.text[:_TEXT],
                "hint": each.hint,
            }
            for each in report.findings[:_SHOWN_FINDINGS]
        ],
    }
