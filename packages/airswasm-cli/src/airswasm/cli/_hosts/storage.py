"""Operations on stored data, by a `System` of this process.

They work beside running components: each is one atomic step for a component that reads meanwhile,
and each that changes data leaves a line in the audit log before it does.
"""

from __future__ import annotations

import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Sequence,
)
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .._control.document import Document
from ..errors import KeyUnknown
from .stored_host import to_document

if TYPE_CHECKING:
    from airswasm.lifecycle import System
    from airswasm.storage import Entry, KeyValueStore, Namespace

__all__ = ("LocalStorage", "StorageHost")


class StorageHost(Protocol):
    """A home's stored data."""

    async def stores(self) -> Sequence[Document]:
        """Return what stores data, with its size and quota."""
        ...

    async def storage_work(self) -> Sequence[Document]:
        """Return the long operations that are at work."""
        ...

    async def verify_storage(self) -> Document:
        """Read all stored data, and count it anew."""
        ...

    async def entries(
        self,
        name: str,
        prefix: str = "",
        after: str | None = None,
        limit: int = 0,
        reverse: bool = False,
    ) -> AsyncIterator[Document]:
        """Return the keys that a component stored: `key` and `size_bytes`."""
        ...

    async def purge_storage(self, name: str) -> int:
        """Delete all that a component stored; return the number of keys."""
        ...

    async def delete_prefix(self, name: str, prefix: str) -> int:
        """Delete all keys that start with a prefix; return their number."""
        ...

    async def read_value(self, name: str, key: str) -> bytes | None:
        """Return the value of a key."""
        ...

    async def write_value(
        self, name: str, key: str, value: bytes, ttl: float | None = None
    ) -> None:
        """Set the value of a key."""
        ...

    async def delete_value(self, name: str, key: str) -> None:
        """Delete a key."""
        ...

    async def export(self, name: str) -> AsyncIterator[bytes]:
        """Return all data that a component stored, as one stream of bytes."""
        ...

    async def load(
        self,
        name: str,
        chunks: AsyncIterable[bytes],
        replace: bool = False,
        any_name: bool = False,
    ) -> int:
        """Import an export into a component's storage; return the number of keys."""
        ...

    async def checkpoints(self, name: str) -> Sequence[Document]:
        """Return the checkpoints of a component's storage."""
        ...

    async def create_checkpoint(self, name: str, label: str) -> Document:
        """Copy a component's storage as it is now."""
        ...

    async def drop_checkpoint(self, name: str, label: str) -> None:
        """Remove a checkpoint."""
        ...

    async def restore_checkpoint(self, name: str, label: str) -> Document:
        """Make a component's storage what it was."""
        ...

    async def diff_checkpoint(self, name: str, label: str) -> AsyncIterator[Document]:
        """Return the keys that differ from a checkpoint."""
        ...

    async def backup(self) -> AsyncIterator[bytes]:
        """Return the whole home as one archive."""
        ...


