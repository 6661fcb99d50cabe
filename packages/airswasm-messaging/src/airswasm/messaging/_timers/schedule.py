"""All timers of a host.

While the host runs, time is the event loop's: a wall clock that is set forwards or back moves no
timer. What a durable timer stores is wall time. After a restart it waits for what is left until
then, and never longer than its whole delay: a clock that was set back keeps nothing waiting, and
one that was set forwards makes it fire early.

A timer that repeats keeps its phase. Times that pass unused are skipped and counted.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
from airswasm.actor import DeathReason, Envelope, Message, TimersNotDurable
from airswasm.wit import AirswasmError

from .._counters import MessagingCounters
from .._policy import SamePolicy
from .._quota import SendingQuota
from ..errors import RateExceeded, TimerInvalid
from .settings import TimerSettings
from .stored import StoredTimers
from .timer import LONGEST, SHORTEST, ScheduledMessage

if TYPE_CHECKING:
    from airswasm.actor import Accepted, ActorSystem, Scheduler
    from airswasm.security import Guard

    from .stored import TimerSpace

__all__ = ("Schedule",)

_SCHEDULE = "messaging:schedule"
_NUMBER_BITS = 12
"""Of an id, behind the milliseconds of the host's start: JSON has 53 bits for both."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0
"""Seconds before a durable timer is tried again whose target did not take its message."""


