"""Installed components, running: verified before they start, and started with their host.

`_hosting` runs what it is handed. This decides what that is: the active
version of a record, if its files and its signature hold today.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Literal

import anyio
from airswasm.security import Guard, TrustStore, VerifiedStatement

from ._hosting import Hosting, reason_of
from ._ledger import Ledger
from ._logbook import LogBook
from ._manifest import Manifest
from ._registry import ComponentRecord, Registry, VersionRecord
from ._stored import StoredPackages
from ._tables import ComponentPolicies

__all__ = ("Running", "Trusted")

_STARTING_AT_ONCE = 32

Alone = Callable[[str], AbstractAsyncContextManager[None]]

Trusted = dict[int, VerifiedStatement]
"""Statements that were compared with the trust store in this same pass, by identity: each
comparison reads the store from disk."""


@dataclass(frozen=True, slots=True)
class Running:
    """Starts and stops what is installed. Offline nothing runs, and nothing starts."""

    registry: Registry
    ledger: Ledger
    stored: StoredPackages
    trust: TrustStore
    guard: Guard
    policies: ComponentPolicies
    logs: LogBook
    hosting: Hosting
    is_online: bool

    def take_over(self, record: ComponentRecord, manifest: Manifest) -> None:
        """Make what follows from a record in the registry hold: grants, quotas, rates."""
        grants = self.stored.grants(record.active_version)
        if self.guard.grants_of(record.name) is not grants:
            self.guard.grant(record.name, grants)
        self.policies.set(record.name, manifest)
        self.logs.set_rate(record.name, manifest.limits.rates.logs)

    def forget(self, name: str) -> None:
        """Take everything from a name that is no longer in the registry."""
        self.guard.revoke(name)
        self.policies.forget(name)

    async def start(self, name: str) -> None:
        """Start a stopped component. Raises as `System.start`."""
        record = await self._want(name, "running")
        if not self.hosting.is_running(name):
            await self.hosting.stop(name)  # what gave up leaves its place
            await self.begin(record)

    async def stop(self, name: str) -> None:
        """Stop a component until it is started again. Raises as `System.stop`."""
        await self._want(name, "stopped")
        await self.hosting.stop(name)

    async def restart(self, name: str) -> None:
        """Stop and start a component. Raises as `System.restart`."""
        record = await self._want(name, "running")
        await self.hosting.stop(name)
        await self.begin(record)

    def expect_all(self) -> None:
        """Count what should run as starting, before its turn comes."""
        self.hosting.expect(each.name for each in self.registry if each.wanted == "running")

    async def start_all(self, alone: Alone) -> None:
        """Start what is expected, a few at a time: one that waits in its `init` holds up no other.

        One component that does not start does not keep the others from running. Other changes of
        a name may come first; then what they left is not touched.

        Args:
            alone: keeps other changes of a name away meanwhile.
        """
        waiting = iter(self.hosting.expected)
        trusted: Trusted = {}

        async def start_some() -> None:
            for name in waiting:
                async with alone(name):
                    record = self.registry.find(name)
                    if record is not None and self.hosting.is_expected(name):
                        await self._begin_or_tell(record, trusted)
                    self.hosting.has_begun(name)

        async with anyio.create_task_group() as group:
            for _ in range(_STARTING_AT_ONCE):
                group.start_soon(start_some)

    async def begin(self, record: ComponentRecord, trusted: Trusted | None = None) -> None:
        """Start an installed component; the files it is made of are checked.

        Raises:
            StartFailed, TooManyRunning, ArtifactCorrupt, SecurityError, EngineError: why not.
        """
        if not self.is_online:
            return
        try:
            manifest = await self.verified_manifest(record, record.active_version, trusted)
            self.take_over(record, manifest)
            await self.hosting.start(record, manifest)
        except Exception as error:
            self.hosting.note_refusal(record.name, error)
            raise
        if record.migrate_from is not None:
            await self.ledger.put("migrated", replace(record, migrate_from=None))

    async def verified_manifest(
        self, record: ComponentRecord, version: VersionRecord, trusted: Trusted | None = None
    ) -> Manifest:
        """Return the manifest of an installed version whose signature and owner hold today.

        Raises:
            ArtifactCorrupt, RegistryCorrupt: what is on disk is not what was installed.
            SecurityError: the signature does not hold, or its key was revoked.
        """
        manifest, verified = await self.stored.verified(record, version)
        if verified is not None and (trusted is None or id(verified) not in trusted):
            self.trust.check_key(verified)
            if trusted is not None:
                trusted[id(verified)] = verified
        return manifest

    async def _want(self, name: str, wanted: Literal["running", "stopped"]) -> ComponentRecord:
        record = self.registry.get(name)
        if record.wanted != wanted:
            record = replace(record, wanted=wanted)
            await self.ledger.put("start" if wanted == "running" else "stop", record)
        return record

    async def _begin_or_tell(self, record: ComponentRecord, trusted: Trusted) -> None:
        try:
            await self.begin(record, trusted)
        except Exception as error:
            self.say_why_not(record.name, error)
            await self._return_to_earlier(record, error)

    async def _return_to_earlier(self, record: ComponentRecord, why: Exception) -> None:
        """A version that could not take over its predecessor's data is given up for that one."""
        earlier = record.migrate_from
        if earlier is None or not record.has_version(earlier):
            return
        before = replace(record, active=earlier, migrate_from=None)
        self.logs.write(record.name, "warn", f"went back to {earlier}", source="supervisor")
        await self.hosting.stop(record.name)
        try:
            await self.ledger.put("rollback", before)
            await self.begin(before)
            self.hosting.note_return(record.name, f"{record.active} did not start: {why}")
        except Exception as error:
            self.say_why_not(record.name, error)

    def say_why_not(self, name: str, error: BaseException) -> None:
        """Leave the reason in the component's own log, where errors say that it is."""
        self.logs.write(name, "error", f"did not start: {reason_of(error)}", source="supervisor")
