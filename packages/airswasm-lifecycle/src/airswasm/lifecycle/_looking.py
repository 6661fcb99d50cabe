"""Reports on a home and on what runs in it; a part of `System`."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace

import anyio
import anyio.to_thread
from airswasm.actor import EventStream, Receipts
from airswasm.runtime import Finding, HostInterface
from airswasm.security import AuditEvent, Use

from ._changes.granting import GrantReport, report_grants
from ._composition import OpenHome
from ._hosting.access import AccessReport, report_access
from ._hosting.profile import Profile, profile_of
from ._hosting.status import ComponentStatus, SystemStatus
from ._registry.info import ComponentInfo
from ._registry.routes import RouteInfo
from ._registry.summary import ComponentSummary
from .errors import LearningRefused, NotMeasured

__all__ = ("Looking",)

_LOOK = 0.1
"""Seconds between two looks for what a component that learns has used."""


class Looking(OpenHome):
    """Says what is installed, how it does, and why it may do what it does."""

    @property
    def events(self) -> EventStream:
        """The events of actors and supervisors.

        Raises:
            HostOffline: The home was opened read-only.
        """
        self._need_writable("watching events")
        return self._actors.events

    def quarantine_of(self, name: str) -> Finding | None:
        """Return why the version under a name may not run, and what to do; None if it may.

        The events of a quarantined name are not the component's: a placeholder keeps its mailbox.
        """
        return self._hosting.quarantine_of(name)

    @property
    def receipts(self) -> Receipts:
        """The receipts of messages: to listen to, to read, and added up for each component.

        Raises:
            HostOffline: The home was opened read-only.
        """
        self._need_writable("reading receipts")
        return self._actors.receipts

    def profile(self, name: str) -> Profile:
        """Return where the time and the fuel of a component go.

        Raises:
            HostOffline, NotInstalled: There is no such component to look at.
            NotMeasured: Its messages were not measured.
        """
        self._need_online("profile")
        self._registry.get(name)
        tally = self._actors.receipts.of(name)
        if tally is None:
            raise NotMeasured(name, is_measuring=self._actors.receipts.is_measuring)
        return profile_of(tally)

    @property
    def interfaces(self) -> Mapping[str, str]:
        """The interfaces that components may import beside WASI, and their distributions."""
        return {offer.interface.name: offer.distribution for offer in self._offers}

    @property
    def offered(self) -> tuple[HostInterface, ...]:
        """The interfaces that components may import beside WASI, with the guard in front."""
        return tuple(offer.interface for offer in self._offers)

    def list(self) -> tuple[ComponentSummary, ...]:
        """Return all installed components, sorted by name."""
        return self._reporting.summaries()

    def routes(self) -> tuple[RouteInfo, ...]:
        """Return what each name leads to, sorted by name."""
        return self._reporting.routes()

    def info(self, name: str) -> ComponentInfo:
        """Return all details of one component.

        Raises:
            NotInstalled: No such component is installed.
            ArtifactCorrupt: Its manifest is damaged on disk.
        """
        return self._reporting.info(name)

    async def read_world(self, name: str) -> None:
        """Read the imports and exports of a component, which `info` then has.

        Raises:
            NotInstalled: No such component is installed.
        """
        digest = self._registry.get(name).active_version.wasm_digest
        path, contract = self._stored.artifacts.path(digest), self.blocks.contract
        await anyio.to_thread.run_sync(self._worlds.read, digest, path, contract)

    def status(self) -> SystemStatus:
        """Return the status of the host and of every component."""
        is_online = self.mode == "online"
        components = tuple(map(self._reporting.status, self._registry))
        uptime = None if self._started_at is None else time.monotonic() - self._started_at
        return SystemStatus(
            home=str(self.home.folder),
            is_online=is_online,
            pid=os.getpid() if is_online else self.home.running_pid(),
            uptime=uptime if is_online else None,
            mode="development" if self.policy.is_development else "production",
            installed=len(self._registry),
            running=sum(each.state == "running" for each in components),
            components=components,
            blocks=self.interfaces,
            **(self._taken() if is_online else {}),
            lost_log_lines=self.logs.lost_lines,
            lost_writes=self._store.lost_writes if self._store is not None else 0,
        )

    def _taken(self) -> dict[str, int]:
        """Return what components take of this host, for `SystemStatus`."""
        memory, letters = self._engine.host_memory, self._dead_letters.counts()
        return {
            "host_memory_bytes": memory.held_bytes,
            "host_memory_most_bytes": memory.most_bytes,
            "guest_memory_bytes": memory.guest_bytes,
            "descriptors": memory.held_descriptors,
            "most_descriptors": memory.most_descriptors,
            "ended_for_memory": self._pressure.ended,
            "dead_letters": letters.stored + letters.waiting,
            "dead_letters_waiting": letters.waiting,
            "lost_dead_letters": letters.lost,
        }

    async def verify_data(self, *, progress: Callable[[int], None] = lambda _: None) -> int:
        """Read all stored data, so that damage shows before a component needs the data.

        Args:
            progress: Told how many entries were read so far.

        Returns:
            The number of entries.

        Raises:
            StorageCorrupted: An entry differs from what was written.
        """
        return await self._store.verify(progress=progress) if self._store is not None else 0

    def access(self, name: str, capability: str, resource: str) -> AccessReport:
        """Return why a component may do something, or may not, by the answer of each layer.

        Args:
            name: The component.
            capability: `storage.read`.
            resource: The key, path, target, URL, ... as the component would give it.

        Raises:
            NotInstalled: No such component is installed.
            UnknownCapability: No installed block declares the capability.
            HostOffline: The home was opened read-only.
        """
        self._need_writable("why")
        self._registry.get(name)
        found = report_access(self._guard, self.services, name, capability, resource)
        barred = self.quarantine_of(name) if self.mode == "online" else None
        return found if barred is None else replace(found, quarantine=barred.text)

    def learn(self, name: str) -> AsyncGenerator[Use]:
        """Let a component use what only its grants lack, and iterate over what it uses.

        It learns until the iterator is closed; then it is held to its grants again, and nothing
        that was noted is kept. The forbidden list, the policy, roles and denials hold meanwhile.

        Raises:
            HostOffline, NotInstalled: There is no such component here.
            LearningRefused: The host is not in development mode, or another client has it learn.
        """
        self._need_online("learning")
        self._registry.get(name)
        if not self.policy.is_development:
            raise LearningRefused(name, "this host is not in development mode")
        if self._guard.is_learning(name):
            raise LearningRefused(name, "another client has it learn already")
        return self._uses(name)

    async def _uses(self, name: str) -> AsyncGenerator[Use]:
        self._note_learning(name, "begins to learn: it may do more than it was granted")
        learning = self._guard.start_learning(name)
        try:
            while True:
                for use in learning.take():
                    yield use
                await anyio.sleep(_LOOK)
        finally:
            self._guard.stop_learning(name)
            self._note_learning(name, "has learned: it is held to its grants again")

    def _note_learning(self, name: str, what: str) -> None:
        self._audit.record(AuditEvent(kind="grant", component=name, outcome="allow", reason=what))
        self._warn(name, what)

    def component_status(self, name: str) -> ComponentStatus:
        """Return the status of one component.

        Raises:
            NotInstalled: No such component is installed.
        """
        return self._reporting.status(self._registry.get(name))

    def grant_report(self, name: str) -> GrantReport:
        """Return what a component asks for, and what was decided about it.

        Raises:
            NotInstalled: No such component is installed.
        """
        return report_grants(self._registry.get(name), self._in_force, self.kinds)

    def grant_reports(self) -> tuple[GrantReport, ...]:
        """Return the report on every component, sorted by name."""
        return tuple(self.grant_report(record.name) for record in self._registry)
