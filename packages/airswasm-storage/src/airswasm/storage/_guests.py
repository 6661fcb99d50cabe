"""The interface by which a component reaches its namespace.

The caller's name is the namespace, so there is no argument through which a component could name
another's. A write completes when it is durable: the guest waits in a `Pending`, which costs no
task, and the store's group commit resolves it together with those of other components.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from airswasm.runtime import (
    Caller,
    Case,
    Effect,
    Err,
    HostFunction,
    HostInterface,
    LiveSettings,
    Ok,
    Services,
)
from airswasm.security import Guard

from ._block import STORAGE_INTERFACE
from ._guest_answers import refusal, write_refusal, written
from ._settings import DEFAULT_QUOTA_BYTES, Durability, StorageSettings
from ._spaces.inline import Journal
from ._spaces.namespace import Namespace
from ._store import KeyValueStore, Store
from .errors import PreconditionFailed, StorageError, ValueTooLarge

_ENTRY_FUEL = 25_000
"""For an entry of a batch, which is read and written in some 15 microseconds."""

__all__ = (
    "DurabilityPolicy",
    "FixedQuota",
    "Journals",
    "StorageQuotas",
    "provide",
    "storage_interface",
)


_Refusal: TypeAlias = Callable[[Caller, str, str], str | None]
"""Returns why a caller may not delete the resource of an argument, or None."""


class StorageQuotas(Protocol):
    """The host's policy on how much each component may store."""

    def quota_bytes(self, component: str) -> int:
        """Return the quota of this component's namespace, as it is now."""
        ...

    def quota_keys(self, component: str) -> int | None:
        """Return the most keys of this component's namespace; None to bound its bytes alone."""
        ...


class DurabilityPolicy(Protocol):
    """The host's policy on when a component's write counts as done."""

    def durability(self, component: str) -> Durability | None:
        """Return the rule for this component; None for the store's own."""
        ...


class Journals(Protocol):
    """The readers of what components change."""

    def journal(self, caller: Caller) -> Journal | None:
        """Return what is told of each change that this instance makes; None for nothing."""
        ...


@dataclass(frozen=True, slots=True)
class FixedQuota:
    """The same quota for every component."""

    bytes_each: int = DEFAULT_QUOTA_BYTES
    keys_each: int | None = None

    def quota_bytes(self, component: str) -> int:
        """Return the one quota."""
        del component
        return self.bytes_each

    def quota_keys(self, component: str) -> int | None:
        """Return the one quota."""
        del component
        return self.keys_each


def storage_interface(
    store: KeyValueStore,
    quotas: StorageQuotas,
    durability: DurabilityPolicy | None = None,
    guard: Guard | None = None,
    journals: Journals | None = None,
) -> HostInterface:
    """Return `airswasm:component/storage` over a store.

    Args:
        store: The open store.
        quotas: Asked at each write, so that a changed quota holds at once.
        durability: Asked when an instance first uses its storage; the store's rule by default.
        guard: Asked whether a caller may delete, by the functions that delete only sometimes; all
            else is the business of the guard in front of the interface.
        journals: Asked when an instance first uses its storage.
    """
    guests = _Guests(store, quotas, durability, _asking(guard), journals)
    functions: dict[str, HostFunction] = {
        "get": guests.get,
        "set": guests.set,
        "delete": guests.delete,
        "exists": guests.exists,
        "scan-prefix": guests.scan_prefix,
        "scan": guests.scan,
        "ttl": guests.ttl,
        "set-with-ttl": guests.set_with_ttl,
        "compare-and-set": guests.compare_and_set,
        "batch": guests.batch,
        "delete-prefix": guests.delete_prefix,
        "usage": guests.usage,
    }
    return HostInterface(
        STORAGE_INTERFACE, functions, effects=dict.fromkeys(functions, Effect.DATA)
    )


def provide(services: Services) -> Iterable[HostInterface]:
    """Return the interface that this block offers.

    It uses the service `KeyValueStore` and, where present, `StorageQuotas`,
    `DurabilityPolicy` and `Journals`.

    Raises:
        ServiceMissing: No store was added to the services.
    """
    store = services.get(KeyValueStore)  # type: ignore[type-abstract]  # a key, never called
    quotas: StorageQuotas = FixedQuota()
    durability: DurabilityPolicy | None = None
    if services.has(StorageQuotas):
        quotas = services.get(StorageQuotas)  # type: ignore[type-abstract]
    if services.has(DurabilityPolicy):
        durability = services.get(DurabilityPolicy)  # type: ignore[type-abstract]
    guard = services.get(Guard) if services.has(Guard) else None
    if services.has(LiveSettings) and services.has(Store):
        opened = services.get(Store)
        services.get(LiveSettings).take(StorageSettings, opened.hold_to)
    journals: Journals | None = None
    if services.has(Journals):
        journals = services.get(Journals)  # type: ignore[type-abstract]
    return (storage_interface(store, quotas, durability, guard, journals),)


def _asking(guard: Guard | None) -> _Refusal:
    def refusal_of(caller: Caller, resource: str, argument: str) -> str | None:
        if guard is None:
            return None
        decision = guard.check(caller.name, "storage:delete", resource, argument=argument)
        return None if decision.is_allowed else decision.text

    return refusal_of


