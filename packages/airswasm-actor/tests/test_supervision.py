from __future__ import annotations

import pytest
from airswasm.actor import (
    Action,
    Backoff,
    ChildSpec,
    InvalidChildSpec,
    Member,
    SupervisorSpec,
    decide,
)
from hypothesis import given
from hypothesis import strategies as st

ABC = (Member("a", "permanent"), Member("b", "transient"), Member("c", "permanent"))


def verbs(spec: SupervisorSpec, failed: str, kind: str = "crash") -> str:
    decision = decide(spec, ABC, (), failed, kind, 0.0)  # type: ignore[arg-type]
    return " ".join(f"{action.verb}:{action.id}" for action in decision.actions)


@pytest.mark.parametrize(
    ("strategy", "steps"),
    [
        ("one_for_one", "start:b"),
        ("one_for_all", "stop:c stop:a start:a start:b start:c"),
        ("rest_for_one", "stop:c start:b start:c"),
    ],
)
def test_who_is_restarted_with_a_child(strategy: str, steps: str) -> None:
    """Stops right to left, starts left to right, as the strategy says."""
    assert verbs(SupervisorSpec(strategy), "b") == steps  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("restart", "kind", "verb"),
    [
        ("permanent", "normal", "start"),
        ("permanent", "shutdown", "start"),
        ("permanent", "crash", "start"),
        ("transient", "normal", "settle"),
        ("transient", "shutdown", "settle"),
        ("transient", "crash", "start"),
        ("temporary", "normal", "forget"),
        ("temporary", "shutdown", "forget"),
        ("temporary", "crash", "forget"),
    ],
)
def test_what_the_kind_of_restart_means(restart: str, kind: str, verb: str) -> None:
    """Permanent always, transient after a crash, temporary never."""
    decision = decide(
        SupervisorSpec(),
        [Member("x", restart)],  # type: ignore[arg-type]
        (),
        "x",
        kind,  # type: ignore[arg-type]
        0.0,
    )
    assert [action.verb for action in decision.actions] == [verb]


@pytest.mark.parametrize(
    ("intensity", "period", "times", "gives_up"),
    [
        (1, 5, (0.0, 0.1), True),
        (0, 5, (0.0,), True),
        (1, 1, (0.5, 1.6), True),
        (1, 1, (0.5, 2.6), False),
        (2, 5, (0.0, 5.9, 5.9), True),
        (2, 5, (0.0, 6.0, 6.0), False),
    ],
)
def test_restart_intensity(
    intensity: int, period: float, times: tuple[float, ...], gives_up: bool
) -> None:
    """More than the intensity in the period, whole seconds, both ends included."""
    spec, restarts = SupervisorSpec(intensity=intensity, period=period), ()
    for now in times:
        decision = decide(spec, ABC, restarts, "a", "crash", now)
        restarts = decision.restarts
    assert (decision.actions[0].verb == "give_up") is gives_up


def test_a_crash_counts_once_however_many_are_restarted() -> None:
    """Siblings that are restarted with a child are not counted."""
    spec = SupervisorSpec("one_for_all", intensity=3)
    assert decide(spec, ABC, (), "a", "crash", 7.5).restarts == (7,)


def test_temporary_siblings_are_not_revived() -> None:
    """One for all kills and forgets them; their own crash leaves the others alone."""
    members = (Member("a", "permanent"), Member("t", "temporary"))
    spec = SupervisorSpec("one_for_all")
    assert decide(spec, members, (), "a", "crash", 0).actions == (
        Action("forget", "t"),
        Action("start", "a"),
    )
    assert decide(spec, members, (), "t", "crash", 0).actions == (Action("forget", "t"),)


@pytest.mark.parametrize(("auto", "ends"), [("any_significant", True), ("all_significant", False)])
def test_the_end_of_a_significant_child(auto: str, ends: bool) -> None:
    """Any, or the last of them, ends the supervisor."""
    members = [Member(id_, "transient", significant=True) for id_ in "ab"]
    spec = SupervisorSpec(auto_shutdown=auto)  # type: ignore[arg-type]
    actions = decide(spec, members, (), "a", "normal", 0).actions
    assert ("shut_down" in [action.verb for action in actions]) is ends


@pytest.mark.parametrize(
    "make",
    [
        lambda: ChildSpec("", object),
        lambda: ChildSpec("a", object, restart="often"),  # type: ignore[arg-type]
        lambda: ChildSpec("a", object, shutdown=-1),
        lambda: ChildSpec("a", object, shutdown="slowly"),  # type: ignore[arg-type]
        lambda: ChildSpec("a", object, significant=True),
        lambda: SupervisorSpec("one_for_some"),  # type: ignore[arg-type]
        lambda: SupervisorSpec(intensity=-1),
        lambda: SupervisorSpec(period=0),
        lambda: SupervisorSpec(children=(ChildSpec("a", object), ChildSpec("a", object))),
        lambda: SupervisorSpec(
            children=(ChildSpec("a", object, restart="transient", significant=True),)
        ),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(make: object) -> None:
    """When it is made, not when it is used (supervisor_SUITE: sup_start_bad_spec and others)."""
    with pytest.raises(InvalidChildSpec):
        make()  # type: ignore[operator]


def test_shutdown_defaults() -> None:
    """Five seconds for a worker, no limit for a supervisor, none at all for brutal_kill."""
    assert ChildSpec("a", object).shutdown_seconds == 5.0
    assert ChildSpec("a", object, type="supervisor").shutdown_seconds is None
    assert ChildSpec("a", object, shutdown="brutal_kill").shutdown_seconds == 0.0
    assert ChildSpec("a", object, shutdown="infinity").shutdown_seconds is None


@given(
    failures=st.integers(0, 10_000),
    chance=st.floats(0, 1),
    growth=st.sampled_from(("immediate", "linear", "exponential")),
    initial=st.floats(0, 100),
    cap=st.floats(0, 1000),
)
def test_no_delay_exceeds_the_cap(
    failures: int, chance: float, growth: str, initial: float, cap: float
) -> None:
    """Nor is it negative, or shorter without jitter than with it."""
    backoff = Backoff(growth, initial, cap, jitter=0.5)  # type: ignore[arg-type]
    delay = backoff.delay(failures, chance)
    assert 0 <= delay <= min(cap, backoff.delay(failures, 0.0))


def test_how_delays_grow() -> None:
    """Linear by the initial delay, exponential by two."""
    exact = {"jitter": 0.0, "initial": 0.1, "cap": 1.0}
    linear, doubling = Backoff("linear", **exact), Backoff("exponential", **exact)
    assert [round(linear.delay(n, 0.7), 3) for n in (1, 2, 3, 20)] == [0.1, 0.2, 0.3, 1.0]
    assert [round(doubling.delay(n, 0.7), 3) for n in (1, 2, 3, 20)] == [0.1, 0.2, 0.4, 1.0]
