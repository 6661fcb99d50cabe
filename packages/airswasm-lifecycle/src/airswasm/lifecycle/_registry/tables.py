"""Adapt the host's store to the registry, and the manifests to the blocks' quotas."""

from __future__ import annotations

from collections.abc import Mapping

from airswasm.messaging import Acceptance, Delivery, DurableSettings, MessagingLimits, Rate
from airswasm.storage import Durability, Namespace, Store

from .._home.policy import HostPolicy
from .._packages.manifest import Manifest
from .limits import acceptance_of, delivery_of, sending_rate, storage_in_force
from .registry import REGISTRY_NAMESPACE, Beside

__all__ = ("ComponentPolicies", "StoredTable")

_NO_QUOTA = 2**62


class StoredTable:
    """A namespace of the store, as the registry's table."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._namespace = self._space(REGISTRY_NAMESPACE)

    async def read_all(self) -> Mapping[str, bytes]:
        """Return every name with its record."""
        return {entry.key: entry.value async for entry in self._namespace.entries()}

    async def write(self, changes: Mapping[str, bytes | None], beside: Beside) -> None:
        """Write one atomic batch; it is durable when the call returns."""
        batch = self._store.batch()
        for name, record in changes.items():
            batch.set(self._namespace, name, record)
        for other, rows in beside.items():
            space = self._space(other)
            for key, row in rows.items():
                batch.set(space, key, row)
        await batch.commit()

    def _space(self, name: str) -> Namespace:
        return self._store.namespace(name, quota_bytes=_NO_QUOTA, has_batch_bounds=False)


class ComponentPolicies:
    """The quotas of each component in storage and messaging: its manifest, within the policy.

    It is the `StorageQuotas`, the `DurabilityPolicy`, the `MessagingPolicy` and the
    `DeliveryPolicy` of a system.

    Attributes:
        revision: Changes with each manifest that comes into force or leaves it.
    """

    def __init__(
        self,
        policy: HostPolicy,
        limits: MessagingLimits | None = None,
        durable: DurableSettings | None = None,
    ) -> None:
        self._policy = policy
        self._durable = durable or DurableSettings()
        self._limits = limits or MessagingLimits()
        self._manifests: dict[str, Manifest] = {}
        self._acceptances: dict[str, Acceptance] = {}
        self.revision = 0

    def hold_to(
        self, *, limits: MessagingLimits | None = None, durable: DurableSettings | None = None
    ) -> None:
        """Hold every component to other settings of messaging; None leaves the present ones."""
        self._limits, self._durable = limits or self._limits, durable or self._durable
        self.revision += 1

    def names(self) -> tuple[str, ...]:
        """Return the components whose manifests are in force."""
        return tuple(self._manifests)

    @property
    def limits(self) -> MessagingLimits:
        """The limits that hold for every component."""
        return self._limits

    def set(self, name: str, manifest: Manifest) -> None:
        """Put a manifest's limits into force; the install has compared them with the policy."""
        self._manifests[name] = manifest
        self._acceptances[name] = acceptance_of(manifest)
        self.revision += 1

    def forget(self, name: str) -> None:
        """Return a component to the defaults."""
        self._manifests.pop(name, None)
        self._acceptances.pop(name, None)
        self.revision += 1

    def quota_bytes(self, component: str) -> int:
        """Return the quota of this component's namespace."""
        return self._storage(component)[0]

    def quota_keys(self, component: str) -> int:
        """Return the most keys of this component's namespace."""
        return self._storage(component)[1]

    def _storage(self, component: str) -> tuple[int, int]:
        manifest = self._manifests.get(component)
        return storage_in_force(
            component, None if manifest is None else manifest.limits, self._policy.limits
        )

    def durability(self, component: str) -> Durability | None:
        """Return when a write of this component counts as done; None for the store's rule."""
        manifest = self._manifests.get(component)
        asked = manifest.limits.durability if manifest else None
        return "sync" if asked == "os" and self._policy.limits.durability == "sync" else asked

    def rate_of(self, component: str) -> Rate:
        """Return the rate at which this component may send."""
        manifest = self._manifests.get(component)
        return sending_rate(manifest, self._policy.limits)

    def acceptance_of(self, target: str) -> Acceptance:
        """Return the codecs that this target reads."""
        return self._acceptances.get(target) or Acceptance(target)

    def delivery_of(self, component: str) -> Delivery | None:
        """Return the terms of delivery that this component asks for; None for memory."""
        manifest = self._manifests.get(component)
        return None if manifest is None else delivery_of(manifest, self._durable)
