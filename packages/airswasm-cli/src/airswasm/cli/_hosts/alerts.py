"""Operations on alerts, by a `System` of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .._control.document import Document
from .stored_host import to_document

if TYPE_CHECKING:
    from airswasm.lifecycle import System
    from airswasm.monitoring import StoredAlerts

__all__ = ("AlertHost", "LocalAlerts")


class AlertHost(Protocol):
    """A home's alerts."""

    async def alerts(self) -> Document:
        """Return the alert rules of the host, and what fires."""
        ...

    async def alert(self, rule: str) -> Document:
        """Return an alert rule with its alerts."""
        ...

    async def silence_alert(
        self, rule: str, seconds: float, component: str = "", reason: str = ""
    ) -> Document:
        """Tell no receiver of a rule's alerts for some time; return the silence."""
        ...

    async def lift_silence(self, rule: str, component: str = "") -> bool:
        """Tell receivers of a rule's alerts again; return whether they were not told."""
        ...


class LocalAlerts:
    """The alerts of a `System`, in documents.

    Args:
        system: The open system. One without running components has those of its store.
    """

    def __init__(self, system: System) -> None:
        self._of = system

    async def alerts(self) -> Document:
        """See `AlertHost`."""
        return to_document((await self._alerts()).report())

    async def alert(self, rule: str) -> Document:
        """See `AlertHost`."""
        return to_document((await self._alerts()).get(rule))

    async def silence_alert(
        self, rule: str, seconds: float, component: str = "", reason: str = ""
    ) -> Document:
        """See `AlertHost`."""
        if component:  # one that is not installed is refused, with what was probably meant
            self._of.info(component)
        alerts = await self._alerts()
        return to_document(await alerts.silence(rule, seconds, component=component, reason=reason))

    async def lift_silence(self, rule: str, component: str = "") -> bool:
        """See `AlertHost`."""
        return await (await self._alerts()).lift(rule, component)

    async def _alerts(self) -> StoredAlerts:
        from airswasm.monitoring import Alerts, AlertSettings, StoredAlerts
        from airswasm.security import AuditSink
        from airswasm.storage import KeyValueStore

        services = self._of.services
        if services.has(Alerts):
            return services.get(Alerts)
        store = services.get(KeyValueStore) if services.has(KeyValueStore) else None  # type: ignore[type-abstract]  # a key
        audit = services.get(AuditSink) if services.has(AuditSink) else None  # type: ignore[type-abstract]  # a key
        settings = self._of.configuration.get(AlertSettings)
        return await StoredAlerts.open(settings, store, audit=audit)
