"""`airswasm top`: rates between two looks, their order, and the screen."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import pytest
from airswasm.cli.commands import top
from airswasm.cli.commands.top import Activity, activities
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console


def status(*components: dict[str, Any]) -> dict[str, Any]:
    return {"uptime": 61.0, "running": 1, "installed": 1, "components": list(components)}


def counted(name: str, **figures: float) -> dict[str, Any]:
    return {"name": name, "state": "running", **figures}


def test_a_rate_is_what_was_added_in_a_second() -> None:
    """Of counters; gauges are those of the second look."""
    before = status(counted("a/b", messages=10, fuel_used=100, processor_seconds=1.0, mailbox=9))
    after = status(
        counted(
            "a/b", messages=30, fuel_used=400, processor_seconds=2.0, mailbox=3,
            oldest_message_age=1.5, memory_bytes=5, host_memory_bytes=7, restarts=2,
        )
    )  # fmt: skip
    assert activities(before, after, 2.0) == [
        Activity("a/b", "running", 0.5, 10.0, 150.0, 3, 1.5, 12, 2)
    ]


_FIGURES = st.fixed_dictionaries(
    {name: st.integers(0, 10**12) for name in ("messages", "fuel_used", "processor_seconds")}
)


@given(
    st.dictionaries(st.sampled_from(["a/b", "c/d", "e/f"]), _FIGURES),
    st.dictionaries(st.sampled_from(["a/b", "c/d", "e/f"]), _FIGURES),
    st.floats(0.01, 1e3),
)
def test_no_rate_is_negative_whatever_came_and_went(
    before: dict[str, Any], after: dict[str, Any], seconds: float
) -> None:
    """A new incarnation counts from zero, and so does a component that was not there."""
    looks = [
        status(*(counted(name, **figures) for name, figures in each.items()))
        for each in (before, after)
    ]
    found = activities(*looks, seconds)
    assert [each.name for each in found] == list(after)
    for each in found:
        assert min(each.cpu, each.messages, each.fuel) >= 0
        now, then = after[each.name], before.get(each.name, {})
        if now["messages"] < then.get("messages", 0):
            assert each.messages == now["messages"] / seconds


@pytest.mark.parametrize("sort", ["cpu", "messages", "fuel", "waiting", "memory", "restarts"])
def test_the_largest_comes_first(sort: top.Sort) -> None:
    """By each figure; equal ones stand by their names."""
    one = Activity("z/z", "running", 1.0, 1.0, 1.0, 1, None, 1, 1)
    none = [Activity(name, "running", 0.0, 0.0, 0.0, 0, None, 0, 0) for name in ("b/b", "a/a")]
    names = [each.name for each in sorted([*none, one], key=top._ORDER[sort])]
    assert names == ["z/z", "a/a", "b/b"]


def test_a_screen_of_eighty_columns_holds_the_largest_figures() -> None:
    """With names and states that a package's author chose, and more rows than fit."""
    rows = [
        Activity(f"{'long-' * 20}/{n}", "bad\x1b[2J", 9.99, 9e9, 9e12, 10**6, 9e3, 2**40, 10**6)
        for n in range(50)
    ]
    out = io.StringIO()
    Console(file=out, width=80, height=24).print(
        top._screen(status(), rows, top.View("cpu"), 80, 24)
    )
    lines = out.getvalue().splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in out.getvalue()
    assert "1 to 19 of 50" in lines[-1]
    for column in top._COLUMNS[1:]:
        assert column in lines[2]


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(0.0, "-"), (0.3, "0.3"), (99.94, "99.9"), (9_999.0, "9999"), (12_345.0, "12.3k"),
     (5e6, "5.0M"), (7e11, "700G")],
)  # fmt: skip
def test_a_rate_takes_little_room(rate: float, shown: str) -> None:
    """So that a column keeps its width."""
    assert top._rate(rate) == shown


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("typed", "key"),
    [(b"m", "m"), (b"q", "q"), (b"\x1b[A", "\x1b[A"), (b"\x1b", "\x1b"), (b"mq", "m"), (b"", "")],
)
async def test_a_key_is_read_at_once_and_the_terminal_is_as_before(
    monkeypatch: pytest.MonkeyPatch, typed: bytes, key: str
) -> None:
    """Without Enter; where none is pressed, the time passes."""
    pty = pytest.importorskip("pty")
    import termios

    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        before = termios.tcgetattr(theirs)
        with top._keys() as next_key:
            os.write(ours, typed)
            assert await next_key(60.0 if typed else 0.01) == key
        assert termios.tcgetattr(theirs) == before
    os.close(ours)


@given(
    st.lists(st.sampled_from([*top._KEYS, *top._MOVES, "x", ""]), max_size=30),
    st.integers(0, 60),
    st.integers(1, 40),
)
def test_whatever_is_pressed_the_table_fills_the_screen(
    keys: list[str], rows: int, room: int
) -> None:
    """No key moves beyond the first or the last row, and a sort shows its first rows."""
    view = top.View()
    for key in keys:
        view = view.after(key, rows, room)
        assert 0 <= view.first <= max(0, rows - room)
        if key in top._KEYS:
            assert (view.sort, view.first) == (top._KEYS[key], 0)


@pytest.mark.parametrize("sort", ["cpu", "name"])
def test_the_same_key_again_reverses(sort: top.Sort) -> None:
    """And once more is as before; another key begins with its largest."""
    key = next(each for each, known in top._KEYS.items() if known == sort)
    rows = [Activity(name, "running", cpu, 0, 0, 0, None, 0, 0) for name, cpu in ZIPPED]
    view = top.View("memory").after(key, 3, 9)
    once = [each.name for each in view.ordered(rows)]
    again = view.after(key, 3, 9)
    assert [each.name for each in again.ordered(rows)] == once[::-1]
    assert again.after(key, 3, 9) == view


ZIPPED = [("a/a", 0.3), ("b/b", 0.2), ("c/c", 0.1)]


def test_the_foot_fits_eighty_columns() -> None:
    """With as many rows as a host can have, and without more than fit."""
    assert len(top._foot(top.View(first=999_000), 19, 1_000_000)) <= 80
    assert len(top._foot(top.View(), 3, 3)) <= 80
