"""Update and roll back: another version under the same name, and no message lost.

Both end in the same switch. Either the new version runs and is the record of its name, or the old
one stays both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import anyio.to_thread
from airswasm.runtime import ProgressSink
from airswasm.security import GrantRecord, Kinds, TrustStore

from .._home.policy import HostPolicy
from .._hosting.hosting import reason_of
from .._hosting.loading import Loader
from .._hosting.running import Running
from .._packages.manifest import Manifest
from .._packages.package import Package
from .._registry.approval import Approve
from .._registry.ledger import Decide, Ledger, version_of
from .._registry.plan import (
    InstallPlan,
    plan_rollback,
    plan_update,
    version_to_return_to,
)
from .._registry.registry import ComponentRecord, Registry
from ..errors import ArtifactCorrupt, ManifestInvalid, UpdateFailed
from .levels import Levels

__all__ = ("Updating",)


def _as_before(record: GrantRecord) -> GrantRecord:
    return record


@dataclass(frozen=True, slots=True)
class Updating:
    """Replaces the installed version of a name by another one."""

    registry: Registry
    ledger: Ledger
    trust: TrustStore
    policy: HostPolicy
    loader: Loader
    running: Running
    clock: Callable[[], float]
    kinds: Kinds
    levels: Levels

    async def update(
        self, package: Package, name: str, approve: Approve | None, progress: ProgressSink | None
    ) -> None:
        """Replace a component by a newer version. Raises as `System.update`."""
        record = self.registry.get(name)
        plan = await self.plan(package, name, progress)
        decide = await self._approve(plan, package, approve)
        added = version_of(package, self.clock())
        successor = replace(
            record.with_version(added, self.policy.install.retain),
            owner=str(package.signer) if package.signer else record.owner,
            migrate_from=record.migrate_from or record.active,
        )
        await self._switch(
            record, successor, package.manifest, decide,
            lambda ready: self.ledger.put_package(package, (ready,), "update", decide),
        )  # fmt: skip

    async def plan(self, package: Package, name: str, progress: ProgressSink | None) -> InstallPlan:
        """Decide the effect of an update; see `System.plan`."""
        record = self.registry.get(name)
        if package.verified is not None:
            self.trust.check_signers(package.verified)
        pin = self.trust.get(package.name)
        before = self._manifest_of(record)
        plan = await anyio.to_thread.run_sync(  # it compares patterns, which takes its time
            plan_update,
            package,
            record,
            pin,
            self.policy,
            before,
            self.kinds,
            self.levels.of(package),
        )
        self.ledger.check_threshold(package)
        await self.loader.check(package, progress)
        return plan

    async def _approve(
        self, plan: InstallPlan, package: Package, approve: Approve | None
    ) -> Decide:
        """Ask for approval if the plan needs it; then try the start."""
        try:
            decide = await self.ledger.approve(plan, approve)
            await self.loader.try_start(package)
        except BaseException:
            self.loader.keep_only(self.registry.digests())
            raise
        return decide

    def _manifest_of(self, record: ComponentRecord) -> Manifest | None:
        """Return the manifest to compare with; without it, every key needs approval."""
        try:
            return self.running.stored.manifest(record)
        except (ArtifactCorrupt, ManifestInvalid):
            return None

    async def rollback(self, name: str, to: str | None) -> None:
        """Go back to a retained version. Raises as `System.rollback`."""
        record = self.registry.get(name)
        plan = await self.plan_rollback(name, to)
        version = record.version(plan.version)
        successor = replace(record.with_active(plan.version, self.clock()), migrate_from=None)
        _, verified = await self.running.stored.verified(record, version)
        await self._switch(
            record, successor, plan.manifest, _as_before,
            lambda ready: self.ledger.put("rollback", ready, verified),
        )  # fmt: skip

    async def plan_rollback(self, name: str, to: str | None) -> InstallPlan:
        """Decide the effect of a rollback; see `System.plan_rollback`."""
        record = self.registry.get(name)
        version = record.version(version_to_return_to(record, to))
        manifest = await self.running.verified_manifest(record, version)
        wasm = await anyio.to_thread.run_sync(
            self.running.stored.artifacts.read, version.wasm_digest
        )
        before = self._manifest_of(record)
        held = self.running.in_force.grants(record.grants, version)
        return plan_rollback(record, version, manifest, before, self.kinds, held, len(wasm))

    async def _switch(
        self,
        record: ComponentRecord,
        successor: ComponentRecord,
        manifest: Manifest,
        decide: Decide,
        commit: Callable[[ComponentRecord], Awaitable[None]],
    ) -> None:
        """Make `successor` the record of its name and the running version."""
        try:
            await self._switch_or_stay(record, successor, manifest, decide, commit)
        except UpdateFailed as error:
            text = f"{successor.active} did not take over, at '{error.step}': {error.reason}"
            self.running.logs.write(record.name, "error", text, source="supervisor")
            raise

    async def _switch_or_stay(
        self,
        record: ComponentRecord,
        successor: ComponentRecord,
        manifest: Manifest,
        decide: Decide,
        commit: Callable[[ComponentRecord], Awaitable[None]],
    ) -> None:
        name = record.name
        manifest, excesses = self.running.policy.hold(manifest)
        is_hosted = self.running.hosting.is_replaceable(name)
        if is_hosted:
            await self._switch_hosted(record, successor, manifest, decide, commit)
        else:
            await self.running.hosting.stop(name)
            await commit(successor)
        self.running.hosting.note_held(name, excesses)
        self.running.take_over(self.registry.get(name), manifest)
        self.loader.keep_only(await self.ledger.sweep())
        if not is_hosted and successor.wanted == "running":
            await self._begin_or_return(record, successor)
        self.running.logs.write(
            name, "info", f"switched from {record.active} to {successor.active}",
            source="supervisor",
        )  # fmt: skip

    async def _switch_hosted(
        self,
        record: ComponentRecord,
        successor: ComponentRecord,
        manifest: Manifest,
        decide: Decide,
        commit: Callable[[ComponentRecord], Awaitable[None]],
    ) -> None:
        name = record.name
        self.running.successors[name] = successor.active_version, decide
        self.running.put_in_force(name)
        ready = replace(successor, migrate_from=None)
        try:
            await self.running.hosting.replace(record, successor, manifest, lambda: commit(ready))
        finally:
            del self.running.successors[name]
            self.running.put_in_force(name)

    async def _begin_or_return(self, record: ComponentRecord, successor: ComponentRecord) -> None:
        try:
            await self.running.begin(self.registry.get(record.name))
        except Exception as error:
            await self.running.hosting.stop(record.name)
            await self.ledger.put("rollback", record)
            raise UpdateFailed(
                record.name, record.active, successor.active, "start", reason_of(error)
            ) from error
