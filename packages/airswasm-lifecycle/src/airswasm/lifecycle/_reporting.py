"""Report what is installed and its state, in the values of `status`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airswasm.security import fingerprint_of

from ._registry import ComponentRecord, Registry
from ._status import ComponentStatus, ComponentSummary

if TYPE_CHECKING:  # to look imports neither a host nor, but for `info`, manifests
    from ._hosting import Hosting
    from ._info import ComponentInfo
    from ._manifest import Manifest

__all__ = ("Reporting",)


@dataclass(frozen=True, slots=True)
class Reporting:
    """Reads the registry and the running components, and changes nothing."""

    registry: Registry
    manifest_of: Callable[[ComponentRecord], Manifest]
    """Reads the active version's manifest from the disk."""
    used_bytes: Callable[[str], int | None]
    """How much a component stores; None while there is no store."""
    hosting: Hosting | None = None
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
        """All that is known of one component. Raises as `System.info`."""
        from ._info import ComponentInfo, VersionInfo

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
            manifest=self.manifest_of(record),
            storage_bytes=self.used_bytes(name),
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


def _fingerprint(owner: str | None) -> str | None:
    return fingerprint_of(owner) if owner is not None else None
