"""What waits to be approved is bounded in number, bytes and time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from airswasm.cli._control.pending import PendingPlans
from airswasm.cli.errors import PlanGone
from airswasm.lifecycle import Package

MANIFEST = b'[component]\nname = "local/hello"\nversion = "0.1.0"\n'


@dataclass
class Timer:
    """Fires when the test says so."""

    callback: Callable[[], object]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


@dataclass
class Timers:
    """A clock that stands still until `pass_by` is called."""

    set: list[Timer] = field(default_factory=list)

    def after(self, _delay: float, callback: Callable[[], object]) -> Timer:
        self.set.append(Timer(callback))
        return self.set[-1]

    def pass_by(self) -> None:
        for timer in self.set:
            if not timer.is_cancelled:
                timer.callback()


def package(size_bytes: int = 0) -> Package:
    return Package.from_files({"Component.toml": MANIFEST, "component.wasm": bytes(size_bytes)})


def test_a_plan_is_taken_once() -> None:
    """And only by its own digest."""
    plans, hello = PendingPlans(Timers()), package()
    plans.put("d", hello, "update")
    with pytest.raises(PlanGone):
        plans.take("e")
    assert plans.take("d") == (hello, "update")
    with pytest.raises(PlanGone, match="no such plan"):
        plans.take("d")


def test_the_oldest_makes_room_for_one_too_many() -> None:
    """Planning the same again counts as new."""
    plans = PendingPlans(Timers(), most=2)
    for digest in ("a", "b", "a", "c"):
        plans.put(digest, package(), "install")
    assert len(plans) == 2
    with pytest.raises(PlanGone):
        plans.take("b")
    plans.take("a")
    plans.take("c")


def test_the_oldest_makes_room_for_bytes_too_many() -> None:
    """One that is larger than the bound by itself is kept, alone."""
    plans = PendingPlans(Timers(), most_bytes=1000)
    plans.put("a", package(400), "install")
    plans.put("b", package(400), "install")
    assert len(plans) == 2
    plans.put("c", package(400), "install")
    assert len(plans) == 2
    plans.put("d", package(2000), "install")
    assert len(plans) == 1
    plans.take("d")


def test_time_passes_without_a_call() -> None:
    """What is never approved goes by a timer; what was taken leaves none behind."""
    timers = Timers()
    plans = PendingPlans(timers)
    plans.put("a", package(), "install")
    plans.put("b", package(), "install")
    plans.take("a")
    assert [timer.is_cancelled for timer in timers.set] == [True, False]
    timers.pass_by()
    assert len(plans) == 0
