"""The questions that a home answers hosted or not, and the answers of one that is not.

The methods are asynchronous as those of every `Host` are, and never wait: so a verb asks them
without an event loop (`_connection.ask`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Protocol

from .._control.document import Document, mapping, to_json
from ..errors import HostNotRunning
from .audit import AuditHost, StoredAudit

if TYPE_CHECKING:
    from airswasm.lifecycle import (
        AuditTrail,
        ComponentInfo,
        ComponentStatus,
        ComponentSummary,
        Home,
        LogEntry,
        LogQuery,
        RouteInfo,
        SystemStatus,
    )

__all__ = ("HostReader", "StoredHost", "to_document")


class HostReader(AuditHost, Protocol):
    """A home's components, running or not, to look at."""

    async def status(self) -> Document:
        """Return how the host and its components do."""
        ...

    async def all_logs(
        self, recent: int = 100, follow: bool = False, since: float | None = None,
        until: float | None = None, level: str = "", grep: str = "", trace: str = "",
    ) -> AsyncIterator[Document]:  # fmt: skip
        """Return the log lines of all components; with `follow` without an end."""
        ...

    async def list(self) -> Sequence[Document]:
        """Return all installed components."""
        ...

    async def routes(self) -> Sequence[Document]:
        """Return what each name leads to."""
        ...

    async def info(self, name: str) -> Document:
        """Return all that is known of one component."""
        ...

    async def logs(
        self, name: str, recent: int = 100, follow: bool = False, since: float | None = None,
        until: float | None = None, level: str = "", grep: str = "", trace: str = "",
    ) -> AsyncIterator[Document]:  # fmt: skip
        """Return the log lines of a component that is installed, or was, or was tried."""
        ...


class _Logs(Protocol):
    def recent(
        self, component: str, count: int = 100, query: LogQuery | None = None
    ) -> tuple[LogEntry, ...]: ...


class _Source(Protocol):
    """A `HomeReader`, or a `System`."""

    @property
    def home(self) -> Home: ...
    @property
    def logs(self) -> _Logs: ...
    @property
    def audit(self) -> AuditTrail: ...
    @property
    def audited_messages(self) -> AuditTrail: ...
    def list(self) -> tuple[ComponentSummary, ...]: ...
    def routes(self) -> tuple[RouteInfo, ...]: ...
    def info(self, name: str) -> ComponentInfo: ...
    def status(self) -> SystemStatus: ...
    def component_status(self, name: str) -> ComponentStatus: ...


class StoredHost(StoredAudit):
    """The contents of a home, in documents.

    Args:
        source: Where it is read.
    """

    def __init__(self, source: _Source) -> None:
        super().__init__(source)
        self._source = source

    async def status(self) -> Document:
        """See `HostReader`."""
        return to_document(self._source.status())

    async def all_logs(
        self, recent: int = 100, follow: bool = False, since: float | None = None,
        until: float | None = None, level: str = "", grep: str = "", trace: str = "",
    ) -> AsyncIterator[Document]:  # fmt: skip
        """See `HostReader`."""
        query = _log_query(since, until, level, grep, trace)
        return self._log_lines(None, recent, query, follow=follow)

    async def list(self) -> Sequence[Document]:
        """See `HostReader`."""
        return [to_document(each) for each in self._source.list()]

    async def routes(self) -> Sequence[Document]:
        """See `HostReader`."""
        return [to_document(each) for each in self._source.routes()]

    async def info(self, name: str) -> Document:
        """See `HostReader`."""
        return to_document(self._source.info(name))

    async def logs(
        self, name: str, recent: int = 100, follow: bool = False, since: float | None = None,
        until: float | None = None, level: str = "", grep: str = "", trace: str = "",
    ) -> AsyncIterator[Document]:  # fmt: skip
        """See `HostReader`."""
        from airswasm.lifecycle import is_component_name

        if not is_component_name(name) or not self._source.logs.recent(name, 1):
            self._source.component_status(name)
        query = _log_query(since, until, level, grep, trace)
        return self._log_lines(name, recent, query, follow=follow)

    def _log_lines(
        self, name: str | None, recent: int, query: LogQuery | None, *, follow: bool
    ) -> AsyncIterator[Document]:
        if follow:
            raise HostNotRunning("logs --follow", str(self._source.home.folder))
        return self._read_log(name, recent, query)

    async def _read_log(
        self, name: str | None, recent: int, query: LogQuery | None
    ) -> AsyncIterator[Document]:
        for line in self._found_lines(self._logging(name), recent, query):
            yield to_document(line)

    def _logging(self, name: str | None) -> Sequence[str]:
        """Return the components whose logs are wanted."""
        return [name] if name else [each.name for each in self._source.list()]

    def _found_lines(
        self, names: Sequence[str], recent: int, query: LogQuery | None
    ) -> Sequence[LogEntry]:
        """Return the last lines; those of many components as one log."""
        logs = self._source.logs
        found = [line for each in names for line in logs.recent(each, recent, query)]
        return sorted(found, key=lambda each: each.time)[-recent:] if recent else ()


def _log_query(
    since: float | None, until: float | None, level: str, grep: str, trace: str
) -> LogQuery | None:
    """Return what is asked of a log; None for all of its lines."""
    if since is None and until is None and not (level or grep or trace):
        return None
    from airswasm.lifecycle import LogQuery

    return LogQuery(since, until, level, grep, trace)


def to_document(value: object) -> Document:
    """Return a block's dataclass as a JSON object."""
    return mapping(to_json(value))
