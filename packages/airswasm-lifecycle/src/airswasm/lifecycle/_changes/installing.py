"""Install and uninstall: the steps from a package to a record, and back."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import anyio
import anyio.to_thread
from airswasm.runtime import ProgressSink
from airswasm.security import Kinds, TrustStore
from airswasm.storage import KeyValueStore, StorageError

from .._home.forgetting import PURGES_NAMESPACE, Forgetting
from .._home.logbook import LogBook
from .._home.policy import HostPolicy
from .._hosting.incarnations import reason_of
from .._hosting.loading import Loader
from .._hosting.running import Running
from .._packages.component_name import is_component_name
from .._packages.package import Package
from .._registry.approval import Approve
from .._registry.history import History
from .._registry.ledger import Decide, Ledger, version_of
from .._registry.lookalikes import find_lookalikes
from .._registry.plan import InstallPlan, plan_install, plan_repair
from .._registry.registry import ComponentRecord, Registry
from .._sources.finding import Sources
from ..errors import AlreadyInstalled, OwnerChanged, PackageInvalid, StartFailed
from .levels import Levels

__all__ = ("Installing", "read_source", "target_name")


@dataclass(frozen=True, slots=True)
class Installing:
    """Adds components to the registry and removes them."""

    registry: Registry
    ledger: Ledger
    trust: TrustStore
    policy: HostPolicy
    loader: Loader
    forgetting: Forgetting
    logs: LogBook
    running: Running
    clock: Callable[[], float]
    kinds: Kinds
    levels: Levels
    history: History
    store: KeyValueStore

    async def install(
        self, package: Package, name: str, approve: Approve | None,
        progress: ProgressSink | None, *, start: bool,
    ) -> None:  # fmt: skip
        """Install a package under a name. Raises as `System.install`."""
        plan = await self.plan(package, name, progress)
        if plan.is_repair:
            await self._repair(self.registry.get(name), package)
            return
        decide = await self.approve(plan, package, approve)
        record = self._record_of(package, name, start=start)
        await self.add(package, record, "install", decide, start=start)

    async def add(
        self, package: Package, record: ComponentRecord, verb: str, decide: Decide, *, start: bool
    ) -> None:
        """Write the first record of a name; if its component does not start, remove it again."""
        await self.ledger.put_package(package, (record,), verb, decide)
        self.running.take_over(record, package.manifest)
        if start:
            await self._start_or_undo(record)

    async def plan(self, package: Package, name: str, progress: ProgressSink | None) -> InstallPlan:
        """Decide the effect of installing a package; see `System.plan`."""
        known = self.registry.find(name)
        if known is not None and await self._is_damaged(known, package):
            return plan_repair(package, known, self.kinds)
        self._refuse_signer(package)
        absent = self.running.check_needs(name, package.manifest.component.needs)
        pin = self.trust.get(package.name)
        plan = await anyio.to_thread.run_sync(  # it compares patterns, which takes its time
            plan_install,
            package,
            name,
            known,
            pin,
            self.policy,
            self.kinds,
            self.levels.of(package),
        )
        self.ledger.check_threshold(package)
        await self.loader.check(package, progress)
        owners = self.ledger.owners()
        found = await anyio.to_thread.run_sync(
            lambda: tuple(find_lookalikes(package.name, package.signer, owners))
        )
        return replace(
            plan, lookalikes=found, older_than=self._older_than(package), absent_needs=absent
        )

    def _older_than(self, package: Package) -> str:
        """Return the newer version that this host has accepted under the package's name."""
        return self.trust.newer_than(package.verified) if package.verified is not None else ""

    async def approve(self, plan: InstallPlan, package: Package, approve: Approve | None) -> Decide:
        """Ask for approval, then try the start; a refusal or failure leaves nothing behind.

        Raises:
            ApprovalRefused: The approver refused.
            MemoryTooSmall, EngineError: The component cannot start at all.
        """
        try:
            decide = await self.ledger.approve(plan, approve)
            await self.loader.try_start(package)
        except BaseException:
            self.loader.keep_only(self.registry.digests())
            raise
        return decide

    async def _is_damaged(self, record: ComponentRecord, package: Package) -> bool:
        """Return whether the disk lost files of a version of which this is the package."""
        same = (each for each in record.versions if each.files == package.digests)
        return any([not await self.running.stored.is_whole(each) for each in same])

    async def _repair(self, record: ComponentRecord, package: Package) -> None:
        """Restore the files that the disk lost, and start what should run."""
        await self.ledger.put_back(package, record)
        if record.wanted == "running" and not self.running.hosting.is_running(record.name):
            await self.running.start(record.name)

    async def install_many(
        self, package: Package, targets: Sequence[str], approve: Approve | None,
        progress: ProgressSink | None, *, start: bool,
    ) -> int:  # fmt: skip
        """Install a package under many names. Raises as `System.install_many`."""
        if not targets:
            return 0
        self._refuse_signer(package)
        pin = self.trust.get(package.name)
        plan = await anyio.to_thread.run_sync(
            plan_install,
            package,
            package.name,
            None,
            pin,
            self.policy,
            self.kinds,
            self.levels.of(package),
        )
        self.ledger.check_threshold(package)
        for target in targets:
            taken = self.registry.find(target)
            if taken is not None:
                raise AlreadyInstalled(target, taken.active)
            self.running.check_needs(target, package.manifest.component.needs)
        await self.loader.check(package, progress)
        many = f"{package.name} as {len(targets)} names"
        plan = replace(plan, name=many, older_than=self._older_than(package))
        decide = await self.approve(plan, package, approve)
        pattern = self._record_of(package, package.name, start=start)
        records = [replace(pattern, name=target) for target in targets]
        await self.ledger.put_package(package, records, "install", decide)
        for record in records:
            self.running.take_over(record, package.manifest)
        if start:
            for record in records:
                await self.running.begin(record)
        return len(records)

    async def uninstall(self, name: str, *, purge: bool) -> None:
        """Stop and remove a component. Raises as `System.uninstall`."""
        if purge and name not in self.registry and await self._has_left(name):
            await self._purge_remains(name)
            return
        record = self.registry.get(name)
        has_run = self.running.hosting.is_running(name)
        await self.running.hosting.stop(name)
        beside = {PURGES_NAMESPACE: {name: record.package_name.encode()}} if purge else {}
        try:
            await self.ledger.remove(record, beside, purge="yes" if purge else "no")
        except Exception:
            if has_run and name in self.registry:  # it stays installed
                await self._begin_again(record)
            raise
        try:
            self.running.forget(name)
        except StorageError:
            if not purge:  # a purge asks the same blocks again, and remembers it
                raise
        self.loader.keep_only(await self.ledger.sweep())
        self.logs.write(name, "info", "uninstalled", source="supervisor")
        self.logs.forget(name, purge=False)
        if purge:
            await self.forgetting.finish(name)

    async def _begin_again(self, record: ComponentRecord) -> None:
        try:
            await self.running.begin(record)
        except Exception as error:
            self.running.say_why_not(record.name, error)

    async def _has_left(self, name: str) -> bool:
        """Return whether a name was installed once and left something behind."""
        found = await self.history.read(name, last=1)
        return bool(found and found[0].act != "purge") or name in self.store.namespaces()

    async def _purge_remains(self, name: str) -> None:
        told = await self.history.read(name)
        packages = [each.detail.get("package", name) for each in told if each.act == "uninstall"]
        await self.ledger.note_purge(name)
        await self.forgetting.intend(name, packages[-1] if packages else name)
        await self.forgetting.finish(name)

    def _refuse_signer(self, package: Package) -> None:
        if package.verified is None:
            return
        self.trust.check_signers(package.verified)
        owner, signer = self.ledger.owner_of(package.name), package.verified.owner
        if owner not in (None, signer) and self.trust.get(package.name) is None:
            raise OwnerChanged(package.name, owner.fingerprint, signer.fingerprint)

    def _record_of(self, package: Package, name: str, *, start: bool) -> ComponentRecord:
        version = version_of(package, self.clock())
        return ComponentRecord(
            name=name,
            package_name=package.name,
            owner=version.signer,
            floor=version.sequence,
            active=version.version,
            versions=(version,),
            wanted="running" if start else "stopped",
        )

    async def _start_or_undo(self, record: ComponentRecord) -> None:
        try:
            await self.running.begin(record)
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                self.running.say_why_not(record.name, error)
                await self.running.hosting.stop(record.name)
                await self.ledger.remove(record, reason="it did not start")
                self.running.forget(record.name)
            if isinstance(error, Exception) and not isinstance(error, StartFailed):
                raise StartFailed(record.name, record.active, reason_of(error)) from error
            raise


