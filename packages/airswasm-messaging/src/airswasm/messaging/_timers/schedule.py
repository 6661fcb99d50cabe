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
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

import anyio
from airswasm.actor import DeathReason, Envelope, Message
from airswasm.wit import AirswasmError

from .._counters import MessagingCounters
from .._policy import SamePolicy
from .._quota import SendingQuota
from ..errors import RateExceeded, RecordUnreadable, TimerInvalid, TimersNotDurable
from .settings import TimerSettings
from .timer import ScheduledMessage, pack_timer, unpack_timer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airswasm.actor import Accepted, ActorSystem
    from airswasm.security import Guard

__all__ = ("Schedule", "TimerSpace")

_SCHEDULE = "messaging:schedule"
_LONGEST = 100 * 366 * 86_400.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0
"""Seconds before a durable timer is tried again whose target did not take its message."""


class _Entry(Protocol):
    @property
    def key(self) -> str: ...
    @property
    def value(self) -> bytes: ...


class _Page(Protocol):
    @property
    def entries(self) -> Iterable[_Entry]: ...
    @property
    def next(self) -> str | None: ...


class TimerSpace(Protocol):
    """A namespace of a store; airswasm-storage's `Namespace` is one."""

    def read_page(self, prefix: str, after: str | None = None) -> _Page:
        """Return some keys with their values, in order."""
        ...

    def write(
        self, values: Mapping[str, bytes | None], done: Callable[[AirswasmError | None], None]
    ) -> int:
        """Set or delete keys; call `done` when the disk has that."""
        ...


