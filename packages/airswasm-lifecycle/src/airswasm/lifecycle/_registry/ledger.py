"""Change what is installed, in one way only: audit, stage the files, write atomically.

The order gives crash safety. The audit line precedes its effect, the files precede the record that
names them, and the record is one atomic write. The trust store's floor precedes it, because the
store may refuse the package; after a crash in between, the same package may be installed again.

Changes of trust take the same lock: a record is written either before a key is revoked, and then
the revocation finds it, or not at all.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias, TypeVar

import anyio
import anyio.to_thread
from airswasm.security import (
    AuditEvent,
    AuditLog,
    Decider,
    GrantRecord,
    KeyMismatch,
    Kinds,
    PublicKey,
    SignersMissing,
    TrustedComponent,
    TrustStore,
    VerifiedStatement,
    fingerprint_of,
    verify_statement,
)
from airswasm.storage import StorageError

from .._home.artifacts import Removed
from .._packages.package import Package
from ..errors import ApprovalRefused, VersionNotRetained
from .approval import Approval, Approve, grant_event
from .history import HISTORY_NAMESPACE, History, HistoryEntry, Outcome
from .plan import InstallPlan, TrustLevel
from .registry import Beside, ComponentRecord, Registry, VersionRecord
from .stored_packages import StoredPackages

__all__ = ("Decide", "Ledger", "version_of")

T = TypeVar("T")
_BY_LEVEL: Mapping[TrustLevel, Decider] = {
    "unknown": "operator", "trusted": "key", "source": "source",
    "development": "level",
}  # fmt: skip
_NO_DETAIL: Mapping[str, str] = MappingProxyType({})
_NOTHING: Beside = MappingProxyType({})
Decide: TypeAlias = Callable[[GrantRecord], GrantRecord]


class Ledger:
    """Changes the registry. Only here do changes of different names exclude each other."""

    def __init__(
        self,
        registry: Registry,
        stored: StoredPackages,
        trust: TrustStore,
        audit: AuditLog,
        checkpoint: Callable[[str], None],
        kinds: Kinds,
        clock: Callable[[], float],
        history: History,
    ) -> None:
        self._kinds, self._clock, self._history = kinds, clock, history
        self._registry, self._stored = registry, stored
        self._trust, self._audit = trust, audit
        self._checkpoint = checkpoint
        self._lock = anyio.Lock()

    async def approve(self, plan: InstallPlan, approve: Approve | None) -> Decide:
        """Ask for approval if the plan needs it, and record the question and the answer.

        Returns:
            The decision: what becomes of a grant record by it.

        Raises:
            ApprovalRefused: The answer was not yes.
            GrantNotNarrower, GrantMissing: The answer does not fit the question.
        """
        now = self._clock()
        if not plan.needs_approval:
            by = _BY_LEVEL[plan.level]
            granted = Approval(by=by, reason=self._reason(plan, by))
            return lambda before: granted.decide(plan, before, now, self._kinds)
        answer = approve(plan) if approve is not None else False
        if inspect.isawaitable(answer):
            answer = await answer
        approval = answer if isinstance(answer, Approval) else Approval()
        approval.decide(plan, GrantRecord(), now, self._kinds)  # before the answer is recorded
        lines = plan.capabilities.manifest_lines()
        self._audit.record(
            AuditEvent(
                kind="approve",
                component=plan.name,
                outcome="allow" if answer else "deny",
                reason="; ".join(lines),
                detail={
                    "version": plan.version,
                    "signer": plan.signer or "unsigned",
                    "package": plan.package_digest,
                    **_origin(plan.source, plan.pin),
                },
            )
        )
        if not answer:
            raise ApprovalRefused(plan.name, plan.version, lines)
        return lambda before: approval.decide(plan, before, now, self._kinds)

    def _reason(self, plan: InstallPlan, by: Decider) -> str:
        """Return what a grant without a question stands on: it ends with it."""
        if by == "source":
            return plan.origin
        if by == "key":
            signers = (plan.signer or "", *plan.cosigners)
            return " ".join(each for each in signers if self._trust.trusts(each))
        return ""

    async def put_package(
        self, package: Package, records: Sequence[ComponentRecord], verb: str, decide: Decide
    ) -> None:
        """Stage a package's files, pin its key, and write the records that name it.

        Args:
            package: The package.
            records: The records.
            verb: For the audit log.
            decide: Returns the grant record of each, made of the one that it has.

        Raises:
            HomeUnusable, StorageError, SecurityError: A write failed; the records are unchanged.
        """
        async with self._lock:
            if package.signer is None:
                self.check_threshold(package)
            else:
                await anyio.to_thread.run_sync(self._pin_signers, package)
            try:
                await self._stored.stage(package)
                if package.verified is not None:
                    await anyio.to_thread.run_sync(self._trust.accept, package.verified)
                    self._checkpoint("trust.accepted")
            except Exception:  # a disk that is full must not stay so
                await self._stored.remove(self._unneeded(package.digests.values()))
                raise
            await self._write_decided(verb, records, decide)

    def _unneeded(self, digests: Iterable[str]) -> tuple[str, ...]:
        needed = self._registry.digests()
        return tuple(each for each in digests if each not in needed)

    def check_threshold(self, package: Package) -> None:
        """Check that enough pinned keys have signed a package; an unsigned one has none.

        Raises:
            SignersMissing: Too few have.
            SignaturesMissing: Some of those that it names have yet to sign it.
        """
        if package.signature is not None and package.verified is None:
            verify_statement(package.signature)
        if package.verified is not None:
            self._trust.check_threshold(package.verified)
            return
        needed = self._trust.needed(package.name)
        if needed > 1:
            raise SignersMissing(package.name, needed, ())

    def _pin_signers(self, package: Package) -> None:
        """Pin the owner, and for a fresh pin the others that have signed as co-signers."""
        assert package.signer is not None
        self.pin(package.name, package.signer, cosigners=package.cosigners)

    def pin(
        self,
        package_name: str,
        owner: PublicKey,
        *,
        label: str = "",
        cosigners: Sequence[PublicKey] = (),
    ) -> TrustedComponent:
        """Pin a package's name to its owner, with the history of the installed versions.

        Raises:
            SecurityError: The name belongs to another key, or the key was revoked.
        """
        if self._trust.get(package_name) is not None:
            return self._trust.pin(package_name, owner, label=label)
        known = self.owner_of(package_name)
        if known not in (None, owner):
            raise KeyMismatch(package_name, known.fingerprint, owner.fingerprint)
        accepted = self.accepted(package_name)
        return self._trust.pin(
            package_name, owner, label=label, accepted=accepted, cosigners=cosigners
        )

    def owners(self) -> dict[str, PublicKey]:
        """Return the owner of every name that is pinned or installed."""
        installed = {
            each.package_name: PublicKey.from_text(each.owner)
            for each in self._registry
            if each.owner is not None
        }
        return {**installed, **{pin.name: pin.key for pin in self._trust.components()}}

    def owner_of(self, package_name: str) -> PublicKey | None:
        """Return the key that owns the installed components of a package, pinned or not."""
        owners = (each.owner for each in self._records_of(package_name))
        return next((PublicKey.from_text(each) for each in owners if each is not None), None)

    def accepted(self, package_name: str) -> dict[PublicKey, int]:
        """Return the keys that signed installed versions, each with its highest sequence."""
        found: dict[PublicKey, int] = {}
        for record in self._records_of(package_name):
            for version in record.versions:
                if version.signer is not None:
                    key = PublicKey.from_text(version.signer)
                    found[key] = max(version.sequence, found.get(key, 0))
        return found

    def _records_of(self, package_name: str) -> tuple[ComponentRecord, ...]:
        return tuple(each for each in self._registry if each.package_name == package_name)

    async def put_back(self, package: Package, record: ComponentRecord) -> None:
        """Restage the files of an installed package after the disk lost some.

        Raises:
            HomeUnusable, SecurityError: A write failed.
        """
        async with self._lock:
            self._note("restore", record, {})
            await self._stored.stage(package)
            await self._history.add(self._entry("restore", record, record, {}))

    async def put(
        self,
        verb: str,
        record: ComponentRecord,
        verified: VerifiedStatement | None = None,
        **detail: str,
    ) -> None:
        """Write a record whose files are already staged.

        Its owner and its grants stay those that the registry has: a transfer or a denial may have
        come between.

        Args:
            verb: For the audit log.
            record: The record.
            verified: The statement of a version that becomes active.
            detail: More for the audit log.

        Raises:
            TrustError: The host trusts that version no longer; the record is unchanged.
        """
        async with self._lock:
            if verified is not None:
                await anyio.to_thread.run_sync(self._trust.check_installed, verified)
            owner = self._registry.get(record.name).owner
            await self._write_decided(
                verb, (replace(record, owner=owner),), lambda before: before, detail
            )

    async def change_grants(
        self,
        name: str,
        change: Callable[[ComponentRecord], GrantRecord],
        events: Iterable[AuditEvent],
    ) -> None:
        """Write what a change makes of a name's grant record.

        Args:
            name: The component.
            change: Returns the grant record; what it raises leaves everything as it was.
            events: The lines for the audit log.

        Raises:
            NotInstalled: No such component is installed.
        """
        async with self._lock:
            record = self._registry.get(name)
            after = change(record)
            told: list[HistoryEntry] = []
            for event in events:
                self._audit.record(event)
                facts = {"capability": event.capability, "patterns": event.resource, **event.detail}
                entry = self._entry("grant", record, record, facts)
                told.append(replace(entry, reason=event.reason))
            self._audit.sync()
            await self._registry.put(replace(record, grants=after), beside=self._told(told))
            await self._history.trim(name)

    async def change_trust(self, carry_out: Callable[[], T], told: HistoryEntry) -> T:
        """Change the trust store in a thread, while no record changes; and tell of it."""
        async with self._lock:
            done = await anyio.to_thread.run_sync(carry_out)
            with suppress(StorageError):  # a key that was revoked must go on to end its code
                await self._history.add(told)
        return done

    async def hand_over(self, pin: TrustedComponent) -> None:
        """Write a package's owner into the records of its components."""
        owner = str(pin.key)
        async with self._lock:
            changed = [
                replace(each, owner=owner)
                for each in self._records_of(pin.name)
                if each.owner not in (None, owner)
            ]
            await self._write("owner", changed)

    async def note(self, verb: str, record: ComponentRecord, **detail: str) -> None:
        """Write an audit line, and an entry of the history, of an act that changes no record."""
        async with self._lock:
            self._note(verb, record, detail)
            await self._history.add(self._entry(verb, record, record, detail))

    async def record(self, events: Iterable[AuditEvent]) -> None:
        """Write audit lines about decisions that change no record."""
        async with self._lock:
            for event in events:
                self._audit.record(event)
            self._audit.sync()

    async def note_failure(
        self, verb: str, name: str, outcome: Outcome, reason: str, wanted: Package | str = ""
    ) -> None:
        """Tell in the history of a change that was refused or that failed.

        Args:
            verb: The change.
            name: The component.
            outcome: `refused` or `failed`.
            reason: Why.
            wanted: The package or the version that should have become the active one.
        """
        async with self._lock:
            found = self._registry.find(name)
            active = found.active if found is not None else ""
            entry = HistoryEntry(name, verb, outcome, active, active, reason=reason)
            if isinstance(wanted, Package):
                entry = replace(
                    entry, wanted=wanted.version, source=wanted.recorded_source, pin=wanted.pin,
                    signer=wanted.signer.fingerprint if wanted.signer is not None else "",
                )  # fmt: skip
            else:
                entry = replace(entry, wanted=wanted)
            with suppress(StorageError):  # the error that it tells of is what the caller gets
                await self._history.add(entry)

    async def note_purge(self, name: str) -> None:
        """Write an audit line about the purge of a name that is not installed any more."""
        async with self._lock:
            self._audit.record(AuditEvent("uninstall", name, "done", detail={"purge": "yes"}))
            self._audit.sync()

    async def remove(
        self, record: ComponentRecord, beside: Beside = _NOTHING, **detail: str
    ) -> None:
        """Remove a record, with rows of other namespaces; its files stay until the next sweep."""
        async with self._lock:
            self._note("uninstall", record, detail)
            if record.package_name != record.name:
                detail["package"] = record.package_name
            told = self._told([self._entry("uninstall", record, None, detail)])
            await self._registry.remove(record.name, beside={**beside, **told})
            await self._history.trim(record.name)

    async def drop_versions(self, name: str, versions: Collection[str]) -> tuple[str, ...]:
        """Retain some versions of a name no longer; return those that left.

        The active version stays, and one that is pinned or waits to be migrated from.

        Raises:
            NotInstalled: No such component is installed.
        """
        async with self._lock:
            record = self._registry.get(name)
            needed = (record.active, record.migrate_from)
            gone = tuple(
                each
                for each in record.versions
                if each.version in versions and each.version not in needed and not each.is_pinned
            )
            if gone:
                left = tuple(each for each in record.versions if each not in gone)
                await self._write("clean-up", (replace(record, versions=left),))
        return tuple(each.version for each in gone)

    async def set_pin(self, name: str, version: str, *, is_pinned: bool) -> ComponentRecord:
        """Pin a retained version, or pin it no longer.

        Raises:
            NotInstalled: No such component is installed.
            VersionNotRetained: The record has no such version.
        """
        async with self._lock:
            record = self._registry.get(name)
            if not record.has_version(version):
                have = tuple(each.version for each in record.versions)
                raise VersionNotRetained(name, version, have)
            changed = record.with_pin(version, is_pinned=is_pinned)
            if changed != record:
                verb = "pin" if is_pinned else "unpin"
                await self._write(verb, (changed,), {"pinned": version})
        return changed

    async def sweep(self) -> Set[str]:
        """Remove the files that records named and name no longer; return the digests in use."""
        async with self._lock:
            await self._stored.remove(self._registry.take_released())
        return self._registry.digests()

    async def sweep_all(self) -> Removed:
        """Remove every file that no record names, wherever it comes from."""
        async with self._lock:
            self._registry.take_released()
            return await self._stored.sweep(self._registry.digests())

    async def give_up(self, package_name: str) -> None:
        """Free a package's name for another owner, unless a component has the package."""
        async with self._lock:
            if not self._records_of(package_name):
                await anyio.to_thread.run_sync(self._trust.unpin, package_name)

    async def _write_decided(
        self,
        verb: str,
        records: Sequence[ComponentRecord],
        decide: Decide,
        detail: Mapping[str, str] | None = None,
    ) -> None:
        """Write records with their grants; alike ones share one, and its lines in the log."""
        made: dict[GrantRecord, GrantRecord] = {}
        decided: list[ComponentRecord] = []
        for record in records:
            known = self._registry.find(record.name)
            before = known.grants if known is not None else GrantRecord()
            after = made.get(before)
            if after is None:
                after = made[before] = decide(before)
                for each in after.entries[len(before.entries) :]:
                    self._audit.record(grant_event(record.name, each, each.verdict))
            decided.append(replace(record, grants=after))
        await self._write(verb, decided, detail)

    async def _write(
        self,
        verb: str,
        records: Sequence[ComponentRecord],
        detail: Mapping[str, str] | None = None,
    ) -> None:
        if not records:
            return
        detail = detail or {}
        self._note(verb, records[0], {"names": str(len(records)), **detail})
        told = (self._entry(verb, self._registry.find(e.name), e, detail) for e in records)
        await self._registry.put(*records, beside=self._told(told))
        if len(records) == 1:
            await self._history.trim(records[0].name)

    def _told(self, entries: Iterable[HistoryEntry]) -> Beside:
        return {HISTORY_NAMESPACE: self._history.rows(entries)}

    def _entry(
        self,
        verb: str,
        before: ComponentRecord | None,
        after: ComponentRecord | None,
        detail: Mapping[str, str],
    ) -> HistoryEntry:
        """Return the entry that tells of a change from one record of a name to another."""
        record = after or before
        assert record is not None
        version, facts = record.active_version, dict(detail)
        if before is not None and after is not None:
            kept = {each.version for each in after.versions}
            gone = [each.version for each in before.versions if each.version not in kept]
            if gone:
                facts["removed"] = ", ".join(gone)
            if before.owner != after.owner:
                facts["owner"] = _fingerprint(after.owner)
            if before.active != after.active:
                facts |= {f"override {gate}": why for gate, why in version.overridden.items()}
        return HistoryEntry(
            record.name, verb,
            before=before.active if before is not None else "",
            after=after.active if after is not None else "",
            source=version.source, pin=version.pin, signer=_fingerprint(version.signer),
            detail=facts,
        )  # fmt: skip

    def _note(self, verb: str, record: ComponentRecord, detail: Mapping[str, str]) -> None:
        version = record.active_version
        about = {
            "version": version.version,
            "sequence": str(version.sequence),
            "wasm": version.wasm_digest,
            "signer": version.signer or "unsigned",
            **_origin(version.source, version.pin),
        }
        self._audit.record(
            AuditEvent(kind=verb, component=record.name, outcome="done", detail={**about, **detail})
        )
        self._audit.sync()


def _fingerprint(key: str | None) -> str:
    return "" if key is None else fingerprint_of(key)


def _origin(source: str, pin: str) -> dict[str, str]:
    return {key: value for key, value in (("source", source), ("pin", pin)) if value}


def version_of(package: Package, installed_at: float) -> VersionRecord:
    """Return the record of a package's version."""
    return VersionRecord(
        version=package.version,
        sequence=package.sequence,
        wasm_digest=package.wasm_digest,
        files=package.digests,
        asked=package.manifest.capabilities,
        signer=str(package.signer) if package.signer else None,
        installed_at=installed_at,
        source=package.recorded_source,
        pin=package.pin,
        needs=package.manifest.component.needs,
    )
