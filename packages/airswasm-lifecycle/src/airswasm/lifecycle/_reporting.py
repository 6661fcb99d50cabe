"""Report what is installed and its state, in the values of `status`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airswasm.security import fingerprint_of

from ._registry.registry import ComponentRecord, Registry, VersionRecord
from ._registry.summary import ComponentSummary

if TYPE_CHECKING:  # imported where something is shown that needs them
    from airswasm.messaging import DurableSettings, DurableStatus, ScheduledMessage

    from ._home.policy import HostPolicy
    from ._hosting.hosting import Hosting
    from ._hosting.status import ComponentStatus
    from ._packages.manifest import Manifest
    from ._registry.info import ComponentInfo, DeliveryInfo, RecordingInfo
    from ._registry.routes import RouteInfo
    from ._registry.worlds import ComponentWorld

__all__ = ("Reporting",)


class Reporting:
    """Looks, and changes nothing.

    Args:
        registry: What is installed.
        manifest_of: Reads the active version's manifest from the disk.
        used_bytes: How much a component stores; None while there is no store.
        policy: Reads what the host lets components have.
        durable: Reads which messages the host makes durable, and on which terms.
        clock: Returns the seconds since 1970.
        size_of: Returns the bytes of a version's files.
        world_of: Returns the imports and exports of a component, by its digest.
        hosting: None where nothing runs.
        unwritten: How many denials of a component have no line in the audit log.
        waiting: How many messages wait for it on the disk; None where its mailbox is in memory.
        timers: The messages that it sends at a later time.
        recording: The extent of its recording; None where there is none.
    """

    def __init__(
        self,
        registry: Registry,
        manifest_of: Callable[[ComponentRecord], Manifest],
        used_bytes: Callable[[str], int | None],
        policy: Callable[[], HostPolicy],
        durable: Callable[[], DurableSettings],
        clock: Callable[[], float],
        size_of: Callable[[VersionRecord], int],
        world_of: Callable[[str], ComponentWorld],
        hosting: Hosting | None = None,
        unwritten: Callable[[str], int] = lambda _name: 0,
        waiting: Callable[[str], DurableStatus | None] = lambda _name: None,
        timers: Callable[[str], Sequence[ScheduledMessage]] = lambda _name: (),
        recording: Callable[[str], RecordingInfo | None] = lambda _name: None,
    ) -> None:
        self._recording = recording
        self._waiting, self._timers = waiting, timers
        self._registry, self._hosting, self._unwritten = registry, hosting, unwritten
        self._manifest_of, self._used_bytes = manifest_of, used_bytes
        self._policy, self._durable = policy, durable
        self._clock, self._size_of, self._world_of = clock, size_of, world_of

    def summaries(self) -> tuple[ComponentSummary, ...]:
        """Return all installed components, sorted by name."""
        return tuple(
            ComponentSummary(
                name=record.name,
                version=record.active,
                state=self.state(record),
                signer=_fingerprint(record.active_version.signer),
                installed_at=record.active_version.installed_at,
            )
            for record in self._registry
        )

    def routes(self) -> tuple[RouteInfo, ...]:
        """Return what each name leads to, sorted by name."""
        from ._registry.routes import route_of

        hosting = self._hosting
        return tuple(
            route_of(
                record,
                self.state(record),
                hosting.incarnation(record.name) if hosting is not None else None,
            )
            for record in self._registry
        )

    def info(self, name: str) -> ComponentInfo:
        """All that is known of one component. Raises as `System.info`."""
        from ._registry.info import ComponentInfo, TimerInfo, VersionInfo
        from ._registry.limits import limits_in_force
        from ._registry.retention import kept_versions

        record = self._registry.get(name)
        manifest, policy = self._manifest_of(record), self._policy()
        within, excesses = policy.hold(manifest)
        waiting = self._waiting(name)
        world = self._world_of(record.active_version.wasm_digest)
        return ComponentInfo(
            name=name,
            package_name=record.package_name,
            version=record.active,
            state=self.state(record),
            wanted=record.wanted,
            owner=record.owner,
            signer=_fingerprint(record.active_version.signer),
            floor=record.floor,
            versions=tuple(
                VersionInfo(
                    version=each.version.version,
                    sequence=each.version.sequence,
                    wasm_digest=each.version.wasm_digest,
                    installed_at=each.version.installed_at,
                    is_active=each.version.version == record.active,
                    signer=_fingerprint(each.version.signer),
                    source=each.version.source,
                    pin=each.version.pin,
                    replaced_at=each.version.replaced_at,
                    is_pinned=each.version.is_pinned,
                    overridden=each.version.overridden,
                    checkpoint=each.version.checkpoint,
                    is_swapped=each.version.is_swapped,
                    kept_by=each.by,
                    kept_until=each.until,
                )
                for each in kept_versions(
                    record, policy.install, self._clock(), size_of=self._size_of
                )
            ),
            imports=world.imports,
            exports=world.exports,
            manifest=manifest,
            limits=limits_in_force(record.name, within, policy.limits),
            storage_bytes=self._used_bytes(name),
            is_durable=waiting is not None,
            durable_messages=waiting.messages if waiting else 0,
            durable_bytes=waiting.size_bytes if waiting else 0,
            oldest_durable_age=waiting.oldest_age if waiting else None,
            delivery=_delivery(name, manifest, self._durable()),
            timers=tuple(map(TimerInfo.of, self._timers(name))),
            held=tuple(map(str, excesses)),
            needs={need: self._state_of(need) for need in record.active_version.needs},
            recording=self._recording(name),
        )

    def _state_of(self, name: str) -> str:
        record = self._registry.find(name)
        return "not installed" if record is None else self.state(record)

    def status(self, record: ComponentRecord) -> ComponentStatus:
        """Return the state of one component."""
        if self._hosting is None:
            from ._hosting.status import ComponentStatus

            swapped = record.active_version.is_swapped
            state = self.state(record)
            return ComponentStatus(record.name, record.active, state, is_swapped=swapped)
        unwritten = self._unwritten(record.name)
        is_by_level = any(each.by == "level" for each in record.grants.entries)
        waiting = self._waiting(record.name)
        durable: dict[str, Any] = {}
        if waiting is not None:
            durable = {
                "is_durable": True,
                "durable_messages": waiting.messages,
                "durable_bytes": waiting.size_bytes,
                "oldest_durable_age": waiting.oldest_age,
            }
        return replace(
            self._hosting.status(record),
            **durable,
            unwritten_denials=unwritten,
            is_swapped=record.active_version.is_swapped,
            is_development=is_by_level and self._policy().is_development,
        )

    def state(self, record: ComponentRecord) -> str:
        """One word for it; `offline` for what would run if something ran here."""
        if self._hosting is None:
            return "offline" if record.wanted == "running" else "stopped"
        return self._hosting.state(record.name)


def _delivery(name: str, manifest: Manifest, settings: DurableSettings) -> DeliveryInfo:
    from ._registry.info import DeliveryInfo
    from ._registry.limits import delivery_of

    asked = delivery_of(manifest, settings)
    terms = settings.terms_of(name, asked)
    if terms is None:
        return DeliveryInfo()
    return DeliveryInfo(
        "durable", "[durable]" if asked is None else "manifest",
        terms.attempts, terms.messages, terms.size_bytes, terms.age_seconds,
    )  # fmt: skip


def _fingerprint(owner: str | None) -> str | None:
    return fingerprint_of(owner) if owner is not None else None
