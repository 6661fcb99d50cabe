"""`airswasm recordings`, beside a host and on a stopped home."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Airswasm = Callable[..., Any]
NAME = "local/hello"


@pytest.mark.usefixtures("installed")
def test_messages_are_recorded_shown_replayed_and_forgotten(
    airswasm: Airswasm, run_host: Callable[..., Any]
) -> None:
    """From the start of a host whose settings say so; a stopped home shows and replays them."""
    assert airswasm("recordings", "list").err.strip() == "no messages are recorded"
    unknown = airswasm("recordings", "replay", "hello")
    assert (unknown.code, "E0367" in unknown.err) == (5, True)
    assert "replay.record" in unknown.err
    airswasm("config", "set", "replay.record", '["local/*"]')
    host = run_host()
    for name in ("ann", "bob"):
        assert airswasm("send", "hello", name).code == 0
    for is_running in (True, False):
        if not is_running:
            host.stop()
        listed = json.loads(airswasm("recordings", "list", "--json").out)["recordings"]
        assert [(each["name"], each["messages"]) for each in listed] == [(NAME, 3)]
        assert listed[0]["is_recording"] is True
        rows = airswasm("recordings", "show", "hello", "--json").out.splitlines()
        assert [json.loads(each)["kind"] for each in rows] == ["start", "message", "message"]
        assert "message from host: replied" in airswasm("recordings", "show", "hello").out
        assert "recorded" in airswasm("info", "hello").out
        report = airswasm("recordings", "replay", "hello", "--json")
        found = json.loads(report.out)
        assert (report.code, found["verdict"], found["compared"]) == (0, "passed", 2)
        assert "passed" in airswasm("recordings", "replay", "hello").out
    absent = airswasm("recordings", "replay", "hello", "--to", "9.9.9")
    assert absent.code != 0
    dry = airswasm("recordings", "forget", "hello", "--dry-run")
    assert "would forget 3 recorded messages" in dry.err
    assert airswasm("recordings", "forget", "hello").code != 0  # no terminal to ask
    assert "forgot 3 recorded messages" in airswasm("recordings", "forget", "hello", "--yes").err
    (left,) = json.loads(airswasm("recordings", "list", "--json").out)["recordings"]
    assert (left["name"], left["messages"], left["is_recording"]) == (NAME, 0, True)
    unknown = airswasm("recordings", "forget", "helo", "--yes")
    assert (unknown.code, "E0310" in unknown.err) == (5, True)
    assert airswasm("config", "unset", "replay.record").code == 0
    assert json.loads(airswasm("recordings", "list", "--json").out)["recordings"] == []
    lines = airswasm("audit", "query", "--kind", "recording", "--json").out
    assert "tried with version" in lines
    assert "is removed" in lines


def test_a_home_without_a_store_has_none(airswasm: Airswasm, home: Path) -> None:
    """Nothing is made by looking."""
    assert json.loads(airswasm("recordings", "list", "--json").out)["recordings"] == []
    assert airswasm("recordings", "show", "hello").code == 0