class Schedule:
    """The timers of all components and actors of a host.

    Open it before anything runs that sets timers.

    Args:
        actors: Where the messages go.
        settings: The bounds of each owner.
        space: Keeps durable timers; None where there are none.
        guard: Ends timers when the grants of their owners end; None keeps them.
        quota: Counts each message against the rates of its owner and of the host: the one that
            counts what components send at once. None counts by the default rates.
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
        self._actors, self._space, self._guard = actors, space, guard
        self._quota = quota or SendingQuota(SamePolicy(), anyio.current_time)
        self._wall_clock = wall_clock
        self._timers: dict[str, dict[int, ScheduledMessage]] = {}
        self._grants: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count(int(wall_clock() * 1000) << 16)
        self._is_open = True

    # -- opening and closing -------------------------------------------------------------------

    def open(self, *, fires: bool = True) -> None:
        """Go on with the durable timers that are stored.

        Args:
            fires: Whether they fire; False only knows them, where nothing runs.

        Raises:
            AirswasmError: The store cannot be read.
        """
        stored = list(self._stored())
        highest = max((each.number for each in stored), default=0)
        self._numbers = itertools.count(max(next(self._numbers), highest + 1))
        for timer in stored:
            if self._is_allowed(timer):
                self._keep(timer)
                if fires:
                    self._go_on(timer)
            else:
                self._write(timer.number, None)

    def close(self) -> None:
        """Fire no more; durable timers stay in the store."""
        self._is_open = False
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
        payload: bytes,
        seconds: float,
        *,
        repeats: bool = False,
        is_durable: bool = False,
        done: Accepted | None = None,
        held: object = None,
    ) -> ScheduledMessage:
        """Send a message later.

        Args:
            owner: Who sends it.
            target: Whom it goes to.
            payload: What it says.
            seconds: The delay, or the interval.
            repeats: Whether it is sent again and again.
            is_durable: Whether it outlives the host.
            done: Called when a durable timer is on the disk, or cannot be; possibly before this
                returns.
            held: Kept until the timer ends: what counts it, if anything does.

        Returns:
            The timer.

        Raises:
            TimerInvalid: The delay is negative or longer than a century, or the interval is
                shorter than the host allows.
            RateExceeded: The owner has too many timers, or too many bytes in them.
            TimersNotDurable: There is no store.
            AirswasmError: The store refuses.
        """
        self._check(owner, payload, seconds, repeats=repeats)
        if is_durable and self._space is None:
            raise TimersNotDurable(owner)
        number = next(self._numbers)
        timer = ScheduledMessage(
            number, owner, target, payload, float(seconds), repeats, is_durable,
            self._wall_clock() + seconds, self._actors.broker.new_id(), held=held,
        )  # fmt: skip
        timer.at = anyio.current_time() + seconds
        self._keep(timer)
        if is_durable:
            try:
                self._write(number, pack_timer(timer), done)
            except BaseException:
                self._forget(timer)
                raise
        self._arm(timer, seconds)
        return timer

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
        timer = self._timers.get(owner, {}).get(number)
        if timer is None:
            return False
        if timer.is_durable:
            self._write(number, None, done)
        self._forget(timer)
        return True

    def drop(self, owner: str) -> int:
        """End all timers of an owner; return how many there were.

        Raises:
            AirswasmError: The store refuses.
        """
        timers = list(self._timers.get(owner, {}).values())
        for timer in timers:
            self.cancel(owner, timer.number)
        return len(timers)

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
        stored = {each.number for each in self._stored() if name in (each.owner, each.target)}
        stored.update(each.number for each in known if each.is_durable)
        for timer in known:
            self._forget(timer)
            self.counters.timers_forgotten += 1
        if self._space is not None and stored:
            ended, errors = anyio.Event(), list[BaseException]()

            def end(error: BaseException | None) -> None:
                errors.extend(() if error is None else (error,))
                ended.set()

            self._space.write({_key(number): None for number in stored}, end)
            await ended.wait()
            if errors:
                raise errors[0]
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
            self._quota.take(timer.owner, len(timer.payload), timer.target)
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
        if timer.is_durable:
            self._write_quietly(timer.number, None)

    def _refused(self, timer: ScheduledMessage, error: BaseException) -> None:
        """Try again where the timer is durable; else its message is lost, and that is noted."""
        if timer.is_ended or not self._is_open:
            return
        if timer.is_durable:
            timer.pause = min(max(_FIRST_PAUSE, timer.pause * 2), _LONGEST_PAUSE)
            self._arm(timer, timer.pause)
            return
        timer.missed += 1
        self.counters.timers_missed += 1
        if timer.repeats:
            self._next(timer)
            return
        self._forget(timer)
        message = Message(timer.payload, timer.owner, envelope=Envelope(timer.message_id))
        self._actors.broker.give_up(timer.target, message, DeathReason.UNDELIVERED, error)

    def _next(self, timer: ScheduledMessage) -> None:
        """Arm a timer that repeats for its next time that has not passed yet."""
        now = anyio.current_time()
        skipped = max(0, int((now - timer.at) // timer.seconds))
        timer.missed += skipped
        self.counters.timers_missed += skipped
        timer.at += timer.seconds * (skipped + 1)
        timer.turn += skipped + 1
        left = max(0.0, timer.at - now)
        timer.due = self._wall_clock() + left
        if timer.is_durable:
            self._write_quietly(timer.number, pack_timer(timer))
        self._arm(timer, left)

    def _go_on(self, timer: ScheduledMessage) -> None:
        """Arm a stored timer; one that is overdue fires once."""
        left = timer.due - self._wall_clock()
        if left < 0 and timer.repeats:
            skipped = int(-left // timer.seconds)
            timer.turn += skipped
            timer.missed += skipped
            self.counters.timers_missed += skipped
        left = min(max(0.0, left), timer.seconds)
        timer.at = anyio.current_time() + left
        self._arm(timer, left)

    def _arm(self, timer: ScheduledMessage, seconds: float) -> None:
        timer.timer = self._actors.timers.after(seconds, lambda: self._fire(timer))

    # -- keeping -------------------------------------------------------------------------------

    def _check(self, owner: str, payload: bytes, seconds: float, *, repeats: bool) -> None:
        settings, mine = self.settings, self._timers.get(owner, {})
        if not 0 <= seconds <= _LONGEST:
            raise TimerInvalid(owner, "a delay is 0 or more, and not more than a century")
        if repeats and seconds < settings.shortest:
            raise TimerInvalid(owner, f"the shortest interval is {settings.shortest * 1000:g} ms")
        if len(mine) >= settings.most:
            raise RateExceeded(owner, f"it has {settings.most} timers")
        if sum(len(each.payload) for each in mine.values()) + len(payload) > settings.size:
            raise RateExceeded(owner, f"its timers hold {settings.size:,} bytes at most")

    def _keep(self, timer: ScheduledMessage) -> None:
        self._timers.setdefault(timer.owner, {})[timer.number] = timer
        if self._guard is not None:
            self._grants[timer.number] = self._guard.keep(
                timer.owner, _SCHEDULE, timer.target, lambda _denial: self._end_with_grant(timer)
            )

    def _end_with_grant(self, timer: ScheduledMessage) -> None:
        self._forget(timer)
        if timer.is_durable:
            self._write_quietly(timer.number, None)

    def _is_allowed(self, timer: ScheduledMessage) -> bool:
        if self._guard is None:
            return True
        return self._guard.check(timer.owner, _SCHEDULE, timer.target).is_allowed

    def _forget(self, timer: ScheduledMessage) -> None:
        timer.is_ended, timer.held = True, None
        if timer.timer is not None:
            timer.timer.cancel()
            timer.timer = None
        forget = self._grants.pop(timer.number, None)
        if forget is not None:
            forget()
        mine = self._timers.get(timer.owner)
        if mine is not None:
            mine.pop(timer.number, None)
            if not mine:
                del self._timers[timer.owner]

    def _stored(self) -> Iterable[ScheduledMessage]:
        after: str | None = None
        while self._space is not None:
            page = self._space.read_page("", after)
            for entry in page.entries:
                try:
                    yield unpack_timer(int(entry.key, 16), entry.value)
                except RecordUnreadable as error:
                    self._actors.events.note_error(error)
            after = page.next
            if after is None:
                return

    def _write(self, number: int, value: bytes | None, done: Accepted | None = None) -> None:
        if self._space is not None:
            self._space.write({_key(number): value}, done or _ignore)

    def _write_quietly(self, number: int, value: bytes | None) -> None:
        """Write what a restart may do without: the timer would fire once more."""
        try:
            self._write(number, value)
        except AirswasmError as error:
            self._actors.events.note_error(error)


def _key(number: int) -> str:
    return f"{number:016x}"


def _ignore(_error: BaseException | None) -> None:
    """Take no notice: the write has no sender who waits for it."""
