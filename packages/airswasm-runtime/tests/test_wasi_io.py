"""Waiting: pollables wake exactly those who wait, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from airswasm.runtime import Caller, Trapped
from airswasm.runtime._host import Pending
from airswasm.runtime.wasi._io import (
    POLLABLES_AT_MOST,
    Always,
    BytesInput,
    Deadline,
    Signal,
    StreamClosed,
    interfaces,
    wait_for,
)


class ManualTimer:
    """A timer of `ManualTimers`."""

    def __init__(self, seconds: float, callback: Callable[[], object]) -> None:
        self.seconds = seconds
        self.fire = callback
        self.is_active = True

    def cancel(self) -> None:
        self.is_active = False


class ManualTimers:
    """Timers that fire when a test says so."""

    def __init__(self) -> None:
        self.all: list[ManualTimer] = []

    def after(self, seconds: float, callback: Callable[[], object]) -> ManualTimer:
        self.all.append(ManualTimer(seconds, callback))
        return self.all[-1]


def test_what_is_ready_answers_at_once() -> None:
    """Polling something ready makes no Pending."""
    assert wait_for((Signal(), Always()), list) == [1]


def test_a_wait_ends_with_all_that_are_ready() -> None:
    """The indices are those of the pollables that are ready when the first one wakes."""
    first, second, third = Signal(), Signal(), Signal()
    answers: list[list[int]] = []
    pending = wait_for((first, second, third), answers.append)
    assert isinstance(pending, Pending)
    assert not pending.is_done
    third.set()
    first.set()
    assert pending.is_done
    assert answers == [[2]]


def test_one_pollable_may_be_waited_for_twice_in_one_poll() -> None:
    """The same handle twice in a list is ready at both places."""
    signal = Signal()
    answers: list[list[int]] = []
    wait_for((signal, signal), answers.append)
    signal.set()
    assert answers == [[0, 1]]


def test_a_cancelled_wait_unhooks_itself() -> None:
    """After a cancel, setting the signal runs nothing of the dead guest, timers included."""
    signal, timers = Signal(), ManualTimers()
    deadline = Deadline(10**9, lambda: 0, timers)  # type: ignore[arg-type]
    answers: list[list[int]] = []
    pending = wait_for((signal, deadline), answers.append)
    assert isinstance(pending, Pending)
    pending._cancel()
    signal.set()
    assert answers == []
    assert [timer.is_active for timer in timers.all] == [False]


def test_a_deadline_without_a_waiter_has_no_timer() -> None:
    """Making a million pollables costs no timer."""
    timers = ManualTimers()
    deadline = Deadline(5, lambda: 4, timers)  # type: ignore[arg-type]
    assert not deadline.is_ready()
    assert timers.all == []


def test_a_fired_deadline_is_ready_whatever_the_clock_says() -> None:
    """A guest whose timer fired a rounding too early does not wait once more."""
    timers = ManualTimers()
    deadline = Deadline(2_000_000_000, lambda: 500_000_000, timers)  # type: ignore[arg-type]
    pending = wait_for((deadline,), list)
    assert isinstance(pending, Pending)
    assert timers.all[0].seconds == 1.5
    timers.all[0].fire()
    assert pending.is_done
    assert deadline.is_ready()


def test_an_answer_that_fails_belongs_to_the_waiter() -> None:
    """What goes wrong for the waiting guest does not hit the task that set the signal."""
    signal = Signal()

    def fail(_ready: list[int]) -> None:
        raise ValueError("broken")

    pending = wait_for((signal,), fail)
    assert isinstance(pending, Pending)
    signal.set()
    assert pending.is_done


def test_bytes_are_read_to_their_end() -> None:
    """A stream over bytes gives them in order and then is closed."""
    stream = BytesInput(b"abcde")
    assert [stream.read(2), stream.read(2), stream.read(2)] == [b"ab", b"cd", b"e"]
    try:
        stream.read(1)
    except StreamClosed:
        return
    raise AssertionError("the end was not told")


def test_a_poll_watches_a_bounded_number_of_pollables() -> None:
    """Each is looked at whenever one of them wakes, so their number is the host's time."""
    poll = next(each for each in interfaces("0.2.12") if "/poll@" in each.name).functions["poll"]
    with pytest.raises(Trapped):
        poll(Caller("test/poll"), [Signal()] * (POLLABLES_AT_MOST + 1))
    waiting = poll(Caller("test/poll"), [Signal()] * POLLABLES_AT_MOST)
    assert isinstance(waiting, Pending)