async def read_source(
    source: Package | os.PathLike[str] | str, policy: HostPolicy, kinds: Kinds, sources: Sources
) -> Package:
    """Return the package; a source is asked for it, and it is verified.

    Its manifest is held to the capabilities of this host, also where the package was read without
    them.

    Raises:
        LifecycleError, SecurityError: There is no such package, or it is invalid.
    """
    if isinstance(source, Package):
        await anyio.to_thread.run_sync(source.check_capabilities, kinds)
        return source
    use: Literal["optional", "required"] = "optional" if policy.accepts_unsigned else "required"
    fetched = await sources.fetch(source)
    return await anyio.to_thread.run_sync(
        lambda: Package.from_bytes(
            fetched.content, source=fetched.source, signature=use, kinds=kinds,
            recorded_source=fetched.source, pin=fetched.pin, origin=fetched.place,
        )
    )  # fmt: skip


def target_name(name: str | None, package: Package) -> str:
    """Return the name to install under, by default the package's own.

    Raises:
        PackageInvalid: It is not a component name.
    """
    target = name or package.name
    if not is_component_name(target):
        raise PackageInvalid(
            repr(target[:140]),
            "is no name of a component",
            hint="write namespace/name: a-z, 0-9 and -, at most 63 each",
        )
    return target
