"""Start and stop installed components with their host, after verification.

`hosting` runs the versions that this module selects: the active version of a record, if its files
and its signature are valid today.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import anyio
from airswasm.messaging import DurableDelivery, Schedule
from airswasm.runtime import Meters
from airswasm.security import (
    Guard,
    KeyRevoked,
    TrustError,
    TrustStore,
    VerifiedStatement,
)
from airswasm.wit import AirswasmError
from anyio.lowlevel import checkpoint

from .._home.logbook import LogBook
from .._home.policy import HostPolicy
from .._packages.manifest import Manifest
from .._registry.in_force import GrantsInForce, merged_grants
from .._registry.ledger import Decide, Ledger
from .._registry.registry import ComponentRecord, Registry, VersionRecord
from .._registry.stored_packages import StoredPackages
from .._registry.tables import ComponentPolicies
from ..errors import NeedsInCycle, PackageUnsigned
from .candidate import Candidate
from .data_keeper import DataKeeper
from .hosting import Hosting, shown_needs
from .incarnations import reason_of
from .ordering import find_cycle, in_order, waited_for

__all__ = ("Running",)

_STARTING_AT_ONCE = 32
_ENDING_AT_ONCE = 32

Alone = Callable[[str], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Running:
    """Starts and stops installed components. Offline, nothing runs and nothing starts."""

    registry: Registry
    ledger: Ledger
    stored: StoredPackages
    trust: TrustStore
    in_force: GrantsInForce
    guard: Guard
    policies: ComponentPolicies
    logs: LogBook
    hosting: Hosting
    policy: HostPolicy
    meters: Meters
    is_online: bool
    delivery: DurableDelivery
    schedule: Schedule
    clock: Callable[[], float]
    data: DataKeeper
    successors: dict[str, tuple[VersionRecord, Decide]]
    """The versions that start beside the active one, and what was decided about each."""

    def put_in_force(self, name: str) -> None:
        """Give the guard a name's grants; those of its successor too while both run."""
        record = self.registry.find(name)
        if record is None:
            return
        asked = self.in_force.asked(record.active_version)
        grants = self.in_force.grants(record.grants, record.active_version)
        if name in self.successors:
            version, decide = self.successors[name]
            beside = self.in_force.grants(decide(record.grants), version)
            grants = merged_grants(grants, beside)
            asked = merged_grants(asked, self.in_force.asked(version))
        if self.guard.grants_of(name) is not grants:
            self.guard.grant(name, grants, asked=asked)

    @contextmanager
    def both_in_force(self, successor: ComponentRecord, decide: Decide) -> Generator[None]:
        """Let a name have its successor's grants, too: inside the block, both versions work."""
        self.successors[successor.name] = successor.active_version, decide
        self.put_in_force(successor.name)
        try:
            yield
        finally:
            del self.successors[successor.name]
            self.put_in_force(successor.name)

    def take_over(self, record: ComponentRecord, manifest: Manifest) -> None:
        """Put a record's grants, quotas, rates and terms of delivery into force."""
        self.put_in_force(record.name)
        self.policies.set(record.name, manifest)
        self.delivery.declare(record.name, self.policies.delivery_of(record.name))
        self.logs.set_rate(record.name, manifest.limits.rates.logs)

    def hold_again(self, name: str) -> None:
        """Hold a component that is hosted to the policy, which has changed."""
        record = self.registry.find(name)
        if record is None or self.hosting.version(name) != record.active:
            return
        manifest, excesses = self.policy.hold(self.stored.manifest(record))
        self.hosting.note_held(name, excesses)
        self.take_over(record, manifest)
        self.hosting.hold_to(name, manifest)

    def forget(self, name: str) -> None:
        """Remove the grants, quotas and rates of a name that left the registry.

        Raises:
            StorageError: The store refuses to withdraw its deliveries or its timers.
        """
        self.guard.revoke(name)
        self.policies.forget(name)
        self.hosting.revivals.forget(name)
        self.meters.forget(name)
        self.delivery.withdraw(name)
        self.schedule.drop(name)

    async def start(self, name: str) -> None:
        """Start a stopped component. Raises as `System.start`."""
        record = await self._want(name, "running")
        if not self.hosting.is_running(name):
            await self._check(record)
            await self.hosting.stop(name)  # a component that gave up leaves its place
            await self.begin(record)

    async def stop(self, name: str) -> None:
        """Stop a component until it is started again. Raises as `System.stop`."""
        await self._want(name, "stopped")
        await self.hosting.stop(name)

    async def restart(self, name: str) -> None:
        """Stop and start a component. Raises as `System.restart`."""
        record = await self._want(name, "running")
        await self._check(record)
        await self.hosting.stop(name)
        await self.begin(record)

    async def revive(self, name: str, cool_down: float) -> None:
        """Start a component again that was given up; if that fails, after another cool-down."""
        record = self.registry.find(name)
        is_down = self.hosting.state(name) in ("given up", "failed")
        if record is None or record.wanted != "running" or not is_down:
            return
        try:
            await self.ledger.note("revive", record, cool_down=f"{cool_down:g}")
            self.meters.add("component_revivals_total", name)
            text = f"starts again, {cool_down:g} s after it was given up"
            self.logs.write(name, "warn", text, source="supervisor")
            await self.hosting.stop(name)
            await self.begin(record)
        except Exception as error:
            self.say_why_not(name, error)
            if self.hosting.state(name) != "quarantined":  # that is an operator's to decide
                self.hosting.revivals.expect(name, cool_down)

    def expect_all(self) -> None:
        """Count the components that should run as starting, before their turn comes."""
        self.hosting.expect(each.name for each in self.registry if each.wanted == "running")

    async def start_all(self, alone: Alone) -> None:
        """Start the expected components, a few at a time, so that a slow `init` delays no other.

        A component that fails to start does not keep the others from running. Another change of a
        name may come first; this then leaves that name alone.

        Args:
            alone: Excludes other changes of a name meanwhile.
        """
        order = in_order(self.hosting.expected, self.needs_of)
        needs = waited_for(order, self.needs_of)
        waiting = iter(order)

        async def start_some() -> None:
            for name in waiting:
                for need in needs.get(name, ()):
                    await self.hosting.wait_begun(need)
                async with alone(name):
                    record = self.registry.find(name)
                    if record is not None and self.hosting.is_expected(name):
                        await self._begin_or_tell(record)
                    self.hosting.has_begun(name)

        async with anyio.create_task_group() as group:
            for _ in range(_STARTING_AT_ONCE):
                group.start_soon(start_some)

    async def begin(self, record: ComponentRecord, candidate: Candidate | None = None) -> None:
        """Start an installed component after checking its files.

        Args:
            record: Its record.
            candidate: Its first incarnation, which has started.

        Raises:
            StartFailed, TooManyRunning, ArtifactCorrupt, SecurityError, EngineError: It cannot
                start.
        """
        if not self.is_online or await self._must_wait(record):
            return
        try:
            if await self.data.put_back(record.name):
                record = self.registry.get(record.name)
            asked = await self.verified_manifest(record, record.active_version)
            manifest, excesses = self.policy.hold(asked)
            self.hosting.note_held(record.name, excesses)
            self.take_over(record, manifest)
            self._say_if_free(record.name)
            async with self._data_for(record, manifest) as migrated:
                await self.hosting.start(record, manifest, candidate)
                if record.migrate_from is not None:
                    is_new = migrated.data_format != record.data_format
                    await self.ledger.put("migrated" if is_new else "started", migrated)
        except Exception as error:
            self.hosting.note_refusal(record.name, error)
            raise

    @asynccontextmanager
    async def _data_for(
        self, record: ComponentRecord, manifest: Manifest
    ) -> AsyncGenerator[ComponentRecord]:
        """Let a version that takes over data at its start work on a copy; see `DataKeeper`.

        Yields:
            The record to write when it has done so.
        """
        former, name = record.migrate_from, record.name
        migrated = replace(record, migrate_from=None)
        if former is None or not (await self.hosting.load_candidate(record, manifest)).migrates:
            yield migrated
            return
        migrated = migrated.with_data_format(record.active)
        if self.data.checkpoints == "never":
            yield migrated
            return
        async with self.data.other_data(name, None) as taken:
            try:
                yield migrated.with_checkpoint(former, taken)
            except BaseException:
                if self.hosting.is_replaceable(name):  # the record could not be written
                    with anyio.CancelScope(shield=True):
                        await self.hosting.stop(name)
                raise

    def needs_of(self, name: str) -> tuple[str, ...]:
        """Return the components that must be ready before one starts."""
        record = self.registry.find(name)
        return () if record is None else record.active_version.needs

    def check_needs(self, name: str, needs: Sequence[str]) -> tuple[str, ...]:
        """Check what a version of a component is going to need; return what is not installed.

        Raises:
            NeedsInCycle: It would need itself, over others.
        """

        def needs_then(each: str) -> Sequence[str]:
            return needs if each == name else self.needs_of(each)

        cycle = find_cycle(name, needs_then)
        if cycle:
            raise NeedsInCycle(name, cycle)
        return tuple(need for need in needs if self.registry.find(need) is None)

    async def _must_wait(self, record: ComponentRecord) -> bool:
        """Let a component wait if something that it needs is not ready."""
        needs = record.active_version.needs
        if not needs:
            return False
        missing: dict[str, str] = {}
        looks_again = False
        for need in needs:
            if await self.hosting.has_settled(need):
                continue
            runs = self.hosting.is_running(need)
            looks_again = looks_again or runs
            known = self.registry.find(need) is not None
            state = "not well yet" if runs else self.hosting.state(need)
            missing[need] = state if known else "not installed"
        if not missing:
            self.hosting.held_back.drop(record.name)
            return False
        if missing != self.hosting.held_back.missing(record.name):
            text = f"waits for {shown_needs(missing)}"
            self.logs.write(record.name, "warn", text, source="supervisor")
        self.hosting.held_back.put(record.name, missing, looks_again=looks_again)
        return True

    async def start_waiting(self, name: str) -> None:
        """Start a component that waited, if all that it needs is ready."""
        record = self.registry.find(name)
        is_wanted = record is not None and record.wanted == "running"
        if record is None or not is_wanted or not self.hosting.is_stopped(name):
            self.hosting.held_back.drop(name)
        elif name in self.hosting.held_back:
            await self._begin_or_tell(record)

    def _say_if_free(self, name: str) -> None:
        """Say in its log that a component may use everything."""
        record = self.registry.get(name)
        if any(each.by == "level" for each in self.in_force.live(record.grants).entries):
            text = "development mode: it may use everything but the forbidden list"
            self.logs.write(name, "warn", text, source="supervisor")

    async def verified_manifest(self, record: ComponentRecord, version: VersionRecord) -> Manifest:
        """Return the manifest of an installed version whose signature and owner are valid today.

        Raises:
            ArtifactCorrupt, RegistryCorrupt: The files on disk differ from the installed ones.
            SecurityError: The signature does not hold, or its key was revoked.
            PackageUnsigned: It has no signature, and the host accepts such packages no longer.
        """
        manifest, verified = await self.stored.verified(record, version)
        self._confirm(record, version, verified)
        return manifest

    def judge(self, name: str, version: str) -> AirswasmError | None:
        """Return why a version must not start again; None if it may.

        A supervisor asks before each incarnation: trust and files may have changed behind the
        host's back. What is not in the registry yet was verified a moment ago.
        """
        record = self.registry.find(name)
        if record is None or not record.has_version(version):
            return None
        try:
            _, verified = self.stored.verify_now(record, record.version(version))
            self._confirm(record, record.version(version), verified)
        except AirswasmError as error:
            return error
        return None

    def _confirm(
        self, record: ComponentRecord, version: VersionRecord, verified: VerifiedStatement | None
    ) -> None:
        """Check that the host still trusts a version: each time, for it may have changed."""
        if verified is None and not self.policy.accepts_unsigned:
            raise PackageUnsigned(f"{record.name} {version.version}")
        if verified is not None:
            self.trust.check_installed(verified)

    async def quarantine_signed_by(
        self, error: KeyRevoked, before: frozenset[str]
    ) -> tuple[str, ...]:
        """End the code of every component that a revoked key signed.

        Args:
            error: Names the key and the reason.
            before: The fingerprints of the keys that were revoked before.

        Returns:
            The names of those that may not run from now on; without those that another revocation
            had stopped.
        """
        found: list[str] = []
        waiting = iter(tuple(self.registry))

        async def end_some() -> None:
            for each in waiting:
                await checkpoint()
                record = self.registry.find(each.name)
                if record is None:
                    continue
                await self._evict_former(record, error)
                signers = await self._signers(record, record.active_version)
                if error.fingerprint not in signers:
                    continue
                name, is_new = record.name, signers.isdisjoint(before)
                is_ended = self.hosting.state(name) == "quarantined"
                runs = self.is_online and not is_ended and not self.hosting.is_stopped(name)
                if runs:
                    await self.hosting.quarantine(name, record.active, error)
                if runs or is_new:
                    found.append(name)

        async with anyio.create_task_group() as group:
            for _ in range(_ENDING_AT_ONCE):
                group.start_soon(end_some)
        return tuple(sorted(found))

    async def _evict_former(self, record: ComponentRecord, error: KeyRevoked) -> None:
        """End what finishes its last message while another version takes its place."""
        at_work = self.hosting.version_at_work(record.name)
        if at_work in (None, record.active) or not record.has_version(at_work):
            return
        if error.fingerprint in await self._signers(record, record.version(at_work)):
            await self.hosting.evict(record.name, error)

    async def _signers(self, record: ComponentRecord, version: VersionRecord) -> frozenset[str]:
        """Return the fingerprints of the keys that signed a version.

        One record whose files are damaged must not keep the others running: its next start decides.
        """
        try:
            _, verified = await self.stored.verified(record, version)
        except AirswasmError:
            return frozenset()
        signers = verified.signers if verified is not None else ()
        return frozenset(each.fingerprint for each in signers)

    async def _check(self, record: ComponentRecord) -> None:
        """Raise what `begin` would, while the mailbox still stands.

        Code that the host does not trust any more ends here, too.
        """
        try:
            await self.verified_manifest(record, record.active_version)
        except TrustError as error:
            if self.is_online and self.hosting.is_running(record.name):
                await self.hosting.quarantine(record.name, record.active, error)
            raise

    async def _want(self, name: str, wanted: Literal["running", "stopped"]) -> ComponentRecord:
        record = self.registry.get(name)
        if record.wanted != wanted:
            record = replace(record, wanted=wanted)
            await self.ledger.put("start" if wanted == "running" else "stop", record)
        return record

    async def _begin_or_tell(self, record: ComponentRecord) -> None:
        try:
            await self.begin(record)
        except Exception as error:
            self.say_why_not(record.name, error)
            await self._return_to_earlier(record, error)

    async def _return_to_earlier(self, record: ComponentRecord, why: Exception) -> None:
        """Return to the earlier version when its successor could not take over the data."""
        earlier = record.migrate_from
        if earlier is None or not record.has_version(earlier):
            return
        if self.registry.get(record.name).set_aside:
            return  # its data could not be put back: no version may work on it
        before = replace(record.with_active(earlier, self.clock()), migrate_from=None)
        self.logs.write(record.name, "warn", f"went back to {earlier}", source="supervisor")
        await self.hosting.stop(record.name)
        try:
            await self.ledger.put("rollback", before)
            await self.begin(before)
            self.hosting.note_return(record.name, f"{record.active} did not start: {why}")
        except Exception as error:
            self.say_why_not(record.name, error)

    def say_why_not(self, name: str, error: BaseException) -> None:
        """Log the reason in the component's own log, to which the errors refer."""
        self.logs.write(name, "error", f"did not start: {reason_of(error)}", source="supervisor")
