"""The audit log of an open home, with all that keeps it: its memory, its copies, its messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack

import anyio
import anyio.abc
from airswasm.actor import ActorSystem
from airswasm.runtime import Finding, Health
from airswasm.security import AuditLog, AuditSettings, AuditSinks, AuditUnavailable
from airswasm.storage import KeyValueStore

from .._home.configuration import Setting
from .._home.home import Home
from .audit_memory import AuditMemory
from .audit_trail import AuditTrail
from .message_lines import MessageLines

__all__ = ("Auditing",)

_PAUSE = 1.0


class Auditing:
    """Opens, keeps and closes the audit log of one home.

    Attributes:
        log: The log.
        sinks: Its copies; none unless the home is hosted.
        messages: The lines of messages; None unless a host keeps them.

    Args:
        home: The home, which this process holds.
        settings: The section `[audit]`.
        is_online: Whether components run.
        stack: Closes what is opened.
    """

    def __init__(
        self, home: Home, settings: AuditSettings, stack: AsyncExitStack, *, is_online: bool
    ) -> None:
        self._settings, self._home = settings, home
        self._memories: list[AuditMemory] = []
        self.log = stack.enter_context(
            AuditLog(
                home.audit_log,
                durability=settings.durability,
                max_bytes=settings.file_bytes,
                keep_files=settings.keep_files,
                wait_seconds=settings.wait_seconds,
            )
        )
        names = settings.sinks if is_online else ()
        self.sinks = AuditSinks(names, most_lines=settings.sink_lines)
        stack.callback(self.sinks.close)
        self.log.on_line = self.sinks.offer
        self._prepared: AuditSinks | None = None
        self._is_online = is_online
        stack.callback(self._drop_prepared)
        self.messages: MessageLines | None = None
        if settings.messages and is_online:
            self.messages = MessageLines(home.message_log, settings)
            stack.callback(self.messages.close)

    async def remember(
        self, store: KeyValueStore, settings: Iterable[Setting], stack: AsyncExitStack
    ) -> None:
        """Compare the log and the settings with what the store has of them.

        Args:
            store: The home's open store.
            settings: Those of this start.
            stack: Keeps the last head, before it closes the store.

        Raises:
            AuditUnavailable: The log could not be written.
            StorageError: The store could not be read or written.
        """
        logs = [self.log] if self.messages is None else [self.log, self.messages.log]
        for log in logs:
            memory = AuditMemory(log, store, self._settings)
            await memory.compare()
            stack.push_async_callback(memory.close)
            self._memories.append(memory)
        await self._memories[0].note_settings(settings)

    def prepare(self, settings: AuditSettings) -> Callable[[], None]:
        """Open the sinks of other settings; return what puts all of them into force.

        Raises:
            AuditSinkUnusable: A sink cannot be opened.
        """
        self._drop_prepared()  # of settings that another part of the host refused
        before = self._settings
        if (settings.sinks, settings.sink_lines) != (before.sinks, before.sink_lines):
            names = settings.sinks if self._is_online else ()
            self._prepared = AuditSinks(names, most_lines=settings.sink_lines)

        def apply() -> None:
            self._settings = settings
            logs = [self.log] if self.messages is None else [self.log, self.messages.log]
            for log in logs:
                log.bound(max_bytes=settings.file_bytes, keep_files=settings.keep_files)
            for memory in self._memories:
                memory.hold_to(settings)
            if self._prepared is not None:
                self.sinks.take_over(self._prepared)
                self._prepared = None

        return apply

    def _drop_prepared(self) -> None:
        if self._prepared is not None:
            self._prepared.close()
            self._prepared = None

    async def note_reload(self, settings: Iterable[Setting]) -> None:
        """Record the settings that a reload is about to change, and keep them.

        Raises:
            AuditUnavailable: The log could not be written.
            StorageError: The store could not be written.
        """
        await self._memories[0].note_settings(settings, since="the last reload or start")

    def trail(self) -> AuditTrail:
        """Return the log, to look at."""
        return AuditTrail(self.log.path, self._memories[0].kept, self.log)

    def message_trail(self) -> AuditTrail:
        """Return the log of messages, to look at."""
        if self.messages is None:
            return AuditTrail(self._home.message_log)
        return AuditTrail(self.messages.log.path, self._memories[1].kept, self.messages.log)

    def keep(self, group: anyio.abc.TaskGroup, actors: ActorSystem) -> None:
        """Start the tasks that keep the log, in a group that ends before the log closes."""
        group.start_soon(self._keep_synced)
        for memory in self._memories:
            group.start_soon(memory.keep)
        if self.messages is not None:
            group.start_soon(self.messages.run, actors)

    def findings(self) -> Iterator[Finding]:
        """Iterate over what is wrong; that the log cannot be written, the monitor knows itself."""
        if self.log.missing is not None:
            hint = "find out who can write there, then: airswasm audit accept REASON"
            yield Finding(Health.DEGRADED, "audit", self.log.missing, hint)
        for problem in self.sinks.problems():
            hint = "mend it, or take it out: airswasm config set audit.sinks '[]'"
            yield Finding(Health.DEGRADED, "audit", problem, hint)
        if self.messages is not None and self.messages.lost:
            text = f"{self.messages.lost:,} lines of messages were lost"
            yield Finding(Health.DEGRADED, "audit", text, "free space on the disk of the home")

    async def _keep_synced(self) -> None:
        while True:
            try:
                await self.log.keep_synced()
            except AuditUnavailable:
                # The disk refuses for now. Each decision notices that by itself and denies; to stop
                # the whole host for it would help no user.
                await anyio.sleep(_PAUSE)
