"""The lines of decisions: within a budget, and nothing that happened is left out of a count."""

import json
from collections import Counter
from pathlib import Path

import pytest
from airswasm.security import (
    AuditEvent,
    AuditLog,
    AuditUnavailable,
    Decision,
    DecisionLines,
    read_audit,
)
from hypothesis import given, settings
from hypothesis import strategies as st


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Notebook:
    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.is_full = False

    def record(self, event: AuditEvent) -> None:
        if self.is_full:
            raise AuditUnavailable("the notebook", "it is full")
        self.events.append(event)


def decision(resource: str, *, allowed: bool, component: str = "a/b") -> Decision:
    reason = "users/**" if allowed else "it was not granted"
    return Decision(allowed, component, "storage:read", resource, reason)


resources = st.sampled_from(["u", "v", "w", "x" * 300])
steps = st.lists(
    st.tuples(st.sampled_from(["allow", "deny", "note", "wait"]), resources), max_size=80
)


@given(steps, st.integers(0, 5))
@settings(deadline=None)
def test_the_lines_account_for_every_decision(steps: list[tuple[str, str]], burst: int) -> None:
    """One line for each decision, or a count that has it: the sums are exact."""
    clock, notebook = Clock(), Notebook()
    lines = DecisionLines(notebook, clock=clock, burst=burst, per_second=0.5)
    made = Counter[str]()
    for act, resource in steps:
        if act == "note":
            lines.note()
        elif act == "wait":
            clock.now += 3
        else:
            made[act] += 1
            lines.write(decision(resource, allowed=act == "allow"))
    lines.note()
    told = Counter[str]()
    for event in notebook.events:
        told[event.outcome] += event.kind == "decision"
        told[event.outcome] += int(event.detail.get("count", "0"))
        told[event.outcome] += int(event.detail.get("unwritten", "0"))
    assert +told == made


def test_no_allowed_call_comes_before_a_line_that_covers_it() -> None:
    """Beyond the budget a line names the pattern, and then the calls under it are counted."""
    notebook = Notebook()
    lines = DecisionLines(notebook, clock=Clock(), burst=2)
    for number in range(10):
        lines.write(decision(f"users/{number}", allowed=True))
        last = notebook.events[-1]
        assert (last.outcome, last.resource) == (
            ("allow", f"users/{number}") if number < 2 else ("allow", "users/**")
        )
    assert len(notebook.events) == 3
    lines.note()
    assert notebook.events[-1].detail == {"count": "8"}


def test_a_log_that_fails_allows_nothing_beyond_the_budget() -> None:
    """Counting is no way around the log: when the counts cannot be written, a line must come."""
    notebook = Notebook()
    lines = DecisionLines(notebook, clock=Clock(), burst=0)
    assert lines.write(decision("users/1", allowed=True))
    notebook.is_full = True
    assert not lines.write(decision("other", allowed=True, component="c/d"))
    lines.note()
    assert not lines.write(decision("users/2", allowed=True))
    notebook.is_full = False
    assert lines.write(decision("users/3", allowed=True))


def test_counts_come_without_a_host_that_asks() -> None:
    """An embedder who never calls `note` gets them with a later decision."""
    clock, notebook = Clock(), Notebook()
    lines = DecisionLines(notebook, clock=clock)
    for _ in range(5):
        lines.write(decision("u", allowed=False))
    assert len(notebook.events) == 1
    clock.now = 11
    lines.write(decision("u", allowed=False))
    assert [event.kind for event in notebook.events] == ["decision", "decisions", "decision"]
    assert notebook.events[1].detail == {"count": "4"}


def test_every_line_where_every_line_was_asked_for() -> None:
    """`every` has no budget for allowed calls; `none` has none of them."""
    notebook = Notebook()
    every = DecisionLines(notebook, allowed="every", clock=Clock(), burst=0)
    for _ in range(7):
        every.write(decision("u", allowed=True))
    assert len(notebook.events) == 7
    none = DecisionLines(notebook, allowed="none", clock=Clock())
    assert none.write(decision("u", allowed=True))
    assert len(notebook.events) == 7


@pytest.mark.parametrize("allowed", [True, False])
def test_a_flood_costs_bounded_bytes_and_leaves_the_others_their_lines(
    tmp_path: Path, allowed: bool
) -> None:
    """A hundred thousand distinct resources of one component, and one line of another."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path, durability="os", max_bytes=2**16, keep_files=4) as log:
        lines = DecisionLines(log, clock=Clock(), burst=100)
        lines.write(decision("mine", allowed=False, component="c/d"))
        for number in range(100_000):
            lines.write(decision(f"{number}{'x' * 500}", allowed=allowed))
        lines.note()
    kept = list(read_audit(path))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2 * 2**17
    assert [line["n"] for line in kept if line.get("component") == "c/d"] == [1]
    counted = [json.loads(json.dumps(line["detail"])) for line in kept if "detail" in line]
    assert sum(int(each.get("count", each.get("unwritten", 0))) for each in counted) == 99_900
