"""`airswasm timers`, on a stopped home and beside its host."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.lifecycle import System
from airswasm.messaging import Schedule

Airswasm = Callable[..., Any]
OWNER, TARGET = "shop/clock", "shop/orders"


@pytest.fixture
def ids(home: Path, installed: Path) -> list[str]:
    """The ids of three durable timers that Python code has set, the last one of an actor."""

    async def set_timers() -> list[str]:
        async with System(home, mode="offline") as system:
            add, written = system.services.get(Schedule).add, anyio.Event()
            found = [
                add(
                    owner, TARGET, b"x", 3600, repeats=True, is_durable=True, is_trusted=True,
                    done=lambda _error: written.set(),
                )
                for owner in (OWNER, OWNER, "clerk")
            ]  # fmt: skip
            await written.wait()
            return [str(each.number) for each in found]

    return anyio.run(set_timers)


@pytest.mark.parametrize("is_running", [False, True])
def test_timers_are_listed_and_cancelled(
    airswasm: Airswasm, run_host: Callable[..., Any], ids: list[str], *, is_running: bool
) -> None:
    """By their ids or their owner; a dry run and a refusal end none."""
    host = run_host() if is_running else None
    listed = airswasm("timers", "list", "--json")
    found = json.loads(listed.out)["timers"]
    assert [str(each["id"]) for each in found] == [ids[2], ids[0], ids[1]]
    assert {each["target"] for each in found} == {TARGET}
    for name in ("shop/clock", "clerk"):
        rows = airswasm("timers", "list", name).out.splitlines()
        assert len(rows) == (2 if name == OWNER else 1)
        assert all("every 1 h 0 min" in row for row in rows)
    assert airswasm("timers", "list", "clock").out == ""
    unknown = airswasm("timers", "cancel", ids[0], "7", "--yes")
    assert (unknown.code, "E0637" in unknown.err) == (5, True)
    dry = airswasm("timers", "cancel", ids[0], "--dry-run")
    assert "would cancel 1 timer" in dry.err
    assert airswasm("timers", "cancel", ids[0]).code != 0  # no terminal to ask
    assert "cancelled 1 timer" in airswasm("timers", "cancel", ids[0], ids[0], "--yes").err
    ended = airswasm("timers", "cancel", "--all", OWNER, "--yes", "--json")
    assert [str(each["id"]) for each in json.loads(ended.out)["timers"]] == [ids[1]]
    left = json.loads(airswasm("timers", "list", "--json").out)["timers"]
    assert [each["owner"] for each in left] == ["clerk"]
    if host is not None:
        host.stop()
    lines = airswasm("audit", "query", "--kind", "timer", "--json").out
    assert all(each in lines for each in ids[:2])
    assert airswasm("timers", "list").out.split()[0] == ids[2]


def test_timers_are_named_or_meant_by_an_owner(airswasm: Airswasm) -> None:
    """Neither, or both, is a usage error; an id is a number."""
    for words in ((), ("1", "--all", "a/b")):
        assert airswasm("timers", "cancel", *words).code == 2
    for word in ("x", "-1", "1e3", "²"):
        ended = airswasm("timers", "cancel", "--yes", "--", word)
        assert (ended.code, "E0637" in ended.err) == (5, True), word