class LocalStorage:
    """The stored data of a `System`, in documents.

    Args:
        system: The open system.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._work: list[_Work] = []

    async def storage_work(self) -> Sequence[Document]:
        """See `StorageHost`."""
        from .._control.answers import StorageWork

        now = time.monotonic()
        return [
            to_document(StorageWork(each.name, each.act, each.done, now - each.since))
            for each in self._work
        ]

    async def stores(self) -> Sequence[Document]:
        """See `StorageHost`."""
        store, found = self._store(), list[Document]()
        for name in store.namespaces() if store else ():
            assert store is not None
            found.append(await self._stored(store, name))
        return found

    async def verify_storage(self) -> Document:
        """See `StorageHost`."""
        from airswasm.storage import engine_of

        from .._control.answers import StorageVerified

        store = self._store()
        with self._working("", "verify") as tell:
            records = await self._system.verify_data(progress=tell)
        names = store.namespaces() if store else ()
        for name in names:
            assert store is not None
            await store.namespace(name).verify()
        engine = engine_of(self._system.home.store_folder) or ""
        return to_document(StorageVerified(records, len(names), engine))

    async def entries(
        self,
        name: str,
        prefix: str = "",
        after: str | None = None,
        limit: int = 0,
        reverse: bool = False,
    ) -> AsyncIterator[Document]:
        """See `StorageHost`."""
        from .._control.answers import StoredEntry

        namespace = self._namespace(name)
        found = _entries(namespace, prefix, after, limit, reverse=reverse)
        return (to_document(StoredEntry(each.key, len(each.value))) async for each in found)

    async def purge_storage(self, name: str) -> int:
        """See `StorageHost`."""
        from airswasm.storage import Store

        self._namespace(name)
        with self._noting(name, "purge"):
            return await self._system.services.get(Store).purge(name)

    async def delete_prefix(self, name: str, prefix: str) -> int:
        """See `StorageHost`."""
        namespace = self._namespace(name)
        with self._noting(name, "delete", prefix=prefix), self._working(name, "delete") as tell:
            return await namespace.delete_prefix(prefix, progress=tell)

    async def read_value(self, name: str, key: str) -> bytes | None:
        """See `StorageHost`."""
        value = await self._namespace(name).get(key)
        if value is None:
            raise KeyUnknown(name, key)
        return value

    async def write_value(
        self, name: str, key: str, value: bytes, ttl: float | None = None
    ) -> None:
        """See `StorageHost`."""
        namespace = self._namespace(name)
        with self._noting(name, "set", key=key):
            await namespace.set(key, value, ttl=ttl)

    async def delete_value(self, name: str, key: str) -> None:
        """See `StorageHost`."""
        namespace = self._namespace(name)
        if not await namespace.exists(key):
            raise KeyUnknown(name, key)
        with self._noting(name, "delete", key=key):
            await namespace.delete(key)

    async def export(self, name: str) -> AsyncIterator[bytes]:
        """See `StorageHost`."""
        return await _begun(self._namespace(name).export())

    async def load(
        self,
        name: str,
        chunks: AsyncIterable[bytes],
        replace: bool = False,
        any_name: bool = False,
    ) -> int:
        """See `StorageHost`."""
        namespace = self._namespace(name)
        noting = self._noting(name, "import", replace=str(replace).lower())
        with noting, self._working(name, "import") as tell:
            return await namespace.load(chunks, replace=replace, any_name=any_name, progress=tell)

    async def checkpoints(self, name: str) -> Sequence[Document]:
        """See `StorageHost`."""
        return [to_document(each) for each in self._namespace(name).checkpoints.list()]

    async def create_checkpoint(self, name: str, label: str) -> Document:
        """See `StorageHost`."""
        namespace = self._namespace(name)
        noting = self._noting(name, "create checkpoint", label=label)
        with noting, self._working(name, "create checkpoint") as tell:
            return to_document(await namespace.checkpoints.create(label, progress=tell))

    async def drop_checkpoint(self, name: str, label: str) -> None:
        """See `StorageHost`."""
        namespace = self._namespace(name)
        with self._noting(name, "drop checkpoint", label=label):
            await namespace.checkpoints.drop(label)

    async def restore_checkpoint(self, name: str, label: str) -> Document:
        """See `StorageHost`."""
        namespace = self._namespace(name)
        noting = self._noting(name, "restore checkpoint", label=label)
        with noting, self._working(name, "restore checkpoint") as tell:
            return to_document(await namespace.checkpoints.restore(label, progress=tell))

    async def diff_checkpoint(self, name: str, label: str) -> AsyncIterator[Document]:
        """See `StorageHost`."""
        from airswasm.storage import CheckpointUnknown

        checkpoints = self._namespace(name).checkpoints
        if label not in {each.label for each in checkpoints.list()}:
            raise CheckpointUnknown(name, label)
        found = checkpoints.diff(label)
        return (_difference(each.key, each.before, each.now) async for each in found)

    async def backup(self) -> AsyncIterator[bytes]:
        """See `StorageHost`."""
        return await _begun(self._system.backup())

    def _store(self) -> KeyValueStore | None:
        from airswasm.storage import KeyValueStore

        services = self._system.services
        if not services.has(KeyValueStore):
            return None
        return services.get(KeyValueStore)  # type: ignore[type-abstract]  # a key, never called

    def _namespace(self, name: str) -> Namespace:
        """Return the namespace of an installed component, or of one that left data.

        Raises:
            NotInstalled: It is neither.
        """
        store = self._store()
        most_bytes, most_keys = self._quotas(name)
        namespace = (
            store.namespace(name, quota_bytes=most_bytes, quota_keys=most_keys) if store else None
        )
        is_component = "/" in name  # else it is the host's own
        if namespace is None or not is_component or not self._has_data(namespace):
            self._system.component_status(name)
        assert namespace is not None, "a component is installed, so there is a store"
        return namespace

    def _has_data(self, namespace: Namespace) -> bool:
        return namespace.read_usage().keys > 0 or bool(namespace.checkpoints.list())

    def _quotas(self, name: str) -> tuple[int, int | None]:
        """Return the most bytes and keys of a component."""
        from airswasm.lifecycle import LifecycleError, storage_in_force
        from airswasm.storage import StorageQuotas

        if self._system.mode == "online":  # which has read all manifests
            quotas = self._system.services.get(StorageQuotas)  # type: ignore[type-abstract]
            return quotas.quota_bytes(name), quotas.quota_keys(name)
        try:
            limits = self._system.info(name).limits
        except LifecycleError:  # uninstalled, or its manifest is damaged
            return storage_in_force(name, None, self._system.policy.limits)
        assert limits.storage is not None, "it is in force"
        return limits.storage, limits.storage_keys

    async def _stored(self, store: KeyValueStore, name: str) -> Document:
        from .._control.answers import StoredNamespace

        kind = "host"
        if "/" in name:
            kind = "component" if name in self._installed() else "left"
        namespace = store.namespace(name)
        usage, checkpoints = await namespace.usage(), namespace.checkpoints.list()
        most_bytes, most_keys = (None, None) if kind == "host" else self._quotas(name)
        return to_document(
            StoredNamespace(
                name, kind, usage.used_bytes, usage.keys, most_bytes, most_keys,
                len(checkpoints), sum(each.used_bytes for each in checkpoints),
            )
        )  # fmt: skip

    def _installed(self) -> frozenset[str]:
        return frozenset(each.name for each in self._system.list())

    @contextmanager
    def _working(self, name: str, act: str) -> Generator[Callable[[int], None]]:
        """Have an operation among those at work; yield the function that it tells its progress."""
        work = _Work(name, act, time.monotonic())
        self._work.append(work)
        try:
            yield work.tell
        finally:
            self._work.remove(work)

    @contextmanager
    def _noting(self, name: str, act: str, **detail: str) -> Generator[None]:
        """Record a change before it happens, and again if it fails."""
        from airswasm.security import AuditEvent, AuditLog

        audit = self._system.services.get(AuditLog)
        audit.record(AuditEvent("storage", name, "done", reason=act, detail=detail))
        try:
            yield
        except BaseException as error:
            reason = f"{act}: {error or type(error).__name__}"
            audit.record(AuditEvent("storage", name, "failed", reason=reason, detail=detail))
            raise
        finally:
            audit.sync()


@dataclass(slots=True, eq=False)
class _Work:
    name: str
    act: str
    since: float
    done: int = 0

    def tell(self, done: int) -> None:
        self.done = done


async def _begun(chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """Read the first part, so that what fails at the beginning is an answer and not a torn one."""
    first = await anext(chunks)

    async def joined() -> AsyncGenerator[bytes, None]:
        async with aclosing(chunks):
            yield first
            async for chunk in chunks:
                yield chunk

    return joined()


async def _entries(
    namespace: Namespace, prefix: str, after: str | None, limit: int, *, reverse: bool
) -> AsyncIterator[Entry]:
    left = limit
    while True:
        page = await namespace.scan(prefix, after, left, reverse=reverse)
        for entry in page.entries:
            yield entry
        left -= len(page.entries)
        after = page.next
        if after is None or (limit and left <= 0):
            return


def _difference(key: str, before: bytes | None, now: bytes | None) -> Document:
    from .._control.answers import StoredDifference

    change = "added" if before is None else "removed" if now is None else "changed"
    sizes = (None if each is None else len(each) for each in (before, now))
    return to_document(StoredDifference(key, change, *sizes))
