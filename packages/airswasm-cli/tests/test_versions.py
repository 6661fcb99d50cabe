"""`airswasm artifacts`, `history` and `routes`, beside what holds for every verb."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Airswasm = Callable[..., Any]
NAME = "local/hello"


@pytest.mark.usefixtures("installed")
def test_a_damaged_file_has_a_status_of_its_own_and_a_way_back(
    airswasm: Airswasm, home: Path
) -> None:
    """Each line names what needs it; the JSON has the same, and both end with 3."""
    assert airswasm("artifacts", "verify").code == 0
    for path in (home / "artifacts").glob("*/*"):
        path.write_bytes(b"changed")
    ended = airswasm("artifacts", "verify")
    assert (ended.code, "E0376" in ended.err) == (3, True)
    assert ended.out.count(f"needed by {NAME} 0.1.0") == 3
    assert ended.out.count("to get it back: ") == 3
    ended = airswasm("artifacts", "verify", "--json")
    assert ended.code == 3
    first, *_ = ended.out.splitlines()
    assert len(json.loads(first)["damaged"]) == 3


@pytest.mark.usefixtures("installed")
def test_the_history_has_who_did_it_by_which_way(
    airswasm: Airswasm, home: Path, run_host: Callable[..., Any]
) -> None:
    """The user at the socket as the kernel says, and the token over TCP as the host knows it."""
    airswasm("stop", NAME)
    host = run_host("--listen", "0")
    airswasm("start", NAME)
    airswasm("tokens", "create", "ci", "--scope", "all")
    made = json.loads(airswasm("tokens", "create", "other", "--scope", "all", "--json").out)
    address = next(word for word in host.said.split() if word.startswith("http://"))
    url = f"{address.rstrip('.,')}/v1/components/{NAME}/stop"
    request = urllib.request.Request(
        url, method="POST", headers={"authorization": f"Bearer {made['token']}"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
    ended = airswasm("history", NAME, "--json")
    told = [json.loads(line) for line in ended.out.splitlines()]
    user = f"({os.getuid()})"
    assert [(each["act"], each["via"]) for each in told] == [
        ("install", "command"), ("stop", "command"), ("start", "command"), ("stop", "tcp"),
    ]  # fmt: skip
    assert all(user in each["by"] for each in told[:3])
    assert told[3]["by"] == "token other"
    shown = airswasm("history").out
    assert f"{NAME}, 0.1.0, by token other, tcp" in shown
    host.stop()
    assert airswasm("history", NAME).out.count("\n") == len(told)


def test_an_unknown_name_has_no_history(airswasm: Airswasm, installed: Path) -> None:
    """It is an error; a home without anything has none, and says so."""
    ended = airswasm("history", "local/helo")
    assert (ended.code, "did you mean local/hello" in ended.err) == (5, True)
    ended = airswasm("history", "--since", "2099-01-01T00:00")
    assert ended.code in (0, 2)


def test_a_home_without_anything(airswasm: Airswasm) -> None:
    """Every verb that looks says that there is nothing."""
    for words in (["artifacts", "list"], ["history"], ["routes"]):
        ended = airswasm(*words)
        assert (ended.code, ended.out) == (0, ""), words
        assert "nothing" in ended.err, words


@pytest.mark.usefixtures("installed")
def test_what_is_left_of_a_name_can_be_purged(airswasm: Airswasm, home: Path) -> None:
    """After an uninstall; then nothing is left to purge."""
    del home
    assert airswasm("uninstall", NAME).code == 0
    assert airswasm("uninstall", NAME).code == 5
    ended = airswasm("uninstall", NAME, "--purge", "--yes")
    assert (ended.code, "uninstalled before" in ended.err) == (0, True)
    assert airswasm("history", NAME, "--json").out.count("\n") == 1
    assert airswasm("uninstall", NAME, "--purge", "--yes").code == 5
