"""The traces of one system: they begin as receipts of messages."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import anyio
from airswasm.actor import ActorSystem, Receipt, Subscription
from airswasm.runtime import Finding

from ..errors import TraceNotKept
from .exporting import ExportCounts, Exporter, resource_of
from .making import number_of_spans
from .recent import RecentTraces, TraceRecord
from .settings import TracingSettings

__all__ = ("Traces",)


class Traces:
    """Keeps the last traces of a system, and sends all spans to a collector if there is one.

    Attributes:
        recent: The last traces.
        spans: How many spans were made.
        counts: What became of those that go to a collector.

    Args:
        system: The actors.
        settings: The section `[tracing]`.
    """

    def __init__(self, system: ActorSystem, settings: TracingSettings) -> None:
        self._system = system
        self._settings = settings
        self._tracing: Subscription | None = None
        self._exporter: Exporter | None = None
        self._change = anyio.Event()
        self._instance_id = str(uuid4())
        self.recent = RecentTraces(settings.kept, settings.kept_bytes)
        self.spans = 0
        self.counts = ExportCounts()
        self.hold_to(settings)

    @property
    def is_tracing(self) -> bool:
        """Whether messages are traced."""
        return self._tracing is not None

    def hold_to(self, settings: TracingSettings) -> None:
        """Trace, keep and send by other settings from now on."""
        before, self._settings = self._settings, settings
        self.recent.hold_to(settings.kept, settings.kept_bytes)
        if self._exporter is None or before != settings:
            self._exporter = self._make_exporter()
            self._change.set()
        if settings.traces == "off":
            self.close()
        elif self._tracing is None:
            self._tracing = self._system.receipts.trace(self._note, settings.sample)
        else:
            self._system.tracing.ratio = settings.sample

    def close(self) -> None:
        """Trace no more. What was kept stays readable."""
        if self._tracing is not None:
            self._tracing.cancel()
            self._tracing = None

    async def run(self) -> None:
        """Send spans to the collector of the settings, until cancelled."""
        while True:
            self._change = anyio.Event()
            async with anyio.create_task_group() as group:
                if self._exporter is not None:
                    group.start_soon(self._exporter.run)
                await self._change.wait()
                group.cancel_scope.cancel()

    def all(self, name: str = "") -> Iterator[TraceRecord]:
        """Iterate over the traces that are kept, the oldest first; or over a component's."""
        return self.recent.all(name)

    def get(self, trace_id: str) -> TraceRecord:
        """Return a trace by its id, or by a beginning of it that no other one has.

        Raises:
            TraceNotKept: It is not kept any more, or never was.
        """
        found = self.recent.find(trace_id)
        if found is None:
            raise TraceNotKept(trace_id, is_tracing=self.is_tracing)
        return found

    def numbers(self) -> dict[str, int]:
        """Return how many spans were made, and what became of those for a collector."""
        return self.counts.numbers(self.spans)

    def findings(self) -> list[Finding]:
        """Return what is wrong with the collector."""
        return [] if self._exporter is None else self._exporter.findings()

    def _make_exporter(self) -> Exporter | None:
        settings = self._settings
        if not settings.endpoint:
            return None
        return Exporter(settings, resource_of(settings, self._instance_id), self.counts)

    def _note(self, receipt: Receipt) -> None:
        spans = number_of_spans(receipt)
        self.spans += spans
        self.recent.add(receipt, spans)
        if self._exporter is not None:
            self._exporter.offer(receipt, spans)
