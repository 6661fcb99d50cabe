"""Several changes, to namespaces and logs of one store, as one.

A handler that takes a message from a log, writes what came of it and sends another does all
three or none: `set`, `append` and `acknowledge` in one batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ._backends.backend import Change
from ._logs.group_commit import Done
from .errors import StorageError

if TYPE_CHECKING:
    from ._layout.step import Step
    from ._logs.consumer import Consumer
    from ._logs.log import Log
    from ._settings import Durability
    from ._spaces.namespace import Namespace
    from ._store import Store

__all__ = ("Batch",)


@dataclass(frozen=True, slots=True)
class _Part:
    """The changes of one namespace."""

    namespace: Namespace
    values: dict[str, bytes | None] = field(default_factory=dict[str, bytes | None])
    ttls: dict[str, float] = field(default_factory=dict[str, float])
    expected: dict[str, bytes | None] = field(default_factory=dict[str, bytes | None])

    def plan(self) -> Step:
        return self.namespace.plan(self.values, ttls=self.ttls, expected=self.expected)[0]


class Batch:
    """Collects changes; nothing happens before `commit`. `Store.batch` makes it.

    Of several changes to one key, the last one counts.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._spaces: dict[str, _Part] = {}
        self._payloads: dict[Log, list[bytes]] = {}
        self._acknowledged: dict[Consumer, list[int]] = {}

    def set(
        self, namespace: Namespace, key: str, value: bytes | None, *, ttl: float | None = None
    ) -> None:
        """Set a key of a namespace; None deletes it.

        Args:
            namespace: The namespace.
            key: The key.
            value: The value, or None.
            ttl: Seconds until the value expires; None for never.
        """
        part = self._part(namespace)
        part.values[key] = value
        part.ttls.pop(key, None)
        if ttl is not None:
            part.ttls[key] = ttl

    def expect(self, namespace: Namespace, key: str, value: bytes | None) -> None:
        """Let the batch fail unless a key has this value; None stands for no value."""
        self._part(namespace).expected[key] = value

    def append(self, log: Log, payload: bytes) -> None:
        """Append an entry to a log."""
        self._payloads.setdefault(log, []).append(payload)

    def acknowledge(self, consumer: Consumer, *numbers: int) -> None:
        """Acknowledge entries that were delivered to a consumer."""
        self._acknowledged.setdefault(consumer, []).extend(numbers)

    async def commit(self) -> None:
        """Apply all changes or none, and wait until they are durable.

        A cancel leaves them applied, perhaps not durable yet.

        Raises:
            ValueError: As `Consumer.acknowledge`.
            PreconditionFailed: A key does not have the value that `expect` named.
            StorageError: One of them is refused, or the disk failed.
        """
        await self._store.recover()
        outcome = self._store.outcome()
        self.write(outcome)
        await outcome.wait()

    def write(self, done: Done) -> None:
        """Apply all changes or none, without waiting for the disk.

        Args:
            done: Called on the loop's thread once they are durable, or with the error if that
                failed; possibly before this returns.

        Raises:
            ValueError: As `Consumer.acknowledge`.
            StorageError: One of them is refused, and nothing changed; `done` is not called.
        """
        cursors = {each: each.plan(numbers) for each, numbers in self._acknowledged.items()}
        logs = dict.fromkeys([*self._payloads, *(consumer.log for consumer in cursors)])
        steps = [part.plan() for part in self._spaces.values()]
        for log in logs:
            moved = {each.name: cursor for each, cursor in cursors.items() if each.log is log}
            steps.append(log.plan(self._payloads.get(log, ()), moved))
        self._apply(steps)
        for consumer, cursor in cursors.items():
            consumer.settle(cursor)
        ends = {log: log.read_status().next for log in self._payloads}

        def finish(error: StorageError | None) -> None:
            if error is None:
                for log, end in ends.items():
                    log.deliver_before(end)
            done(error)

        self._store.when_durable(finish, self._strictest())

    def _strictest(self) -> Durability:
        """Return the strictest rule of all that takes part; a log has the store's."""
        store = self._store.durability
        rules = {part.namespace.durability or store for part in self._spaces.values()}
        if self._payloads or self._acknowledged:
            rules.add(store)
        return "sync" if "sync" in rules else "os"

    def _part(self, namespace: Namespace) -> _Part:
        return self._spaces.setdefault(namespace.name, _Part(namespace))

    def _apply(self, steps: list[Step]) -> None:
        changes: list[Change] = [change for step in steps for change in step.changes]
        if changes:
            self._store.apply(changes)
        for step in steps:
            step.settle()
