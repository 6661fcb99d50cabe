"""The interface through which components set timers."""

from __future__ import annotations

from collections.abc import Callable

from airswasm.runtime import Caller, Case, Err, HostInterface, Ok, Pending
from airswasm.wit import AirswasmError

from .._addresses import check_address
from .._block import TIMERS_INTERFACE
from .._refusals import refusal_of
from ..errors import PayloadTooLarge
from .schedule import Schedule

__all__ = ("timers_interface",)

_TIMER_BYTES = 1_024
"""Of a timer beside its payload."""


def timers_interface(schedule: Schedule, payload_bytes: Callable[[], int]) -> HostInterface:
    """Return `airswasm:component/timers` over a host's timers.

    Args:
        schedule: The timers.
        payload_bytes: Returns the size of the largest payload.
    """
    guests = _Guests(schedule, payload_bytes)
    return HostInterface(
        TIMERS_INTERFACE,
        {
            "send-later": guests.send_later,
            "send-every": guests.send_every,
            "cancel": guests.cancel,
        },
    )


class _Own:
    """The timers of one incarnation; those that are not durable end with it."""

    def __init__(self, schedule: Schedule, caller: Caller) -> None:
        self._schedule, self._name = schedule, caller.name
        self.numbers: set[int] = set()
        caller.on_close(self._close)

    def note(self, number: int) -> None:
        """Note a timer, and forget those that have ended when they are many."""
        if len(self.numbers) > 2 * self._schedule.settings.most:
            mine = {each.number for each in self._schedule.of(self._name)}
            self.numbers &= mine
        self.numbers.add(number)

    def _close(self) -> None:
        for number in self.numbers:
            self._schedule.cancel(self._name, number)


class _Guests:
    """The host functions. A refusal that they raise becomes the guest's `err`."""

    def __init__(self, schedule: Schedule, payload_bytes: Callable[[], int]) -> None:
        self._schedule = schedule
        self._payload_bytes = payload_bytes

    def send_later(
        self, caller: Caller, target: str, payload: bytes, delay_ms: int, durable: bool
    ) -> object:
        return self._set(caller, target, payload, delay_ms, durable, repeats=False)

    def send_every(
        self, caller: Caller, target: str, payload: bytes, interval_ms: int, durable: bool
    ) -> object:
        return self._set(caller, target, payload, interval_ms, durable, repeats=True)

    def cancel(self, caller: Caller, timer_id: int) -> object:
        timer = self._schedule.find(caller.name, timer_id)
        if timer is None or not timer.is_durable:
            return self._schedule.cancel(caller.name, timer_id)
        pending = Pending()
        try:
            self._schedule.cancel(caller.name, timer_id, lambda _error: pending.resolve(True))
        except AirswasmError:  # the disk refuses: the timer goes on
            return False
        return pending

    def _set(
        self, caller: Caller, target: str, payload: bytes, milliseconds: int, durable: bool,
        *, repeats: bool,
    ) -> object:  # fmt: skip
        try:
            check_address(target)
            if len(payload) > self._payload_bytes():
                raise PayloadTooLarge(len(payload), self._payload_bytes())
            return self._add(caller, target, payload, milliseconds / 1000, durable, repeats)
        except Exception as error:
            case = refusal_of(error)
            if case is None:
                raise
            return Err(case)

    def _add(
        self, caller: Caller, target: str, payload: bytes, seconds: float, durable: bool,
        repeats: bool,
    ) -> object:  # fmt: skip
        if not durable:
            held = caller.account.hold(_TIMER_BYTES + len(payload))
            timer = self._schedule.add(
                caller.name, target, payload, seconds, repeats=repeats, held=held
            )
            caller.keep(_Own, lambda: _Own(self._schedule, caller)).note(timer.number)
            return Ok(timer.number)
        pending, numbers = Pending(), list[int]()
        ends: list[BaseException | None] = []

        def written(error: BaseException | None) -> None:
            ends.append(error)
            if numbers:
                pending.resolve(_outcome(numbers[0], error))

        try:
            timer = self._schedule.add(
                caller.name, target, payload, seconds, repeats=repeats, is_durable=True,
                done=written,
            )  # fmt: skip
        except AirswasmError as error:  # a disk that refuses is no reason to end the component
            return _outcome(0, error)
        numbers.append(timer.number)
        return _outcome(timer.number, ends[0]) if ends else pending


def _outcome(number: int, error: BaseException | None) -> Ok[int] | Err[Case]:
    if error is None:
        return Ok(number)
    return Err(refusal_of(error) or Case("rate-limited", "the disk refuses the timer"))
