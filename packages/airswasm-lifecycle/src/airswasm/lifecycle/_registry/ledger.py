"""Change what is installed, in one way only: audit, stage the files, write atomically.

The order gives crash safety. The audit line precedes its effect, the files precede the record that
names them, and the record is one atomic write. The trust store's floor follows it; after a crash in
between, the registry's own floor still holds.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import anyio
import anyio.to_thread
from airswasm.security import AuditEvent, AuditLog, PublicKey, TrustStore

from .._packages.package import Package
from ..errors import ApprovalRefused
from .plan import Approve, InstallPlan
from .registry import ComponentRecord, Registry, VersionRecord
from .stored_packages import StoredPackages

__all__ = ("Ledger", "version_of")


class Ledger:
    """Changes the registry. Only here do changes of different names exclude each other."""

    def __init__(
        self,
        registry: Registry,
        stored: StoredPackages,
        trust: TrustStore,
        audit: AuditLog,
        checkpoint: Callable[[str], None],
    ) -> None:
        self._registry, self._stored = registry, stored
        self._trust, self._audit = trust, audit
        self._checkpoint = checkpoint
        self._lock = anyio.Lock()

    async def approve(self, plan: InstallPlan, approve: Approve | None) -> None:
        """Ask for approval, and record the question and the answer.

        Raises:
            ApprovalRefused: The answer was not yes.
        """
        answer = approve(plan) if approve is not None else False
        if inspect.isawaitable(answer):
            answer = await answer
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
                },
            )
        )
        if not answer:
            raise ApprovalRefused(plan.name, plan.version, lines)

    async def put_package(
        self, package: Package, records: Sequence[ComponentRecord], verb: str
    ) -> None:
        """Stage a package's files, pin its key, and write the records that name it.

        Raises:
            HomeUnusable, StorageError, SecurityError: A write failed; the records are unchanged.
        """
        async with self._lock:
            if package.signer is not None:
                await anyio.to_thread.run_sync(self.pin, package.name, package.signer)
            await self._stored.stage(package)
            await self._write(verb, records)
            if package.verified is not None:
                await anyio.to_thread.run_sync(self._trust.accept, package.verified)
                self._checkpoint("trust.accepted")

    def pin(self, package_name: str, owner: PublicKey) -> None:
        """Pin a package's name to its owner, with the history of the installed versions.

        Raises:
            SecurityError: The name is pinned to another key, or the key was revoked.
        """
        accepted: dict[PublicKey, int] = {}
        if self._trust.get(package_name) is None:
            for record in self._registry:
                if record.package_name == package_name:
                    for version in record.versions:
                        if version.signer is not None:
                            key = PublicKey.from_text(version.signer)
                            accepted[key] = max(version.sequence, accepted.get(key, 0))
        self._trust.pin(package_name, owner, accepted=accepted)

    async def put_back(self, package: Package, record: ComponentRecord) -> None:
        """Restage the files of an installed package after the disk lost some.

        Raises:
            HomeUnusable, SecurityError: A write failed.
        """
        async with self._lock:
            self._note("restore", record, {})
            await self._stored.stage(package)

    async def put(self, verb: str, *records: ComponentRecord) -> None:
        """Write records whose files are already staged."""
        async with self._lock:
            await self._write(verb, records)

    async def note(self, verb: str, record: ComponentRecord, **detail: str) -> None:
        """Write an audit line about an act that changes no record."""
        async with self._lock:
            self._note(verb, record, detail)

    async def remove(self, record: ComponentRecord, **detail: str) -> None:
        """Remove a record; its files stay until the next sweep."""
        async with self._lock:
            self._note("uninstall", record, detail)
            await self._registry.remove(record.name)

    async def sweep(self) -> frozenset[str]:
        """Remove files that no record names; return the digests still in use."""
        async with self._lock:
            digests = self._registry.digests()
            await self._stored.sweep(digests)
        return digests

    async def give_up_name(self, record: ComponentRecord) -> None:
        """Free the name for another owner, unless another name has the package."""
        if not any(each.package_name == record.package_name for each in self._registry):
            await anyio.to_thread.run_sync(self._trust.unpin, record.package_name)

    async def _write(self, verb: str, records: Sequence[ComponentRecord]) -> None:
        if records:
            self._note(verb, records[0], {"names": str(len(records))})
            await self._registry.put(*records)

    def _note(self, verb: str, record: ComponentRecord, detail: dict[str, str]) -> None:
        version = record.active_version
        about = {
            "version": version.version,
            "sequence": str(version.sequence),
            "wasm": version.wasm_digest,
            "signer": version.signer or "unsigned",
        }
        self._audit.record(
            AuditEvent(kind=verb, component=record.name, outcome="done", detail={**about, **detail})
        )
        self._audit.sync()


def version_of(package: Package, installed_at: float) -> VersionRecord:
    """Return the record of a package's version."""
    return VersionRecord(
        version=package.version,
        sequence=package.sequence,
        wasm_digest=package.wasm_digest,
        files=package.digests,
        grants=package.manifest.capabilities,
        signer=str(package.signer) if package.signer else None,
        installed_at=installed_at,
    )