class Schedule:
    """The timers of all components and actors of a host.

    Open it before anything runs that sets timers. From then on it also is the `scheduler` of its
    actor system: actors in Python set theirs by `Context.send_later` and `send_every`. They are
    trusted: neither bounds, rates nor grants hold for their timers.

    The books: `timers_set` and `timers_found` are `timers_waiting` and all that ended
    (`timers_done`, `timers_cancelled`, `timers_forgotten`), once no write is under way.

    Args:
        actors: Where the messages go.
        settings: The bounds of each component.
        space: Keeps durable timers; None where there are none.
        guard: Ends timers when the grants of their owners end; None keeps them.
        quota: Counts each message against the rates of its owner and of the host: the one that
            counts what components send at once. None counts by the default rates. Its policy knows
            the codecs that targets read.
        counters: The counts.
        wall_clock: The seconds since 1970.
    """

    def __init__(
        self,
        actors: ActorSystem,
        settings: TimerSettings | None = None,
        *,
        space: TimerSpace | None = None,
        guard: Guard | None = None,
        quota: SendingQuota | None = None,
        counters: MessagingCounters | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings or TimerSettings()
        self.counters = counters or MessagingCounters()
        self._actors, self._guard = actors, guard
        self._stored = None if space is None else StoredTimers(space, actors.events.note_error)
        self._quota = quota or SendingQuota(SamePolicy(), anyio.current_time)
        self._wall_clock = wall_clock
        self._timers: dict[str, dict[int, ScheduledMessage]] = {}
        self._grants: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count(int(wall_clock() * 1000) << _NUMBER_BITS)
        self._before: Scheduler | None = None
        self._is_open = True

    # -- opening and closing -------------------------------------------------------------------

    def open(self, *, fires: bool = True) -> None:
        """Go on with the durable timers that are stored, and take those of actors in Python.

        Args:
            fires: Whether they fire; False only knows them, where nothing runs.

        Raises:
            AirswasmError: The store cannot be read.
        """
        stored = [] if self._stored is None else list(self._stored.load())
        highest = max((each.number for each in stored), default=0)
        self._numbers = itertools.count(max(next(self._numbers), highest + 1))
        for timer in stored:
            if not self._is_allowed(timer):
                self._remove_quietly(timer)
                continue
            self.counters.timers_found += 1
            self._keep(timer)
            if fires:
                self._go_on(timer)
        self._before, self._actors.scheduler = self._actors.scheduler, self

    def close(self) -> None:
        """Fire no more; durable timers stay in the store."""
        self._is_open = False
        if self._before is not None:
            self._actors.scheduler, self._before = self._before, None
        for timers in self._timers.values():
            for timer in timers.values():
                if timer.timer is not None:
                    timer.timer.cancel()
        for forget in self._grants.values():
            forget()
        self._grants.clear()

    # -- setting and ending --------------------------------------------------------------------

    def add(
        self,
        owner: str,
        target: str,
        payload: object,
        seconds: float,
        *,
        repeats: bool = False,
        is_durable: bool = False,
        is_trusted: bool = False,
        incarnation: int = 0,
        done: Accepted | None = None,
        held: object = None,
    ) -> ScheduledMessage:
        """Send a message later.

        Args:
            owner: Who sends it.
            target: Whom it goes to.
            payload: What it says: bytes, unless Python code sets a timer that is not durable.
            seconds: The delay, or the interval.
            repeats: Whether it is sent again and again.
            is_durable: Whether it outlives the host.
            is_trusted: Whether Python code sets it, for which neither grants, bounds nor rates
                hold.
            incarnation: The incarnation of an actor in Python with which it ends; 0 for none.
            done: Called when a durable timer is on the disk, or cannot be; possibly before this
                returns. What cannot be on the disk is no timer.
            held: Kept until the timer ends: what counts it, if anything does.

        Returns:
            The timer.

        Raises:
            TimerInvalid: The delay is negative or longer than a century, or the interval is
                shorter than the host allows.
            RateExceeded: The owner has too many timers, or too many bytes in them.
            CodecNotAccepted: The target does not read the payload.
            TimersNotDurable: There is no store.
            MessageNotStorable: A durable one holds an object, and not bytes.
            AirswasmError: The store refuses.
        """
        timer = ScheduledMessage(
            next(self._numbers), owner, target, payload, float(seconds), repeats, is_durable,
            self._wall_clock() + seconds, self._actors.broker.new_id(), is_trusted=is_trusted,
            incarnation=incarnation, held=held,
        )  # fmt: skip
        try:
            self._check(timer)
            self._set(timer, done)
        except AirswasmError:
            self.counters.timers_refused += 1
            raise
        return timer

    def _set(self, timer: ScheduledMessage, done: Accepted | None) -> None:
        timer.at = anyio.current_time() + timer.seconds
        self._keep(timer)
        if self._stored is None or not timer.is_durable:
            self.counters.timers_set += 1
        else:
            try:
                self._stored.save(timer, lambda error: self._written(timer, error, done))
            except BaseException:
                self._forget(timer)
                raise
        if not timer.is_ended:
            self._arm(timer, timer.seconds)

    def _written(
        self, timer: ScheduledMessage, error: BaseException | None, done: Accepted | None
    ) -> None:
        """Note whether the disk has a timer; one that it has not, and that waits, is none."""
        if error is None or timer.is_ended:
            self.counters.timers_set += 1
        else:
            self.counters.timers_refused += 1
            self._forget(timer)
            self._remove_quietly(timer)  # a disk that failed may have it all the same
        if done is not None:
            done(error)

    def cancel(self, owner: str, number: int, done: Accepted | None = None) -> bool:
        """End a timer.

        Args:
            owner: Its owner.
            number: Its id.
            done: Called when the disk has the end of a durable timer, or refuses; not otherwise.

        Returns:
            False when the owner has no such timer.

        Raises:
            AirswasmError: The store refuses, and the timer goes on.
        """
        timer = self.find(owner, number)
        if timer is None:
            return False
        if self._stored is not None and timer.is_durable:
            self._stored.remove(number, done)
        self._cancel(timer)
        return True

    def drop(self, owner: str) -> int:
        """End all timers of an owner; return how many there were.

        Raises:
            AirswasmError: The store refuses.
        """
        return sum(self.cancel(owner, each.number) for each in self.of(owner))

    async def forget(self, name: str) -> int:
        """End all timers of a name and to it, also those whose end the disk had refused before.

        The next owner of the name gets nothing that was meant for the last one.

        Returns:
            How many there were.

        Raises:
            AirswasmError: The disk refuses; it can be called again.
        """
        known = [
            each
            for timers in self._timers.values()
            for each in timers.values()
            if name in (each.owner, each.target)
        ]
        stored = {each.number for each in known if each.is_durable}
        for each in self._stored.load() if self._stored is not None else ():
            if name in (each.owner, each.target):
                stored.add(each.number)
        for timer in known:
            self._forget(timer)
            self.counters.timers_forgotten += 1
        if self._stored is not None and stored:
            await self._stored.remove_all(stored)
        return len(stored | {each.number for each in known})

    def of(self, owner: str) -> tuple[ScheduledMessage, ...]:
        """Return the timers of an owner, in the order in which they were set."""
        return tuple(self._timers.get(owner, {}).values())

    def owners(self) -> tuple[str, ...]:
        """Return who has timers, sorted."""
        return tuple(sorted(self._timers))

    def find(self, owner: str, number: int) -> ScheduledMessage | None:
        """Return a timer; None when it has ended."""
        return self._timers.get(owner, {}).get(number)

    # -- for actors in Python ------------------------------------------------------------------

    def schedule(
        self,
        owner: str,
        target: str,
        payload: object,
        seconds: float,
        *,
        repeats: bool,
        is_durable: bool,
        incarnation: int,
        done: Accepted,
    ) -> int:
        """Send a message of an actor in Python later; see `airswasm.actor.Scheduler`.

        Raises:
            TimerInvalid, CodecNotAccepted, TimersNotDurable, MessageNotStorable: As for `add`.
            AirswasmError: The store refuses.
        """
        return self.add(
            owner, target, payload, seconds, repeats=repeats, is_durable=is_durable,
            is_trusted=True, incarnation=incarnation, done=done,
        ).number  # fmt: skip

    def end(self, owner: str, incarnation: int) -> None:
        """End the timers of an incarnation, which has ended."""
        for timer in self.of(owner) if owner in self._timers else ():
            if timer.incarnation == incarnation:
                self._cancel(timer)

    # -- firing --------------------------------------------------------------------------------

    def _fire(self, timer: ScheduledMessage) -> None:
        timer.timer = None
        if timer.is_ended or not self._is_open:
            return
        envelope = Envelope(timer.message_id)

        def done(error: BaseException | None) -> None:
            if error is None:
                self._sent(timer)
            else:
                self._refused(timer, error)

        try:
            if not timer.is_trusted:
                self._quota.take(timer.owner, timer.payload_bytes, timer.target)
            is_accepted = self._actors.broker.submit(
                timer.target, timer.payload, done, sender=timer.owner, envelope=envelope
            )
        except AirswasmError as error:
            self._refused(timer, error)
        except Exception as error:  # a hook of any package; a timer has no caller to tell
            self._actors.events.note_error(error)
            self._refused(timer, error)
        else:
            if is_accepted:
                self._sent(timer)

    def _sent(self, timer: ScheduledMessage) -> None:
        timer.fired += 1
        timer.pause = 0.0
        self.counters.timers_fired += 1
        if timer.is_ended:
            return
        if timer.repeats:
            self._next(timer)
            return
        self._forget(timer)
        self.counters.timers_done += 1
        self._remove_quietly(timer)

    def _refused(self, timer: ScheduledMessage, error: BaseException) -> None:
        """Try again where the timer is durable; else its message is lost, and that is noted."""
        if timer.is_ended or not self._is_open:
            return
        if timer.is_durable:
            timer.pause = min(max(_FIRST_PAUSE, timer.pause * 2), _LONGEST_PAUSE)
            self.counters.timers_retried += 1
            self._arm(timer, timer.pause)
            return
        timer.missed += 1
        self.counters.timers_missed += 1
        if timer.repeats:
            self._next(timer)
            return
        self._forget(timer)
        self.counters.timers_done += 1
        message = Message(timer.payload, timer.owner, envelope=Envelope(timer.message_id))
        self._actors.broker.give_up(timer.target, message, DeathReason.UNDELIVERED, error)

    def _next(self, timer: ScheduledMessage) -> None:
        """Arm a timer that repeats for its next time that has not passed yet."""
        now = anyio.current_time()
        skipped = max(0, int((now - timer.at) // timer.seconds))
        self._skip(timer, skipped)
        timer.at += timer.seconds * (skipped + 1)
        timer.turn += 1
        left = max(0.0, timer.at - now)
        timer.due = self._wall_clock() + left
        stored = self._stored
        if stored is not None and timer.is_durable:
            self._quietly(lambda: stored.save(timer))
        self._arm(timer, left)

    def _go_on(self, timer: ScheduledMessage) -> None:
        """Arm a stored timer; one that is overdue fires once."""
        left = timer.due - self._wall_clock()
        if left < 0 and timer.repeats:
            self._skip(timer, int(-left // timer.seconds))
        left = min(max(0.0, left), timer.seconds)
        timer.at = anyio.current_time() + left
        self._arm(timer, left)

    def _skip(self, timer: ScheduledMessage, times: int) -> None:
        """Count times that passed unused; the next message is for all of them."""
        timer.turn += times
        timer.missed += times
        self.counters.timers_coalesced += times

    def _arm(self, timer: ScheduledMessage, seconds: float) -> None:
        timer.timer = self._actors.timers.after(seconds, lambda: self._fire(timer))

    # -- keeping -------------------------------------------------------------------------------

    def _check(self, timer: ScheduledMessage) -> None:
        owner, seconds, settings = timer.owner, timer.seconds, self.settings
        if not 0 <= seconds <= LONGEST:
            raise TimerInvalid(owner, "a delay is 0 or more, and not more than a century")
        if timer.is_durable and self._stored is None:
            raise TimersNotDurable(owner)
        refusal = self._quota.policy.acceptance_of(timer.target).refuse(timer.payload)
        if refusal is not None:
            raise refusal
        shortest = SHORTEST if timer.is_trusted else settings.shortest
        if timer.repeats and seconds < shortest:
            raise TimerInvalid(owner, f"the shortest interval is {shortest * 1000:g} ms")
        if timer.is_trusted:
            return
        mine = self._timers.get(owner, {})
        if len(mine) >= settings.most:
            raise RateExceeded(owner, f"it has {settings.most} timers")
        if sum(each.payload_bytes for each in (*mine.values(), timer)) > settings.size:
            raise RateExceeded(owner, f"its timers hold {settings.size:,} bytes at most")

    def _keep(self, timer: ScheduledMessage) -> None:
        self._timers.setdefault(timer.owner, {})[timer.number] = timer
        self.counters.timers_waiting += 1
        if self._guard is not None and not timer.is_trusted:
            self._grants[timer.number] = self._guard.keep(
                timer.owner, _SCHEDULE, timer.target, lambda _denial: self._end_with_grant(timer)
            )

    def _end_with_grant(self, timer: ScheduledMessage) -> None:
        self._cancel(timer)
        self._remove_quietly(timer)

    def _is_allowed(self, timer: ScheduledMessage) -> bool:
        if self._guard is None or timer.is_trusted:
            return True
        return self._guard.check(timer.owner, _SCHEDULE, timer.target).is_allowed

    def _cancel(self, timer: ScheduledMessage) -> None:
        self._forget(timer)
        self.counters.timers_cancelled += 1

    def _forget(self, timer: ScheduledMessage) -> None:
        if timer.is_ended:
            return
        timer.is_ended, timer.held = True, None
        self.counters.timers_waiting -= 1
        if timer.timer is not None:
            timer.timer.cancel()
            timer.timer = None
        forget = self._grants.pop(timer.number, None)
        if forget is not None:
            forget()
        mine = self._timers.get(timer.owner, {})
        mine.pop(timer.number, None)
        if not mine:
            self._timers.pop(timer.owner, None)

    def _remove_quietly(self, timer: ScheduledMessage) -> None:
        stored = self._stored
        if stored is not None and timer.is_durable:
            self._quietly(lambda: stored.remove(timer.number))

    def _quietly(self, write: Callable[[], None]) -> None:
        """Write what a restart may do without: the timer would fire once more."""
        try:
            write()
        except AirswasmError as error:
            self._actors.events.note_error(error)