class _Guests:
    """The host functions; every one takes its namespace from the caller's `kept_as`."""

    def __init__(
        self,
        store: KeyValueStore,
        quotas: StorageQuotas,
        durability: DurabilityPolicy | None,
        refusal_of: _Refusal,
        journals: Journals | None,
    ) -> None:
        self._store = store
        self._quotas = quotas
        self._durability = durability
        self._refusal_of = refusal_of
        self._journals = journals

    def get(self, caller: Caller, key: str) -> object:
        try:
            return Ok(self._fitting(caller, key, self._of(caller).read(key)))
        except StorageError as error:
            return refusal(error)

    def exists(self, caller: Caller, key: str) -> object:
        try:
            return Ok(self._of(caller).has(key))
        except StorageError as error:
            return refusal(error)

    def set(self, caller: Caller, key: str, value: bytes) -> object:
        return written(self._of(caller), {key: value}, lambda _: None, write_refusal)

    def delete(self, caller: Caller, key: str) -> object:
        return written(self._of(caller), {key: None}, lambda deleted: deleted > 0, write_refusal)

    def scan_prefix(self, caller: Caller, prefix: str, after: str | None, limit: int) -> object:
        return self.scan(caller, prefix, after, limit, False)

    def scan(
        self, caller: Caller, prefix: str, after: str | None, limit: int, reverse: bool
    ) -> object:
        try:
            page = self._of(caller).read_page(
                prefix, after, limit, reverse=reverse, most_bytes=caller.message_bytes
            )
            for entry in page.entries[:1]:  # it is there whatever its size
                self._fitting(caller, entry.key, entry.value)
            return Ok({"entries": page.entries, "next": page.next})
        except StorageError as error:
            return refusal(error)

    def ttl(self, caller: Caller, key: str) -> object:
        try:
            seconds = self._of(caller).read_ttl(key)
        except StorageError as error:
            return refusal(error)
        return Ok(None if seconds is None else math.ceil(seconds * 1_000))

    def set_with_ttl(self, caller: Caller, key: str, value: bytes, ttl_ms: int) -> object:
        ttls = {key: ttl_ms / 1_000}
        namespace = self._of(caller)
        return written(namespace, {key: value}, lambda _: None, write_refusal, ttls=ttls)

    def compare_and_set(
        self,
        caller: Caller,
        key: str,
        expected: bytes | None,
        value: bytes | None,
        ttl_ms: int | None,
    ) -> object:
        if value is None and (reason := self._refusal_of(caller, key, "key")):
            return Err(Case("denied", reason))
        namespace = self._of(caller)

        def refused(error: StorageError) -> object:
            if not isinstance(error, PreconditionFailed):
                return write_refusal(error)
            try:
                found = self._fitting(caller, key, namespace.read(key))
            except StorageError as unreadable:
                return write_refusal(unreadable)
            return Err(Case("conflict", found))

        return written(
            namespace, {key: value}, lambda _: None, refused,
            ttls=None if ttl_ms is None else {key: ttl_ms / 1_000}, expected={key: expected},
        )  # fmt: skip

    def batch(
        self,
        caller: Caller,
        prefix: str,
        set: Sequence[str],  # as the contract has it
        sizes: Sequence[int],
        values: bytes,
        remove: Sequence[str],
    ) -> object:
        caller.charge(_ENTRY_FUEL * (len(set) + len(remove)))
        if len(sizes) != len(set) or sum(sizes) != len(values):
            reason = f"{len(set)} keys, {len(sizes)} sizes of {sum(sizes)} and {len(values)} bytes"
            return Err(Case("invalid", f"the batch does not fit together: {reason}"))
        if remove and (refused := self._refusal_of(caller, prefix, "prefix")):
            return Err(Case("denied", refused))
        changes: dict[str, bytes | None] = dict.fromkeys(prefix + key for key in remove)
        start = 0
        for key, size in zip(set, sizes, strict=True):
            changes[prefix + key] = values[start : start + size]
            start += size
        return written(self._of(caller), changes, lambda deleted: deleted, write_refusal)

    def delete_prefix(self, caller: Caller, prefix: str) -> object:
        namespace = self._of(caller)
        try:
            page = namespace.read_removable(prefix)
        except StorageError as error:
            return write_refusal(error)
        caller.charge(_ENTRY_FUEL * len(page.entries))
        return written(
            namespace,
            {entry.key: None for entry in page.entries},
            lambda keys: {"keys": keys, "more": page.next is not None},
            write_refusal,
        )

    def usage(self, caller: Caller) -> object:
        try:
            usage = self._of(caller).read_usage()
        except StorageError as error:
            return refusal(error)
        return Ok(usage)

    def _fitting(self, caller: Caller, key: str, value: bytes | None) -> bytes | None:
        """Return a value that the guest has room for."""
        if value is not None and len(value) > caller.message_bytes:
            raise ValueTooLarge(caller.name, key, len(value), caller.message_bytes)
        return value

    def _of(self, caller: Caller) -> Namespace:
        namespace = caller.keep(Namespace, lambda: self._make(caller))
        namespace.quota_bytes = self._quotas.quota_bytes(caller.name)
        namespace.quota_keys = self._quotas.quota_keys(caller.name)
        return namespace

    def _make(self, caller: Caller) -> Namespace:
        durability = self._durability.durability(caller.name) if self._durability else None
        if caller.is_on_copy:  # a copy does not outlive the host
            durability = "os"
        namespace = self._store.namespace(caller.kept_as, durability=durability)
        if self._journals is not None:
            namespace.journal = self._journals.journal(caller)
        return namespace
