"""Retained values that outlive the host: those of durable topics, and of others by a setting.

Memory has all values, as where none is stored; the store has the ones that a restart brings back. A
value's publisher is answered when the disk has it.

A write that fails leaves open what the disk has. Such topics are written once more with the next
value, so that a restart brings back no value that was refused, unless the disk refuses to the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import anyio
import cbor2
from airswasm.actor import Accepted, Envelope
from airswasm.security import Pattern
from airswasm.storage import ValueTooLarge
from airswasm.wit import AirswasmError

from .._policy import MessagingLimits
from .._retained import RetainedValue, RetainedValues
from ..errors import MessageNotWritten, PayloadTooLarge, RecordUnreadable, RetainedFull

if TYPE_CHECKING:
    from airswasm.actor import EventStream
    from airswasm.storage import Store

    from .._delivery import DurableSettings

__all__ = ("DurableRetained",)

_NAMESPACE = "airswasm-retained"
"""Contains no slash, so no component has this name."""
_NO_QUOTA = 2**62
_VERSION = 1


class DurableRetained:
    """The values of topics, some of them in a store; a `RetainedTopics`.

    Open it before anything subscribes.

    Args:
        store: The open store.
        values: Keeps all of them in memory, within the bounds, and counts them.
        settings: Say which topics outlive the host.
        events: Told of what goes wrong where no publisher waits.
    """

    def __init__(
        self, store: Store, values: RetainedValues, settings: DurableSettings, events: EventStream
    ) -> None:
        self._space = store.namespace(
            _NAMESPACE, quota_bytes=_NO_QUOTA, durability=None, has_batch_bounds=False
        )
        self._values, self._events = values, events
        self._kept = _patterns_of(settings)
        self._unwritten: set[str] = set()

    def hold_to(
        self, *, limits: MessagingLimits | None = None, settings: DurableSettings | None = None
    ) -> None:
        """Take other bounds, or other topics that outlive the host, over; None leaves them.

        Tighter bounds take nothing away that is there. A topic that outlives the host no more is
        removed from the store: memory alone has its value from then on.
        """
        self._values.limits = limits or self._values.limits
        if settings is None:
            return
        topics = [each.topic for each in self._values.matching("**")]
        before = {topic for topic in topics if self._keeps(topic)}
        self._kept = _patterns_of(settings)
        for topic in topics:
            if self._keeps(topic) is not (topic in before):
                self._write_quietly(topic)

    def open(self) -> None:
        """Take the stored values; those that the settings of today do not keep are removed.

        Raises:
            StorageError: The store cannot be read.
        """
        for value in list(self._stored()):
            try:
                if self._keeps(value.topic):
                    self._values.restore(value)
                    continue
            except RetainedFull as error:
                self._events.note_error(error)
            self._write_quietly(value.topic)

    def retain(self, value: RetainedValue, done: Accepted | None = None) -> Callable[[], None]:
        """See `RetainedTopics`.

        Raises:
            RetainedFull: There is no room for it; the last one stays.
            PayloadTooLarge: The store takes no value of that size.
            MessageNotWritten: The store refuses; the last one stays.
        """
        if not self._keeps(value.topic):
            return self._values.retain(value, done)
        take_back = self._values.retain(value)

        is_undone = False

        def undo() -> None:
            nonlocal is_undone
            if not is_undone:
                is_undone = True
                take_back()
                self._write_quietly(value.topic)

        def written(error: BaseException | None) -> None:
            if error is not None:
                undo()
                error = MessageNotWritten(value.topic, str(error))
            if done is not None:
                done(error)
            elif error is not None:
                self._events.note_error(error)

        try:
            self._write({value.topic}, written)
        except ValueTooLarge as error:
            take_back()
            most = error.limit_bytes - (error.value_bytes - len(value.payload))
            raise PayloadTooLarge(len(value.payload), most) from None
        except AirswasmError as error:
            take_back()
            raise MessageNotWritten(value.topic, str(error)) from error
        return undo

    def effort(self, pattern: str) -> int:
        """See `RetainedTopics`."""
        return self._values.effort(pattern)

    def matching(self, pattern: str) -> Iterator[RetainedValue]:
        """See `RetainedTopics`."""
        return self._values.matching(pattern)

    async def forget(self, sender: str) -> int:
        """See `RetainedTopics`.

        Raises:
            StorageError: The disk refuses; it can be called again.
        """
        mine = (value.topic for value in self._values.matching("**") if value.sender == sender)
        topics = {*filter(self._keeps, mine), *self._unwritten}
        count = await self._values.forget(sender)
        ended, errors = anyio.Event(), list[BaseException]()

        def end(error: BaseException | None) -> None:
            errors.extend(() if error is None else (error,))
            ended.set()

        if topics:
            self._write(topics, end)
            await ended.wait()
        if errors:
            raise errors[0]
        return count

    def _keeps(self, topic: str) -> bool:
        return any(each.matches(topic) for each in self._kept)

    def _write(self, topics: set[str], done: Accepted) -> None:
        """Write what topics have now, and what earlier writes have left open."""
        topics = topics | self._unwritten

        def end(error: BaseException | None) -> None:
            if error is None:
                self._unwritten -= topics
            else:
                self._unwritten |= topics
            done(error)

        try:
            self._space.write(dict(map(self._row, topics)), end)
        except ValueTooLarge:
            raise
        except AirswasmError:
            self._unwritten |= topics
            raise

    def _write_quietly(self, topic: str) -> None:
        try:
            self._write({topic}, lambda _error: None)
        except AirswasmError as error:
            self._events.note_error(error)

    def _row(self, topic: str) -> tuple[str, bytes | None]:
        """Return the key of a topic, which may be longer than a key, and what is stored for it."""
        key = hashlib.sha256(topic.encode()).hexdigest()
        found = next(self._values.matching(topic), None) if self._keeps(topic) else None
        return key, None if found is None else _pack(found)

    def _stored(self) -> Iterator[RetainedValue]:
        after: str | None = None
        while True:
            page = self._space.read_page("", after)
            for entry in page.entries:
                try:
                    yield _unpack(entry.value)
                except RecordUnreadable as error:
                    self._events.note_error(error)
            after = page.next
            if after is None:
                return


def _pack(value: RetainedValue) -> bytes:
    said = value.envelope
    return cbor2.dumps(
        [
            _VERSION, value.topic, value.payload, value.sender, said.id, said.correlation,
            said.traceparent,
        ]
    )  # fmt: skip


def _unpack(stored: bytes) -> RetainedValue:
    try:
        record = cbor2.loads(stored)
    except (cbor2.CBORDecodeError, ValueError, RecursionError, OverflowError) as error:
        raise RecordUnreadable(str(error)) from error
    match record:
        case [
            1, str(topic), bytes(payload), str(sender), str(own_id), str(correlation),
            str(traceparent), *_,
        ]:  # fmt: skip
            envelope = Envelope(own_id, correlation, traceparent=traceparent, is_retained=True)
            return RetainedValue(topic, payload, sender, envelope)
        case _:
            raise RecordUnreadable("its fields are not those of a retained value")


def _patterns_of(settings: DurableSettings) -> list[Pattern]:
    return [Pattern(text, ".") for text in (*settings.topics, *settings.retained)]
