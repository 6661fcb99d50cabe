"""The lines of effects: within a budget, beside their decisions, every byte in a line or a sum."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest
from airswasm.security import (
    AuditEvent,
    AuditLog,
    AuditQuery,
    AuditUnavailable,
    EffectLines,
    EffectRecord,
    Grants,
    Guard,
    Kinds,
    query_audit,
    verify_audit,
)
from airswasm.wit import Capability
from hypothesis import given, settings
from hypothesis import strategies as st

KINDS = Kinds(
    (
        Capability("disk.read", "read {patterns}", only_reads=True),
        Capability("disk.write", "write {patterns}"),
    )
)


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


effects = st.builds(
    EffectRecord,
    st.sampled_from(["a/b", "a/c"]),
    st.sampled_from(["disk:read", "disk:write"]),
    st.sampled_from(["u", "v"]),
    st.sampled_from(["done", "deny", "failed"]),
    bytes_in=st.integers(0, 2**40),
    bytes_out=st.integers(0, 2**40),
)
steps = st.lists(effects | st.sampled_from(["note", "wait", "full", "room"]), max_size=60)


def amounts(event: AuditEvent) -> tuple[int, int, int]:
    return tuple(
        int(event.detail.get(name, default))
        for name, default in (("count", "1"), ("in", "0"), ("out", "0"))
    )  # type: ignore[return-value]


@given(steps, st.integers(0, 4))
@settings(deadline=None)
def test_the_lines_and_the_sums_account_for_every_effect(
    steps: list[EffectRecord | str], burst: int
) -> None:
    """Also those that a full disk refused: they stay summed until there is room."""
    clock, notebook = Clock(), Notebook()
    lines = EffectLines(notebook, written="every", clock=clock, burst=burst, per_second=0.5)
    made, told = Counter[tuple[str, str, str, str]](), Counter[tuple[str, str, str, str]]()
    for step in steps:
        if step == "note":
            lines.note()
        elif step == "wait":
            clock.now += 3
        elif isinstance(step, str):
            notebook.is_full = step == "full"
        else:
            lines.write(step)
            key = step.component, step.capability, step.outcome
            for name, amount in zip(
                ("count", "in", "out"), (1, step.bytes_in, step.bytes_out), strict=True
            ):
                made[*key, name] += amount
    notebook.is_full = False
    lines.note()
    for event in notebook.events:
        key = event.component, event.capability, event.outcome
        for name, amount in zip(("count", "in", "out"), amounts(event), strict=True):
            told[*key, name] += amount
    assert +told == +made


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("every", {"read done", "read failed", "write done", "write deny"}),
        ("changes", {"read failed", "write done", "write deny"}),
        ("failed", {"read failed", "write deny"}),
        ("none", set[str]()),
    ],
)
def test_the_setting_chooses(written: str, expected: set[str]) -> None:
    """A read that went well changes nothing; a failure is always of interest."""
    notebook = Notebook()
    lines = EffectLines(notebook, written=written, reads=["disk:read"])  # type: ignore[arg-type]
    for capability, outcome in itertools.product(("read", "write"), ("done", "failed", "deny")):
        if f"{capability} {outcome}" not in ("read deny", "write failed"):
            lines.write(EffectRecord("a/b", f"disk:{capability}", "u", outcome))  # type: ignore[arg-type]
    lines.note()
    assert {f"{e.capability[5:]} {e.outcome}" for e in notebook.events} == expected


def test_an_effect_stands_beside_its_decision(tmp_path: Path) -> None:
    """It has the number of that line, and a query for the line finds both."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path) as log:
        guard = Guard(KINDS, {"a/b": Grants({"disk:write": ("k/**",), "disk:read": ("k/**",)})},
                      audit=log)  # fmt: skip
        lines = EffectLines(log, guard.line_of)
        for capability, resource in (("disk:write", "k/1"), ("disk:read", "k/1"),
                                     ("disk:write", "k/2")):  # fmt: skip
            assert guard.check("a/b", capability, resource)
        for _ in range(2):
            lines.write(EffectRecord("a/b", "disk:write", "k/2", bytes_out=7))
        lines.write(EffectRecord("a/b", "disk:write", "k/unknown"))
    by_capability = {each.n: each for each in query_audit(path, AuditQuery(kind="decision"))}
    (line,) = (n for n, each in by_capability.items() if each.resource == "k/2")
    found = list(query_audit(path, AuditQuery(line=line)))
    assert [each.kind for each in found] == ["decision", "effect", "effect"]
    assert {each.detail["out"] for each in found[1:]} == {"7"}
    assert "decision" not in list(query_audit(path))[-1].detail
    verify_audit(path)


def test_a_denial_names_its_layer(tmp_path: Path) -> None:
    """The guard's layers in the decision, those behind it in the effect."""
    path = tmp_path / "audit.jsonl"
    with AuditLog(path) as log:
        policy = Grants(deny={"disk:write": ("k/secret",)})
        guard = Guard(KINDS, {"a/b": Grants({"disk:write": ("k/**",)})}, audit=log, policy=policy)
        assert not guard.check("a/b", "disk:write", "k/secret")
        assert not guard.check("a/b", "disk:write", "elsewhere")
        EffectLines(log, guard.line_of).write(
            EffectRecord("a/b", "disk:write", "k/1", "deny", reason="denied", layer="system")
        )
    layers = [each.detail["layer"] for each in query_audit(path, AuditQuery(outcome="deny"))]
    assert layers == ["policy", "grants", "system"]
    verify_audit(path)


def test_other_rules_hold_from_the_next_effect_on() -> None:
    """What was summed before is written, and each component has its new budget."""
    notebook = Notebook()
    lines = EffectLines(notebook, burst=0, per_second=0)
    lines.write(EffectRecord("a/b", "disk:write", "k"))
    lines.write_by("every", burst=1, per_second=0)
    lines.write(EffectRecord("a/b", "disk:write", "k"))
    lines.write(EffectRecord("a/b", "disk:write", "k"))
    assert [each.kind for each in notebook.events] == ["effects", "effect"]


def test_nothing_is_kept_of_a_component_that_has_rested() -> None:
    """Ten thousand components that each wrote once cost nothing later."""
    clock = Clock()
    lines = EffectLines(Notebook(), clock=clock, burst=2, per_second=1)
    for number in range(100):
        lines.write(EffectRecord(f"a/{number}", "disk:write", "k"))
    clock.now += 5
    lines.note()
    assert not lines._components
