"""Logs: entries in the order in which they were appended, kept until they are acknowledged.

Durable mailboxes, dead letters, retained values, timers and audit anchors stand on them. The
terms of delivery are those in the docstring of `Log`.

Memory holds what is being delivered (a window for each consumer) and a few numbers, whatever
the log's length. Everything is one or two keys in the engine's atomic batch, and waits for the
disk with the other writers of the store.

Rejected: a file of segments beside the store, which would need its own recovery and could not
change in one batch with a namespace; a row for each entry and consumer, which makes fan-out as
dear as copying.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import anyio.lowlevel
import anyio.to_thread

from .._backends.backend import Change
from .._layout.keys import (
    CONSUMERS,
    LOGS,
    after_name,
    data_prefix,
    encode_name,
    garbage_key,
    range_of,
)
from .._layout.space import ENTRY_BYTES
from .._layout.step import Step
from ..errors import StorageError, ValueTooLarge
from .consumer import AHEAD_MOST, Consumer, Cursor
from .group_commit import Done
from .log_plan import LogPlan
from .log_records import (
    Head,
    LogBounds,
    LogEntry,
    LogPage,
    LogStatus,
    charge_of,
    unpack_entry,
)
from .succession import Succession

if TYPE_CHECKING:
    from .._store import Store

__all__ = ("Log", "Posted")

_POSTED_ENTRIES = 1_024
_POSTED_BYTES = 1024 * 1024
Posted: TypeAlias = Callable[[int, StorageError | None], None]
"""Called on the event loop's thread, with the number of the entry or, if it failed, the error."""


