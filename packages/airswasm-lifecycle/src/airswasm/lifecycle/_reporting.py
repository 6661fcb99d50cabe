"""Report what is installed and its state, in the values of `status`."""

from __future__ import annotations

from dataclasses import dataclass

from airswasm.security import PublicKey
from airswasm.storage import KeyValueStore

from ._hosting import Hosting
from ._registry import ComponentRecord, Registry
from ._status import ComponentInfo, ComponentStatus, ComponentSummary, VersionInfo
from ._stored import StoredPackages

__all__ = ("Reporting",)


@dataclass(frozen=True, slots=True)
class Reporting:
    """Reads the registry and the running components, and changes nothing."""

    registry: Registry
    stored: StoredPackages
    store: KeyValueStore | None
    """None for a home that does not exist yet."""
    hosting: Hosting | None
    """None where nothing runs."""

    def summaries(self) -> tuple[ComponentSummary, ...]:
        """Return all installed components, sorted by name."""
        return tuple(
            ComponentSummary(
                name=record.name,
                version=record.active,
                state=self.state(record),
                signer=_fingerprint(record.owner),
                installed_at=record.active_version.installed_at,
            )
            for record in self.registry
        )

    def info(self, name: str) -> ComponentInfo:
        """Return all details of one component. Raises as `System.info`."""
        record = self.registry.get(name)
        return ComponentInfo(
            name=name,
            package_name=record.package_name,
            version=record.active,
            state=self.state(record),
            wanted=record.wanted,
            owner=record.owner,
            signer=_fingerprint(record.owner),
            floor=record.floor,
            versions=tuple(
                VersionInfo(
                    version=each.version,
                    sequence=each.sequence,
                    wasm_digest=each.wasm_digest,
                    installed_at=each.installed_at,
                    is_active=each.version == record.active,
                )
                for each in record.versions
            ),
            manifest=self.stored.manifest(record),
            storage_bytes=self._stored_bytes(name),
        )

    def status(self, record: ComponentRecord) -> ComponentStatus:
        """Return the status of one component."""
        if self.hosting is None:
            return ComponentStatus(record.name, record.active, self.state(record))
        return self.hosting.status(record)

    def state(self, record: ComponentRecord) -> str:
        """Return its state in one word; `offline` for what a host would run."""
        if self.hosting is None:
            return "offline" if record.wanted == "running" else "stopped"
        return self.hosting.state(record.name)

    def _stored_bytes(self, name: str) -> int | None:
        if self.store is None:
            return None
        return self.store.namespace(name).read_usage().used_bytes


def _fingerprint(owner: str | None) -> str | None:
    return PublicKey.from_text(owner).fingerprint if owner is not None else None
