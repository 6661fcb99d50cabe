"""The interface by which a component reaches its namespace.

The caller's name is the namespace, so there is no argument through which a component could name
another's. A write completes when it is durable: the guest waits in a `Pending`, which costs no
task, and the store's group commit resolves it together with those of other components.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from airswasm.runtime import Caller, Case, Err, HostInterface, Ok, Pending, Services

from ._block import STORAGE_INTERFACE
from ._namespace import Namespace, Page
from ._settings import DEFAULT_QUOTA_BYTES, Durability
from ._store import KeyValueStore
from .errors import (
    InvalidKey,
    QuotaExceeded,
    StorageError,
    ValueTooLarge,
)

__all__ = ("DurabilityPolicy", "FixedQuota", "StorageQuotas", "provide", "storage_interface")


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
    store: KeyValueStore, quotas: StorageQuotas, durability: DurabilityPolicy | None = None
) -> HostInterface:
    """Return `airswasm:component/storage` over a store.

    Args:
        store: The open store.
        quotas: Asked at each write, so that a changed quota holds at once.
        durability: Asked when an instance first uses its storage; the store's rule by default.
    """
    guests = _Guests(store, quotas, durability)
    return HostInterface(
        STORAGE_INTERFACE,
        {
            "get": guests.get,
            "set": guests.set,
            "delete": guests.delete,
            "exists": guests.exists,
            "scan-prefix": guests.scan_prefix,
            "usage": guests.usage,
        },
    )


def provide(services: Services) -> Iterable[HostInterface]:
    """Return the interface that this block offers.

    It uses the service `KeyValueStore` and, where present, `StorageQuotas` and
    `DurabilityPolicy`.

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
    return (storage_interface(store, quotas, durability),)


class _Guests:
    """The host functions; every one takes its namespace from the caller's name."""

    def __init__(
        self, store: KeyValueStore, quotas: StorageQuotas, durability: DurabilityPolicy | None
    ) -> None:
        self._store = store
        self._quotas = quotas
        self._durability = durability

    def get(self, caller: Caller, key: str) -> object:
        try:
            return Ok(self._fitting(caller, key, self._of(caller).read(key)))
        except StorageError as error:
            return _refusal(error)

    def exists(self, caller: Caller, key: str) -> object:
        try:
            return Ok(self._of(caller).has(key))
        except StorageError as error:
            return _refusal(error)

    def set(self, caller: Caller, key: str, value: bytes) -> object:
        return _written(self._of(caller), {key: value}, lambda _: None)

    def delete(self, caller: Caller, key: str) -> object:
        return _written(self._of(caller), {key: None}, lambda deleted: deleted > 0)

    def scan_prefix(self, caller: Caller, prefix: str, after: str | None, limit: int) -> object:
        try:
            page = self._of(caller).read_page(prefix, after, limit, most_bytes=caller.message_bytes)
            for entry in page.entries[:1]:  # it is there whatever its size
                self._fitting(caller, entry.key, entry.value)
            return Ok(_page(page))
        except StorageError as error:
            return _refusal(error)

    def usage(self, caller: Caller) -> object:
        try:
            usage = self._of(caller).read_usage()
        except StorageError as error:
            return _refusal(error)
        return Ok(usage)

    def _fitting(self, caller: Caller, key: str, value: bytes | None) -> bytes | None:
        """Return a value that the guest has room for."""
        if value is not None and len(value) > caller.message_bytes:
            raise ValueTooLarge(caller.name, key, len(value), caller.message_bytes)
        return value

    def _of(self, caller: Caller) -> Namespace:
        namespace = caller.keep(Namespace, lambda: self._make(caller.name))
        namespace.quota_bytes = self._quotas.quota_bytes(caller.name)
        namespace.quota_keys = self._quotas.quota_keys(caller.name)
        return namespace

    def _make(self, component: str) -> Namespace:
        durability = self._durability.durability(component) if self._durability else None
        return self._store.namespace(component, durability=durability)


def _written(
    namespace: Namespace,
    values: Mapping[str, bytes | None],
    answer: Callable[[int], object],
) -> object:
    """Write and answer at once where that is durable already, else when it is."""
    write = _GuestWrite(answer)
    try:
        write.deleted = namespace.write(values, write)
    except StorageError as error:
        namespace.ask_for_recovery()
        return _refusal(error)
    if write.is_done:
        return write.result()
    return write.wait()


class _GuestWrite:
    __slots__ = ("_answer", "_error", "_pending", "deleted", "is_done")

    def __init__(self, answer: Callable[[int], object]) -> None:
        self._answer = answer
        self._error: StorageError | None = None
        self._pending: Pending | None = None
        self.deleted = 0
        self.is_done = False

    def __call__(self, error: StorageError | None) -> None:
        self._error, self.is_done = error, True
        if self._pending is not None:
            self._pending.resolve(self.result())

    def result(self) -> object:
        return Ok(self._answer(self.deleted)) if self._error is None else _refusal(self._error)

    def wait(self) -> Pending:
        self._pending = Pending()
        return self._pending


def _page(page: Page) -> dict[str, object]:
    return {"entries": page.entries, "next": page.next}


def _refusal(error: StorageError) -> object:
    match error:
        case InvalidKey():
            name = "invalid-key"
        case ValueTooLarge():
            name = "too-large"
        case QuotaExceeded():
            name = "quota-exceeded"
        case _:
            name = "unavailable"
    path: str = getattr(error, "path", "storage")  # where that is, is none of a guest's business
    return Err(Case(name, str(error).removeprefix(f"{path}: ").replace(path, "storage")))
