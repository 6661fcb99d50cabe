"""Update and roll back: another version under the same name, and no message lost.

Both decide on the record that is to be, and end in the same switch (`switching`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import anyio.to_thread
from airswasm.runtime import ProgressSink
from airswasm.security import GrantRecord, Kinds, TrustStore

from .._gates.gate import VersionChange, VersionSide
from .._gates.users import Users
from .._home.policy import HostPolicy
from .._hosting.loading import Loader
from .._hosting.running import Running
from .._packages.manifest import Manifest
from .._packages.package import Package
from .._registry.approval import Approve
from .._registry.data_plan import DataChoice
from .._registry.ledger import Decide, Ledger, version_of
from .._registry.plan import (
    InstallPlan,
    plan_rollback,
    plan_update,
    version_to_return_to,
)
from .._registry.registry import ComponentRecord, Registry, VersionRecord
from .._verdicts import GateVerdict
from ..errors import ArtifactCorrupt, ManifestInvalid
from .levels import Levels
from .planning_data import choose_data, plan_data
from .switching import Switch, Switching

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
    switching: Switching
    users: Users

    async def update(
        self, package: Package, name: str, approve: Approve | None, progress: ProgressSink | None,
        overrides: Mapping[str, str],
    ) -> tuple[GateVerdict, ...]:  # fmt: skip
        """Replace a component by a newer version. Raises as `System.update`."""
        overrides = self.switching.gates.checked(overrides)
        record = self.registry.get(name)
        plan = await self.plan(package, name, progress)
        decide = await self._approve(plan, package, approve)
        added = version_of(package, self.clock())
        successor = replace(
            record.with_version(added),
            owner=str(package.signer) if package.signer else record.owner,
            migrate_from=record.migrate_from or record.active,
        )
        return await self.switching.carry_out(Switch(
            self.update_of(record, package), record, successor, package.manifest, decide,
            lambda ready: self.ledger.put_package(package, (ready,), "update", decide), overrides,
        ))  # fmt: skip

    async def preview(
        self, package: Package, name: str, progress: ProgressSink | None
    ) -> InstallPlan:
        """Decide the effect of an update, with the verdicts that need no candidate."""
        plan = await self.plan(package, name, progress)
        return await self._judged(plan, self.update_of(self.registry.get(name), package))

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
        absent = self.running.check_needs(name, package.manifest.component.needs)
        plan = replace(plan, absent_needs=absent)
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

    async def rollback(
        self, name: str, to: str | None, overrides: Mapping[str, str], data: DataChoice | None
    ) -> tuple[GateVerdict, ...]:
        """Go back to a retained version. Raises as `System.rollback`."""
        overrides = self.switching.gates.checked(overrides)
        record = self.registry.get(name)
        version = record.version(version_to_return_to(record, to))
        restores = choose_data(record, version, data) == "restore"
        plan = await self._plan_version(record, version)
        is_untouched = restores or version.data_format == record.data_format
        takes_over = record.is_untried(version) and is_untouched
        former = (record.migrate_from or record.active) if takes_over else None
        successor = replace(record.with_active(plan.version, self.clock()), migrate_from=former)
        _, verified = await self.running.stored.verified(record, version)
        return await self.switching.carry_out(Switch(
            self._rollback_of(record, version, plan.manifest), record, successor, plan.manifest,
            _as_before,
            lambda ready: self.ledger.put(
                "rollback", ready, verified, data="restored" if restores else "kept"
            ),
            overrides,
            restores=version.checkpoint if restores else None,
        ))  # fmt: skip

    async def preview_rollback(self, name: str, to: str | None) -> InstallPlan:
        """Decide the effect of a rollback, with the verdicts that need no candidate."""
        plan = await self.plan_rollback(name, to)
        record = self.registry.get(name)
        version = record.version(plan.version)
        return await self._judged(plan, self._rollback_of(record, version, plan.manifest))

    async def plan_rollback(self, name: str, to: str | None) -> InstallPlan:
        """Decide the effect of a rollback; see `System.plan_rollback`."""
        record = self.registry.get(name)
        version = record.version(version_to_return_to(record, to))
        plan = await self._plan_version(record, version)
        return replace(plan, data=await plan_data(self.running, record, version))

    async def _plan_version(self, record: ComponentRecord, version: VersionRecord) -> InstallPlan:
        self.running.check_needs(record.name, version.needs)
        manifest = await self.running.verified_manifest(record, version)
        wasm = await anyio.to_thread.run_sync(
            self.running.stored.artifacts.read, version.wasm_digest
        )
        before = self._manifest_of(record)
        held = self.running.in_force.grants(record.grants, version)
        return plan_rollback(record, version, manifest, before, self.kinds, held, len(wasm))

    # -- what the gates get to see ---------------------------------------------------------------

    async def _judged(self, plan: InstallPlan, change: VersionChange) -> InstallPlan:
        gates = self.switching.gates
        verdicts = await gates.judge(change, "versions", {})
        verdicts += gates.not_tried(change, {}, change.standing or "a plan starts nothing")
        return replace(plan, verdicts=gates.ordered(verdicts))

    def update_of(self, record: ComponentRecord, package: Package) -> VersionChange:
        """Return an update as gates see it."""

        async def read_new() -> bytes:
            return package.wasm

        new = VersionSide(package.version, package.manifest, read_new)
        standing = self.switching.standing(record)
        return VersionChange("update", record.name, self._old(record), new, self.users, None,
                             standing)  # fmt: skip

    def _rollback_of(
        self, record: ComponentRecord, version: VersionRecord, manifest: Manifest
    ) -> VersionChange:
        new = self._side(version, manifest)
        standing = self.switching.standing(record)
        return VersionChange("rollback", record.name, self._old(record), new, self.users, None,
                             standing)  # fmt: skip

    def _old(self, record: ComponentRecord) -> VersionSide | None:
        manifest = self._manifest_of(record)
        return None if manifest is None else self._side(record.active_version, manifest)

    def _side(self, version: VersionRecord, manifest: Manifest) -> VersionSide:
        async def read() -> bytes:
            read_stored = self.running.stored.artifacts.read
            return await anyio.to_thread.run_sync(read_stored, version.wasm_digest)

        return VersionSide(version.version, manifest, read)
