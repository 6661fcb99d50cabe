"""What is remembered of each component."""

from __future__ import annotations

import pytest
from airswasm.actor import EventKind, LifecycleEvent
from airswasm.monitoring import ComponentHistory, History


def event(kind: EventKind, name: str = "a/b", time: float = 1.0, **rest: object) -> LifecycleEvent:
    return LifecycleEvent(kind, name, time, **rest)  # type: ignore[arg-type]


def test_a_crash_and_a_restart_are_counted() -> None:
    """Failures, restarts and the last error follow the events."""
    history = History()
    history.note(event(EventKind.STARTED, incarnation=1))
    history.note(event(EventKind.READY, incarnation=1))
    history.note(event(EventKind.FAILED, time=5.0, incarnation=1, cause=ValueError("no\nway")))
    history.note(event(EventKind.RESTARTED, time=6.0, incarnation=2))
    assert history.of("a/b") == ComponentHistory(
        "a/b", "restarting", 6.0, 2, 1, 1, "ValueError: no", 5.0
    )


def test_the_error_stays_known_after_the_restart() -> None:
    """A component that works again still says what went wrong last."""
    history = History()
    history.note(event(EventKind.FAILED, cause=KeyError()))
    history.note(event(EventKind.READY))
    known = history.of("a/b")
    assert known is not None
    assert (known.state, known.last_error) == ("running", "KeyError")


@pytest.mark.parametrize(
    "ending",
    [
        event(EventKind.STOPPING, time=3.0),
        event(EventKind.STOPPED, time=3.0, incarnation=6, reason="shutdown"),
        event(EventKind.STOPPED, time=3.0, cause=ValueError("more than 5 restarts")),
    ],
    ids=["stopping", "its actor", "its supervisor"],
)
def test_given_up_lasts_until_the_next_start(ending: LifecycleEvent) -> None:
    """What was given up is also stopped; a later look must still show that it failed."""
    history = History()
    history.note(event(EventKind.GIVEN_UP, time=2.0))
    history.note(ending)
    known = history.of("a/b")
    assert known is not None
    assert (known.state, known.since) == ("given_up", 2.0)
    history.note(event(EventKind.STARTED, time=4.0))
    known = history.of("a/b")
    assert known is not None
    assert known.state == "starting"


def test_what_was_given_up_can_be_stopped_on_purpose() -> None:
    """Stopping or removing it is an answer: it is no trouble any more."""
    history = History()
    history.note(event(EventKind.GIVEN_UP, cause=ValueError("no")))
    history.note(event(EventKind.STOPPED, time=3.0))
    known = history.of("a/b")
    assert known is not None
    assert known.state == "stopped"


def test_the_quietest_name_makes_room() -> None:
    """The number of names is bounded, and what was forgotten is counted."""
    history = History(capacity=2)
    for name in ("a/a", "a/b", "a/a", "a/c"):
        history.note(event(EventKind.READY, name))
    assert [each.name for each in history.all()] == ["a/a", "a/c"]
    assert history.forgotten == 1
    assert history.of("a/b") is None


def test_updates_and_replacements_are_no_restarts() -> None:
    """Eight updates are eight updates; a replaced incarnation is the fault of a sender."""
    history = History()
    history.note(event(EventKind.STARTED, incarnation=1))
    for _ in range(8):
        history.note(event(EventKind.STOPPING, reason="shutdown"))
        history.note(event(EventKind.UPDATED))
        history.note(event(EventKind.READY))
    for reason in ("replaced", "crash"):
        kind = EventKind.STOPPING if reason == "replaced" else EventKind.FAILED
        history.note(event(kind, reason=reason))
        history.note(event(EventKind.RESTARTED))
        history.note(event(EventKind.READY))
    known = history.of("a/b")
    assert known is not None
    assert (known.updates, known.restarts, known.failures) == (8, 1, 1)
    assert known.state == "running"


def test_a_history_of_nothing_is_refused() -> None:
    """A capacity below one would forget what it has just been told."""
    with pytest.raises(ValueError, match="capacity is 0"):
        History(0)
