"""The operations that verbs ask of a host, running or on disk.

Two classes answer: `LocalHost`, a `System` in this process, and `control_client.RemoteHost`, which
asks the running host over its socket. Both return documents (`document`), so a verb prints the same
either way, and the control server is a `LocalHost` with routes.

`Host` gives types to the rows of `control_api.OPERATIONS`: one method for each,
with the same parameters. Each area has a module with its part of the protocol and of the class;
those that only look are in `stored_host`.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from .._control.api import OPERATIONS
from .._control.document import Document
from .._control.operation import Operation, Table
from .alerts import AlertHost, LocalAlerts
from .audit import LocalAudit
from .changes import ChangeHost, LocalChanges
from .functions import FunctionHost, LocalFunctions
from .grants import GrantHost, LocalGrants
from .letters import LetterHost, LocalLetters
from .messages import LocalMessages, MessageHost
from .recordings import LocalRecordings, RecordingHost
from .storage import LocalStorage, StorageHost
from .stored_host import HostReader, StoredHost, to_document
from .swaps import LocalSwaps, SwapHost
from .timers import LocalTimers, TimerHost
from .tokens import LocalTokens, TokenHost
from .traces import LocalTraces, TraceHost
from .trust import LocalTrust, TrustHost
from .versions import LocalVersions, VersionHost
from .watching import LocalWatch, WatchHost, monitor_of

if TYPE_CHECKING:
    from airswasm.lifecycle import LogQuery, System

__all__ = ("Host", "LocalHost")

_MOST_REASONS = 5


class Host(
    HostReader,
    ChangeHost,
    GrantHost,
    MessageHost,
    TrustHost,
    TokenHost,
    StorageHost,
    LetterHost,
    TimerHost,
    TraceHost,
    AlertHost,
    FunctionHost,
    RecordingHost,
    SwapHost,
    VersionHost,
    WatchHost,
    Protocol,
):
    """A home's components, running or not."""

    @property
    def is_online(self) -> bool:
        """Whether components run."""
        ...

    async def about(self) -> Document:
        """Return the host's version, process and home."""
        ...

    async def openapi(self) -> Document:
        """Return the control API as an OpenAPI document."""
        ...

    async def start(self, name: str) -> Document:
        """Start a component, now and whenever the host starts."""
        ...

    async def stop(self, name: str, kill: bool = False) -> Document:
        """Stop a component until a client starts it again; with `kill` at once."""
        ...

    async def restart(self, name: str) -> Document:
        """Stop and start a component."""
        ...

    async def audit_accept(self, reason: str) -> Document:
        """Record that the operator knows of the cuts of the audit log."""
        ...

    async def set_setting(self, setting: str, value: str) -> None:
        """Set one setting in config.toml."""
        ...

    async def unset_setting(self, setting: str) -> None:
        """Remove one setting from config.toml."""
        ...

    async def reload(self, dry_run: bool = False) -> Document:
        """Take config.toml over, and return the report."""
        ...


class LocalHost(
    LocalAudit,
    StoredHost,
    LocalChanges,
    LocalGrants,
    LocalMessages,
    LocalTrust,
    LocalTokens,
    LocalStorage,
    LocalLetters,
    LocalTimers,
    LocalTraces,
    LocalAlerts,
    LocalFunctions,
    LocalRecordings,
    LocalSwaps,
    LocalVersions,
    LocalWatch,
):
    """A `System` of this process, spoken to in documents.

    Args:
        system: The open system.
        operations: The table for `perform` and `openapi`; longer than the host's own if blocks add
            to it.
    """

    def __init__(self, system: System, operations: Table = OPERATIONS) -> None:
        StoredHost.__init__(self, system)
        LocalAudit.__init__(self, system)
        LocalChanges.__init__(self, system)
        LocalGrants.__init__(self, system)
        LocalMessages.__init__(self, system)
        LocalTrust.__init__(self, system)
        LocalTokens.__init__(self, system)
        LocalStorage.__init__(self, system)
        LocalLetters.__init__(self, system)
        LocalTimers.__init__(self, system)
        LocalTraces.__init__(self, system)
        LocalAlerts.__init__(self, system)
        LocalFunctions.__init__(self, system)
        LocalRecordings.__init__(self, system)
        LocalSwaps.__init__(self, system)
        LocalVersions.__init__(self, system)
        LocalWatch.__init__(self, system)
        self._operations = operations
        self._started_at = time.time()

    async def status(self) -> Document:
        """See `HostReader`; with the health of the host."""
        found = to_document(self._system.status())
        monitor = monitor_of(self._system)
        if monitor is None:
            return found
        report = await monitor.look_at_health()
        reasons = [f"{each.subject}: {each.text}" for each in report.findings[:_MOST_REASONS]]
        return {
            **found,
            "health": report.health.name.lower(),
            "health_reasons": reasons,
            "health_findings": report.total,
        }

    async def perform(self, operation: Operation, arguments: Mapping[str, object]) -> object:
        """Carry out an operation of the table, the host's own or a block's."""
        if operation.handler:
            outcome = operation.load()(self._system.services, **arguments)
        else:
            own: Callable[..., object] = getattr(self, operation.name)
            outcome = own(**arguments)
        return await outcome if inspect.isawaitable(outcome) else outcome

    @property
    def is_online(self) -> bool:
        """Whether components run."""
        return self._system.mode == "online"

    async def about(self) -> Document:
        """See `Host`."""
        from importlib.metadata import version

        from .._control.answers import HostAbout

        about = HostAbout(
            version=version("airswasm-cli"),
            pid=os.getpid(),
            home=str(self._system.home.folder),
            started_at=self._started_at,
        )
        return to_document(about)

    async def openapi(self) -> Document:
        """See `Host`."""
        from .._control.openapi import openapi_document

        return openapi_document(self._operations)

    async def info(self, name: str) -> Document:
        """See `HostReader`."""
        await self._system.read_world(name)
        return await super().info(name)

    async def start(self, name: str) -> Document:
        """See `Host`."""
        await self._system.start(name)
        return await self.info(name)

    async def stop(self, name: str, kill: bool = False) -> Document:
        """See `Host`."""
        await self._system.stop(name, kill=kill)
        return await self.info(name)

    async def restart(self, name: str) -> Document:
        """See `Host`."""
        await self._system.restart(name)
        return await self.info(name)

    def _log_lines(
        self, name: str | None, recent: int, query: LogQuery | None, *, follow: bool
    ) -> AsyncIterator[Document]:
        if follow and self.is_online:
            return self._follow(name, recent, query)
        return super()._log_lines(name, recent, query, follow=follow)

    async def _read_log(
        self, name: str | None, recent: int, query: LogQuery | None
    ) -> AsyncIterator[Document]:
        from anyio import to_thread

        # A search reads whole files; components go on meanwhile.
        names = self._logging(name)
        for line in await to_thread.run_sync(self._found_lines, names, recent, query):
            yield to_document(line)

    async def _follow(
        self, name: str | None, recent: int, query: LogQuery | None
    ) -> AsyncIterator[Document]:
        async for line in self._read_log(name, recent, query):
            yield line
        async for entry in self._system.logs.follow(name, query=query):
            yield to_document(entry)
