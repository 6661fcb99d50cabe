"""The timers of an open home, as an operator uses them: look, and end one that runs away.

Where no host runs there are the durable ones, as the store has them.
"""

from __future__ import annotations

from collections.abc import Sequence

import anyio
from airswasm.messaging import Schedule, ScheduledMessage, StoredTimers, TimerUnknown
from airswasm.security import AuditEvent, AuditSink

from .._registry.info import TimerInfo
from ..errors import HostOffline

__all__ = ("ComponentTimers",)


class ComponentTimers:
    """The timers of one home.

    Args:
        schedule: The timers, where they can be changed.
        audit: Gets a line before each cancel.
        stored: Else the durable ones, to read; None for a home that holds nothing yet.
    """

    def __init__(
        self,
        schedule: Schedule | None = None,
        audit: AuditSink | None = None,
        stored: StoredTimers | None = None,
    ) -> None:
        self._schedule, self._audit, self._stored = schedule, audit, stored

    def list(self, name: str = "") -> tuple[TimerInfo, ...]:
        """Return timers, sorted by owner, those of one in the order in which they were set.

        Args:
            name: Only those that this component, or actor in Python, has set.

        Raises:
            StorageError: The store cannot be read.
        """
        found = [each for each in self._all() if not name or each.owner == name]
        return tuple(map(TimerInfo.of, sorted(found, key=lambda each: (each.owner, each.number))))

    async def cancel(self, *timer_ids: int) -> tuple[TimerInfo, ...]:
        """End timers, and wait until the disk has that of the durable ones.

        All of them exist or, with an error, none ends.

        Returns:
            The timers, as they were.

        Raises:
            HostOffline: The home was opened read-only.
            TimerUnknown: There is none of one of the ids.
            AuditUnavailable: The audit log cannot be written; nothing ends.
            StorageError: The disk refuses.
        """
        known = {each.number: each for each in self._all()}
        for timer_id in timer_ids:
            if timer_id not in known:
                raise TimerUnknown(timer_id)
        return await self._end([known[each] for each in dict.fromkeys(timer_ids)])

    async def cancel_all(self, name: str) -> tuple[TimerInfo, ...]:
        """End all timers that a component, or an actor in Python, has set. Raises as `cancel`."""
        return await self._end([each for each in self._all() if each.owner == name])

    def _all(self) -> tuple[ScheduledMessage, ...]:
        if self._schedule is not None:
            schedule = self._schedule
            return tuple(each for name in schedule.owners() for each in schedule.of(name))
        return () if self._stored is None else tuple(self._stored.load())

    async def _end(self, timers: Sequence[ScheduledMessage]) -> tuple[TimerInfo, ...]:
        if self._schedule is None or self._audit is None:
            raise HostOffline("cancelling timers")
        ended = tuple(map(TimerInfo.of, timers))
        for each in ended:
            how = "every" if each.repeats else "after"
            reason = f"cancelled: {how} {each.seconds:g} s to {each.target}"
            self._audit.record(AuditEvent("timer", each.owner, "done", "", str(each.id), reason))
        errors: list[BaseException] = []
        written, left = anyio.Event(), 1

        def done(error: BaseException | None) -> None:
            nonlocal left
            errors.extend(() if error is None else (error,))
            left -= 1
            if not left:
                written.set()

        for timer in timers:
            left += timer.is_durable
            is_there = self._schedule.cancel(timer.owner, timer.number, done)
            left -= timer.is_durable and not is_there
        done(None)
        await written.wait()
        if errors:
            raise errors[0]
        return ended
