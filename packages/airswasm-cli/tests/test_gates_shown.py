"""The verdicts of gates reach a person, and a program, as they were given."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import typer
from airswasm.cli._session.problem import problem_of, report, to_document
from airswasm.cli._session.terminal import Terminal
from airswasm.cli.commands._gates import (
    check_verdicts,
    overridden,
    overrides_of,
    show_verdicts,
)
from airswasm.cli.errors import RemoteFailure, WouldBeBlocked
from airswasm.lifecycle import GateUnknown, GateVerdict, Reason, UpdateBlocked

FORGED = "fine\n  gates        license  passed\x1b[2K\u202e\r"
VERDICTS = (
    GateVerdict(
        "interface",
        "blocked",
        (
            Reason("codec-refused", "json only", "any", ("a/b",)),
            Reason("reply-gone", "and without a reply"),
        ),
    ),
    GateVerdict("health", "passed", (Reason("healthy", "3 checks in a row passed"),)),
    GateVerdict("license", "blocked", (Reason("license", FORGED),), override=FORGED),
    GateVerdict("taste", "blocked", (Reason("taste", "it is ugly"),), mode="warns"),
)


def test_each_gate_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """In a plan and in a result; no text of others makes a line of its own."""
    document = json.loads(json.dumps({"verdicts": [asdict(each) for each in VERDICTS]}))
    show_verdicts(Terminal(), document)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "  gates        interface  blocked: json only; and without a reply"
    assert lines[1] == "               health     passed: 3 checks in a row passed"
    assert lines[2].startswith("               license    blocked (overridden: fine")
    assert lines[-1] == "               taste      blocked (only warns here): it is ugly"
    assert sum(line.startswith("  gates") for line in lines) == 1
    assert all(line.isprintable() for line in lines)
    show_verdicts(Terminal(), {})
    assert capsys.readouterr().err == ""


def test_an_override_and_its_reason_belong_together() -> None:
    """One without the other would be silent, or without effect."""
    assert overrides_of(None, None) == {}
    assert overrides_of(["interface", "health"], "x") == {"interface": "x", "health": "x"}
    for gates, reason in ((["health"], None), (["health"], " "), (None, "x")):
        with pytest.raises(typer.BadParameter, match="--reason"):
            overrides_of(gates, reason)


@pytest.mark.parametrize("gate", ["", " ", "health,replay"])
def test_an_override_names_one_gate(gate: str) -> None:
    """An empty one would be dropped in silence."""
    with pytest.raises(typer.BadParameter, match="one gate"):
        overrides_of(["interface", gate], "x")


@pytest.mark.parametrize("way", ["here", "from a host"])
def test_an_error_of_a_gate_has_all_verdicts(capsys: pytest.CaptureFixture[str], way: str) -> None:
    """As data with --json, and a line for each of the others; alike from a running host."""
    error: Exception = UpdateBlocked("local/hello", "0.1.0", "0.2.0", VERDICTS)
    if way == "from a host":
        error = RemoteFailure(json.loads(json.dumps(to_document(problem_of(error)))))
    assert report(error, Terminal(as_json=True)) == 4
    document = json.loads(capsys.readouterr().err)["error"]
    assert document["code"] == "E0361"
    found = document["facts"]["verdicts"]
    assert [each["gate"] for each in found] == ["interface", "health", "license", "taste"]
    assert found[0]["reasons"][0]["affected"] == ["a/b"]
    report(error, Terminal())
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("'pass the gates': blocked by interface; 0.1.0 continues")
    assert lines[1:3] == ["  | interface: blocked: json only", "  |   and without a reply"]
    assert lines[3] == "  | health: passed: 3 checks in a row passed"
    assert "--override interface --reason TEXT" in lines[-1]


def test_a_dry_run_fails_where_the_change_would_be_stopped() -> None:
    """Not where a gate only warns, or is overridden; a gate that is not there is an error."""
    verdicts = json.loads(json.dumps([asdict(each) for each in VERDICTS]))
    plan = {"name": "local/hello", "version": "0.2.0", "verdicts": verdicts}
    with pytest.raises(WouldBeBlocked, match="would be blocked by interface, license") as caught:
        check_verdicts(overridden(plan, {}))
    assert caught.value.gates == ("interface", "license")
    assert problem_of(caught.value).exit_code == 4
    with pytest.raises(WouldBeBlocked, match="would be blocked by license"):
        check_verdicts(overridden(plan, {"interface": "ours"}))
    check_verdicts(overridden(plan, {"interface": "ours", "license": "paid"}))
    check_verdicts({"name": "local/hello", "version": "0.1.0"})
    with pytest.raises(GateUnknown, match="did you mean health"):
        overridden(plan, {"healt": "it is well"})
