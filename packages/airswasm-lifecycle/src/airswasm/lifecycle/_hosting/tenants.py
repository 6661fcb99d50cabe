"""The components of a host as those who take its memory, and what is said when one has to give."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from airswasm.actor import ActorSystem
from airswasm.runtime import Meters
from airswasm.security import AuditEvent, AuditLog, AuditUnavailable, Guard

from .._block import ENDED_FOR_MEMORY
from .._home.logbook import LogBook
from ..errors import EndedForMemory
from .hosting import Hosting
from .pressure import Load

__all__ = ("HostTenants",)


class HostTenants:
    """Satisfies `Tenants` over a host's components."""

    def __init__(
        self,
        hosting: Hosting,
        actors: ActorSystem,
        guard: Guard,
        logs: LogBook,
        audit: AuditLog,
        meters: Meters,
    ) -> None:
        self._hosting, self._actors, self._guard = hosting, actors, guard
        self._logs, self._audit, self._meters = logs, audit, meters

    def loads(self) -> Iterator[Load]:
        """Yield what each component takes, with what is tried beside it."""
        beside = dict(self._hosting.beside.taken_bytes())
        for name, _, actor in self._hosting.running():
            remembered = self._guard.remembered_bytes(name) + beside.pop(name, 0)
            yield Load(name, actor.taken_bytes + remembered, actor.weight)
        for name, size_bytes in beside.items():
            yield Load(name, size_bytes)

    def ease(self, load: Load) -> None:
        """Forget what was decided for it, and say that it is the first to give."""
        self._guard.forget_decisions(load.name)
        text = (
            f"the host's memory is scarce, and this component takes most of it "
            f"({load.size_bytes:,} bytes): it gets no more, and ends if that does not help"
        )
        self._logs.write(load.name, "warn", text, source="supervisor")
        self._record(load.name, text)

    def end(self, load: Load, error: EndedForMemory) -> None:
        """Crash it: its supervisor says so in its log, and starts it again.

        What is tried beside it gives first, and where that was enough the component goes on.
        """
        tried = self._hosting.beside.end(load.name, error.most_bytes)
        for each in tried:
            self._meters.add(ENDED_FOR_MEMORY, load.name)
            self._logs.write(load.name, "warn", str(each), source="supervisor")
            self._record(load.name, str(each))
        if tried:
            return
        for name, ref, _ in self._hosting.running():
            if name == load.name and self._actors.crash(ref, error):
                self._meters.add(ENDED_FOR_MEMORY, name)
                self._record(name, str(error))

    def _record(self, name: str, reason: str) -> None:
        with suppress(AuditUnavailable):  # the memory is needed, whether or not it is written down
            self._audit.record(AuditEvent("memory", name, "done", reason=reason))