class Log:
    """One log of a store; `Store.log` makes it.

    Its terms:

    - An append that returned is durable, and its entry has a number that no other entry of the
      log ever has. Numbers rise; a removed entry leaves a gap.
    - Each consumer is delivered every entry at least once, in the order of the numbers, and an
      entry only after it is durable, so that a power loss cannot make one number name two
      entries. The number is how a handler recognises a repetition.
    - What a consumer has acknowledged, durably, it is not delivered again. What it was delivered
      and has not acknowledged is delivered again, in order: after `Consumer.redeliver`, after the
      disk failed, and after a restart, however the host ended. `LogEntry.attempt` counts across
      restarts.
    - An entry that all consumers have acknowledged is removed, unless the bounds keep it. Without
      a consumer nothing counts as acknowledged.
    - The bounds limit number, bytes and age. When the log is full of entries that are not
      acknowledged, an append is refused (`LogFull`) or, if the bounds say so, the oldest are
      dropped, and counted for the log (`LogStatus.dropped_entries`) and for each consumer that
      missed one.

    Attributes:
        name: Its name.
        bounds: The bounds that it keeps.
    """

    def __init__(self, store: Store, name: str, bounds: LogBounds) -> None:
        self.name = name
        self.bounds = bounds
        self._store = store
        self._record_key = LOGS + encode_name(name, "log")
        self._consumers_prefix = CONSUMERS + encode_name(name)
        self._head: Head | None = None
        self._prefix = b""
        self._durable = 0
        self._consumers: dict[str, Consumer | Succession] = {}
        self._cursors: dict[str, Cursor] = {}
        self._charges: dict[int, int] = {}
        self._consumer_keys: dict[str, bytes] = {}
        self._posted: list[tuple[bytes, Posted]] = []
        self._posted_bytes = 0
        self._room = (0, 0, 0)

    # Inline: on the event loop's thread, without waiting for the disk.

    def write(self, payloads: Sequence[bytes], done: Done) -> range:
        """Append entries, all or none.

        Args:
            payloads: One for each entry.
            done: Called on the loop's thread once they are durable, or with the error if that
                failed; possibly before this returns.

        Returns:
            The numbers of the entries.

        Raises:
            LogFull: They do not fit; nothing changed and `done` is not called.
            StorageError: Refused, and nothing changed; `done` is not called.
        """
        step = self.plan(payloads)
        self._store.apply(step.changes)
        step.settle()
        end = self._loaded().next

        def finish(error: StorageError | None) -> None:
            done(error)
            if error is None:
                self.deliver_before(end)

        self._store.when_durable(finish)
        return range(end - len(payloads), end)

    def post(self, payload: bytes, done: Posted) -> None:
        """Append an entry together with all that are posted by then, as the next sync starts.

        The many senders of one log so share one step of it, and one batch of the engine: an entry
        costs a third of a `write` of its own. What was posted goes before what is written or
        posted later.

        Args:
            payload: Its payload.
            done: Called once it is durable, or with the error if that failed; possibly before
                this returns. It must not raise.

        Raises:
            LogFull: It does not fit; `done` is not called.
            StorageError: Refused; `done` is not called.
        """
        store = self._store
        if store.failure is not None:
            store.ask_for_recovery()
            raise store.failure
        posted = self._posted
        if not posted:
            self._room = self._measure_room()
        largest, entries, size_bytes = self._room
        if len(payload) > largest:
            raise ValueTooLarge(self.name, "entry", len(payload), largest)
        size = self._posted_bytes + len(payload) + ENTRY_BYTES
        if len(posted) >= entries or size > size_bytes:
            number = self._loaded_after_flush().next
            self.write((payload,), lambda error: done(number, error))
            return
        if not posted:
            store.before_sync(self.flush)
        posted.append((payload, done))
        self._posted_bytes = size

    def _measure_room(self) -> tuple[int, int, int]:
        """Return the largest payload, and how many entries and bytes may be posted before a flush.

        What happens to the log until then frees room, if anything.
        """
        head, bounds, store = self._loaded(), self.bounds, self._store
        waits = store.durability != "os"
        return (
            min(store.limits.value_bytes, bounds.size_bytes),
            min(_POSTED_ENTRIES, bounds.entries - head.entries) if waits else 0,
            min(_POSTED_BYTES, bounds.size_bytes - head.size_bytes),
        )

    def flush(self) -> None:
        """Append what was posted, now."""
        posted, self._posted, self._posted_bytes = self._posted, [], 0
        if not posted:
            return
        try:
            step = self.plan([payload for payload, _ in posted])
            self._store.apply(step.changes)
            step.settle()
        except StorageError as refused:
            for _, done in posted:
                done(0, refused)
            return
        end = self._loaded().next

        def finish(error: StorageError | None) -> None:
            for number, (_, done) in enumerate(posted, end - len(posted)):
                done(number, error)
            if error is None:
                self.deliver_before(end)

        self._store.when_durable(finish)

    def read_page(self, after: int = 0, limit: int = 0) -> LogPage:
        """Return the next entries, whether a consumer has seen them or not.

        Args:
            after: The `next` of the page before; 0 for the beginning.
            limit: The most entries; 0 for as many as the store allows.

        Raises:
            StorageError: The store cannot be read.
        """
        limits = self._store.limits
        most = min(limit, limits.page_entries) if limit > 0 else limits.page_entries
        entries: list[LogEntry] = []
        size = 0
        for entry in self.entries_between(after + 1, self._loaded().next):
            size += len(entry.payload)
            if len(entries) == most or (entries and size > limits.page_bytes):
                return LogPage(tuple(entries), entries[-1].number)
            entries.append(entry)
        return LogPage(tuple(entries))

    def read_status(self) -> LogStatus:
        """Return the state of the log.

        Raises:
            StorageError: The store cannot be read.
        """
        head = self._loaded()
        return LogStatus(
            head.entries, head.size_bytes, head.first, head.next,
            head.dropped_entries, head.dropped_bytes,
        )  # fmt: skip

    # For all other code.

    async def append(self, payload: bytes) -> int:
        """Append an entry and wait until it is durable; return its number.

        A cancel leaves it appended, perhaps not durable yet; so may a failure of the disk.

        Raises:
            LogFull: It does not fit.
            StorageError: Refused or failed.
        """
        return (await self.extend((payload,)))[0]

    async def extend(self, payloads: Sequence[bytes]) -> range:
        """Append entries, all or none, and wait until they are durable.

        Returns:
            Their numbers. A cancel leaves them appended, perhaps not durable yet.

        Raises:
            LogFull: They do not fit.
            StorageError: Refused or failed.
        """
        await self._store.recover()
        outcome = self._store.outcome()
        numbers = self.write(payloads, outcome)
        await outcome.wait()
        return numbers

    async def read(self, after: int = 0, limit: int = 0) -> LogPage:
        """As `read_page`.

        Raises:
            StorageError: The store cannot be read.
        """
        await anyio.lowlevel.checkpoint()
        return self.read_page(after, limit)

    async def status(self) -> LogStatus:
        """As `read_status`.

        Raises:
            StorageError: The store cannot be read.
        """
        await anyio.lowlevel.checkpoint()
        return self.read_status()

    async def consumer(
        self,
        name: str,
        start: Literal["oldest", "newest"] = "oldest",
        *,
        window_entries: int = 256,
        window_bytes: int = 1024 * 1024,
    ) -> Consumer:
        """Return a consumer, which the log remembers from now on.

        Args:
            name: 1 to 255 bytes of UTF-8.
            start: Where a consumer begins that the log does not know yet: at the oldest entry
                that is there, or with the next one.
            window_entries: The most entries that are delivered and not acknowledged.
            window_bytes: The most bytes of them; a single larger entry comes alone.

        Returns:
            The same object at every call with this name; several tasks may share it.

        Raises:
            ValueError: The window is empty, or has more than 4,096 entries.
            StorageError: The name is not usable, or the store refuses.
        """
        if not 0 < window_entries <= AHEAD_MOST or window_bytes < 1:
            raise ValueError(f"a window has 1 to {AHEAD_MOST} entries and at least one byte")
        await self._store.recover()
        head = self._loaded()
        if name not in self._cursors:
            encode_name(name, "consumer")
            through = head.next - 1 if start == "newest" else head.first - 1
            await self._change({name: Cursor(through=through, delivered=through)})
        consumer = self._consumers.get(name)
        if not isinstance(consumer, Consumer):
            consumer = self._consumers[name] = Consumer(self._store, self, name)
        consumer.window_entries, consumer.window_bytes = window_entries, window_bytes
        return consumer

    def succession(self, name: str, on_ready: Callable[[], None]) -> Succession:
        """Return a consumer with one entry in hand at a time, which the log remembers.

        It begins at the oldest entry that is there, unless the log knows its name already. It
        takes the place of another consumer of that name.

        Args:
            name: 1 to 255 bytes of UTF-8.
            on_ready: Called on the loop's thread when entries have become durable.

        Raises:
            StorageError: The name is not usable, or the store refuses.
        """
        head = self._loaded()
        if name not in self._cursors:
            encode_name(name, "consumer")
            through = head.first - 1
            step = self.plan(cursors={name: Cursor(through, through)})
            self._store.apply(step.changes)
            step.settle()
        consumer = self._consumers[name] = Succession(self._store, self, name, on_ready)
        return consumer

    async def consumers(self) -> tuple[str, ...]:
        """Return the names of the consumers that the log knows, sorted.

        Raises:
            StorageError: The store cannot be read.
        """
        await anyio.lowlevel.checkpoint()
        self._loaded()
        return tuple(sorted(self._cursors))

    async def remove_consumer(self, name: str) -> bool:
        """Forget a consumer, for which entries are kept no longer; return whether there was one.

        Raises:
            StorageError: Refused or failed.
        """
        await self._store.recover()
        self._loaded()
        if name not in self._cursors:
            return False
        self._store.apply([(self._consumer_key(name), None)])
        del self._cursors[name]
        self._charges.clear()
        consumer = self._consumers.pop(name, None)
        if consumer is not None:
            consumer.wake()
        await self._change({})
        return True

    async def remove(self, *numbers: int) -> int:
        """Remove entries, acknowledged or not, and wait until that is durable.

        Returns:
            How many of them were there.

        Raises:
            StorageError: Refused or failed; nothing changed.
        """
        await self._store.recover()
        head = self._loaded().copy()
        charges = {n: charge for n in numbers if (charge := self._charge(n)) is not None}
        head.entries -= len(charges)
        head.size_bytes -= sum(charges.values())
        changes: list[Change] = [(self._entry_key(n), None) for n in charges]
        self._store.apply([*changes, (self._record_key, head.pack())])
        self._head = head
        self._forget_entries(charges)
        await self._wait_durable()
        return len(charges)

    async def delete(self) -> None:
        """Remove the log with all its entries and consumers, in one step.

        Its numbers begin anew. The space on the disk is given back in the background.

        Raises:
            StorageError: Refused or failed.
        """
        await self._store.recover()
        head = self._loaded()
        changes: list[Change] = [(self._record_key, None)]
        changes += [(self._consumer_key(name), None) for name in self._cursors]
        if head.generation:
            changes.append((garbage_key(head.generation), b""))
        self._store.apply(changes)
        if head.generation:
            self._store.sweep(head.generation)
        self._consumers, consumers = {}, self._consumers
        self.forget()
        for consumer in consumers.values():
            consumer.wake()
        await self._wait_durable()

    async def trim(self) -> int:
        """Remove what the bounds do not keep, in bounded steps; return how many entries.

        The log does so by itself, in the background.

        Raises:
            StorageError: Refused or failed.
        """
        await self._store.recover()
        before = self._loaded().entries
        while True:
            count = self._loaded().entries
            await self._change({})
            if self._loaded().entries == count:
                return before - count

    async def recount(self) -> tuple[int, int]:
        """Count entries and bytes anew, without trusting the counters.

        Raises:
            StorageError: The store cannot be read.
        """
        bounds = range_of(data_prefix(self._loaded().generation))
        snapshot = self._store.backend.snapshot()
        try:
            sizes = await anyio.to_thread.run_sync(
                lambda: [charge_of(value) for _, value in snapshot.scan(*bounds)]
            )
        finally:
            snapshot.close()
        return len(sizes), sum(sizes)

    # For consumers, batches and the store.

    def plan(
        self, payloads: Sequence[bytes] = (), cursors: Mapping[str, Cursor] | None = None
    ) -> Step:
        """Compute the changes of appending, and of moving cursors, without applying them.

        Args:
            payloads: One for each new entry.
            cursors: The new cursor of each consumer that moves.

        Raises:
            LogFull: The payloads do not fit.
            StorageError: The store cannot be read, or a payload is too large.
        """
        head, limit = self._loaded_after_flush(), self._store.limits.value_bytes
        longest = max(map(len, payloads), default=0)
        if longest > limit:
            raise ValueTooLarge(self.name, f"entry {head.next}", longest, limit)
        changes: list[Change] = []
        if not head.generation:
            head = head.copy()
            head.generation, remembered = self._store.new_generation()
            changes.append(remembered)
        plan = LogPlan(
            self.name, head, self.bounds, self._cursors, cursors or {}, self._store.clock(),
            self._charge, self._first_from,
        )  # fmt: skip
        plan.remove()
        plan.append(payloads)
        changes += plan.changes
        changes += [(self._consumer_key(name), moved.pack()) for name, moved in plan.moved.items()]
        changes.append((self._record_key, plan.head.pack()))
        return Step(changes, lambda: self._take_over(plan))

    def deliver_before(self, number: int) -> None:
        """Deliver the entries below a number, which are durable now."""
        if number > self._durable and self._head is not None:
            self._durable = number
            for consumer in self._consumers.values():
                consumer.wake()

    @property
    def durable(self) -> int:
        """The number below which entries may be delivered."""
        self._loaded()
        return self._durable

    def move(self, name: str, cursor: Cursor) -> None:
        """Move a cursor that lets no entry go, without waiting for the disk.

        Raises:
            StorageError: The store refuses.
        """
        key = self._consumer_keys.get(name)
        if key is None:
            key = self._consumer_keys[name] = self._consumer_key(name)
        self._store.apply([(key, cursor.pack())])
        self._cursors[name] = cursor

    def cursor(self, name: str) -> Cursor | None:
        """Return how far a consumer has come; None if the log does not know it."""
        self._loaded()
        return self._cursors.get(name)

    def entries_between(self, start: int, end: int) -> Iterable[LogEntry]:
        """Yield the entries from `start` to before `end`.

        Raises:
            StorageError: The store cannot be read.
        """
        start = max(start, self._loaded().first)
        found = self._store.backend.scan(self._entry_key(start), self._entry_key(end))
        for key, value in found:
            yield unpack_entry(key, value)

    def note_charge(self, entry: LogEntry) -> None:
        """Remember the size of an entry while it is delivered: it will soon be removed."""
        self._charges[entry.number] = len(entry.payload) + ENTRY_BYTES

    def forget_charge(self, number: int) -> None:
        """Forget the size of an entry that is acknowledged, and stays for others."""
        self._charges.pop(number, None)

    def trim_step(self) -> bool:
        """Remove some of the entries that are acknowledged or too old, without waiting.

        Returns:
            Whether there were any, and so may be more.

        Raises:
            StorageError: The store refuses.
        """
        if self._head is None or not self._head.entries:
            return False
        step = self.plan()
        if len(step.changes) == 1:  # the record alone
            return False
        self._store.apply(step.changes)
        step.settle()
        return True

    def forget(self) -> None:
        """Forget what was read: it may be other than what the disk has."""
        self._head = None
        self._cursors.clear()
        self._charges.clear()
        for consumer in self._consumers.values():
            consumer.forget()

    def wake(self) -> None:
        """Tell all consumers that the disk works again."""
        for consumer in tuple(self._consumers.values()):
            consumer.wake()

    # Its own.

    def _loaded(self) -> Head:
        if self._head is None:
            self._load()
            assert self._head is not None
        return self._head

    def _loaded_after_flush(self) -> Head:
        """Return the record with what was posted, which goes before whatever comes now."""
        if self._posted:
            self.flush()
        return self._loaded()

    def _load(self) -> None:
        backend = self._store.backend
        stored = backend.get(self._record_key)
        head = Head() if stored is None else Head.unpack(stored)
        found = backend.scan(*range_of(self._consumers_prefix))
        self._cursors = {after_name(key): Cursor.unpack(value) for key, value in found}
        self._head, self._prefix = head, data_prefix(head.generation)
        self._durable = head.next

    async def _change(self, cursors: Mapping[str, Cursor]) -> None:
        step = self.plan(cursors=cursors)
        self._store.apply(step.changes)
        step.settle()
        await self._wait_durable()

    async def _wait_durable(self) -> None:
        outcome = self._store.outcome()
        self._store.when_durable(outcome)
        await outcome.wait()

    def _consumer_key(self, name: str) -> bytes:
        return self._consumers_prefix + encode_name(name)[1:]

    def _entry_key(self, number: int) -> bytes:
        return self._prefix + number.to_bytes(8, "big")

    def _charge(self, number: int) -> int | None:
        """Return the size of an entry; None if it is not there."""
        charge = self._charges.get(number)
        if charge is None and number > 0:
            value = self._store.backend.get(self._entry_key(number))
            charge = None if value is None else charge_of(value)
        return charge

    def _first_from(self, number: int) -> LogEntry | None:
        return next(iter(self.entries_between(number, self._loaded().next)), None)

    def _take_over(self, plan: LogPlan) -> None:
        self._head, self._prefix = plan.head, data_prefix(plan.head.generation)
        self._cursors.update(plan.moved)
        self._forget_entries(plan.removed)
        if plan.has_rest:
            self._store.trim_soon()

    def _forget_entries(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._charges.pop(number, None)
            for consumer in self._consumers.values():
                consumer.forget_entry(number)
