"""`airswasm top`: what components do at the moment, the busiest first.

A sample is the difference of two looks at `status`. Figures of an incarnation begin at zero with
it, so a figure that went down counts from zero.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import anyio
import typer

from .._control.document import Document, items, number, one_line, text
from .._hosts.opening import open_host
from .._session.session import Session, verb

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ("Activity", "Sort", "View", "activities", "app")

app = typer.Typer(add_completion=False, rich_markup_mode=None)
Sort = Literal["cpu", "messages", "fuel", "waiting", "memory", "restarts", "name"]


@dataclass(frozen=True, slots=True)
class Activity:
    """One component between two looks.

    Attributes:
        name: Its name.
        state: Its state at the second look.
        cpu: The share of one processor that it took; 1 is all of it.
        messages: Messages handled in a second.
        fuel: Fuel used in a second.
        waiting: Messages that wait.
        oldest: Seconds that the first of them has waited; None without one.
        memory_bytes: Its memory, with what the host keeps for it.
        restarts: Restarts since the host started.
    """

    name: str
    state: str
    cpu: float
    messages: float
    fuel: float
    waiting: int
    oldest: float | None
    memory_bytes: int
    restarts: int


_ORDER: Mapping[str, Callable[[Activity], tuple[float | str, ...]]] = {
    "cpu": lambda each: (-each.cpu, -each.messages, each.name),
    "messages": lambda each: (-each.messages, each.name),
    "fuel": lambda each: (-each.fuel, each.name),
    "waiting": lambda each: (-each.waiting, -(each.oldest or 0.0), each.name),
    "memory": lambda each: (-each.memory_bytes, each.name),
    "restarts": lambda each: (-each.restarts, each.name),
    "name": lambda each: (each.name,),
}
_KEYS: Mapping[str, Sort] = {
    "c": "cpu", "s": "messages", "f": "fuel", "w": "waiting", "m": "memory", "r": "restarts",
    "n": "name",
}  # fmt: skip
_GAP, _LEAST_NAME = 2, 8
_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Z])")
_LEGEND = "sort: c cpu, s msg/s, f fuel, w waiting, m memory, r restarts, n name; q quits"
_MOVES: Mapping[str, tuple[str, int]] = {
    "\x1b[A": ("row", -1), "\x1b[B": ("row", 1), "k": ("row", -1), "j": ("row", 1),
    "\x1b[5~": ("page", -1), "\x1b[6~": ("page", 1), "\x1b[H": ("all", -1), "\x1b[F": ("all", 1),
    "\x1b[1~": ("all", -1), "\x1b[4~": ("all", 1), "\x1bOA": ("row", -1), "\x1bOB": ("row", 1),
}  # fmt: skip
"""The arrows, pages, Home and End, as several terminals send them."""


@dataclass(frozen=True, slots=True)
class View:
    """The part of the table that is in sight.

    Attributes:
        sort: The figure that decides the order.
        is_reversed: Whether the smallest comes first.
        first: The place of the first row in sight.
    """

    sort: Sort = "cpu"
    is_reversed: bool = False
    first: int = 0

    def after(self, key: str, rows: int, room: int) -> View:
        """Return the view after a key.

        Args:
            key: What a terminal sent for it.
            rows: The rows that there are.
            room: The rows that a screen has.
        """
        sort = _KEYS.get(key)
        if sort is not None:
            return View(sort, sort == self.sort and not self.is_reversed)
        unit, sign = _MOVES.get(key, ("row", 0))
        step = {"row": 1, "page": max(room - 1, 1), "all": rows}[unit]
        return replace(self, first=max(0, min(self.first + sign * step, rows - room)))

    def ordered(self, found: Sequence[Activity]) -> list[Activity]:
        """Return the rows in its order."""
        return sorted(found, key=_ORDER[self.sort], reverse=self.is_reversed)


@app.command()
@verb
def top(
    session: Session,
    *,
    sort: Annotated[
        Sort, typer.Option("--sort", "-s", help="The figure that decides the order.")
    ] = "cpu",
    interval: Annotated[
        float,
        typer.Option("--interval", "-i", min=0.1, max=3600, help="Seconds between two looks."),
    ] = 1.0,
    samples: Annotated[
        int | None,
        typer.Option("--samples", "-n", min=1, help="Print so many and end; 1 without a screen."),
    ] = None,
) -> None:
    """Show what components do now, the busiest first.

    On a screen, a key changes the order, again it reverses it; arrows move, and q
    ends it. Without one, or with --samples, it prints tables, and with --json
    documents.

    \b
    Example:
      airswasm top
      airswasm top --sort memory
      airswasm top --json --samples 60 | jq '.components[0].name'
    """
    terminal = session.terminal
    is_live = terminal.shows_tables and samples is None
    show = _show_live if is_live else _show_samples

    async def work() -> None:
        async with open_host(session, "top", "running") as host:
            await show(session, host.status, sort, interval, samples or 1)

    anyio.run(work)


def activities(before: Document, after: Document, seconds: float) -> list[Activity]:
    """Return what each component did between two documents of `status`.

    Args:
        before: The first look.
        after: The second look.
        seconds: The time between them; more than 0.
    """
    earlier = {str(each.get("name")): each for each in items(before.get("components"))}

    def rate(each: Document, key: str) -> float:
        now = number(each.get(key))
        then = number(earlier.get(str(each.get("name")), {}).get(key))
        return (now - then if now >= then else now) / seconds

    return [
        Activity(
            name=text(each.get("name")),
            state=text(each.get("state")),
            cpu=rate(each, "processor_seconds"),
            messages=rate(each, "messages"),
            fuel=rate(each, "fuel_used"),
            waiting=int(number(each.get("mailbox"))),
            oldest=number(each.get("oldest_message_age")) if each.get("mailbox") else None,
            memory_bytes=int(
                number(each.get("memory_bytes")) + number(each.get("host_memory_bytes"))
            ),
            restarts=int(number(each.get("restarts"))),
        )
        for each in items(after.get("components"))
    ]


async def _show_samples(
    session: Session,
    look: Callable[[], Awaitable[Document]],
    sort: Sort,
    interval: float,
    samples: int,
) -> None:
    before, looked_at = await look(), time.monotonic()
    for _ in range(samples):
        await anyio.sleep(interval)
        after, now = await look(), time.monotonic()
        found = sorted(activities(before, after, now - looked_at), key=_ORDER[sort])
        before, looked_at = after, now
        if session.terminal.as_json:
            import dataclasses

            rows = [dataclasses.asdict(each) for each in found]
            write = session.terminal.document if samples == 1 else session.terminal.stream
            write("top/1", {"sort": sort, "components": rows})
        else:
            session.terminal.table(_COLUMNS, [_row(each) for each in found])
            sys.stdout.flush()


async def _show_live(
    session: Session,
    look: Callable[[], Awaitable[Document]],
    sort: Sort,
    interval: float,
    samples: int,
) -> None:
    """Draw on a screen of its own until q or Ctrl-C."""
    del samples
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False, emoji=False, no_color=session.terminal.color == "never")
    before, looked_at = await look(), time.monotonic()
    due = looked_at + interval
    found, view = activities(before, before, 1.0), View(sort)
    with _keys() as next_key, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            view = view.after("", len(found), _room(console.height))
            shown = _screen(before, found, view, console.width, console.height)
            live.update(shown, refresh=True)
            key = await next_key(max(0.0, due - time.monotonic()))
            if key in ("q", "\x1b", "\x04"):
                return
            view = view.after(key, len(found), _room(console.height))
            if time.monotonic() < due:
                continue
            due = time.monotonic() + interval
            after, now = await look(), time.monotonic()
            found = activities(before, after, now - looked_at)
            before, looked_at = after, now


_COLUMNS = ("component", "state", "cpu", "msg/s", "fuel/s", "waiting", "memory", "restarts")
_SORTED_COLUMN: Mapping[Sort, str] = {
    "cpu": "cpu", "messages": "msg/s", "fuel": "fuel/s", "waiting": "waiting", "memory": "memory",
    "restarts": "restarts", "name": "component",
}  # fmt: skip


def _row(each: Activity) -> tuple[str, ...]:
    from ._times import size

    oldest = f" {_age(each.oldest)}" if each.oldest is not None and each.oldest >= 1 else ""
    return (
        each.name,
        each.state,
        f"{each.cpu:.1%}" if each.cpu >= 0.0005 else "-",
        _rate(each.messages),
        _rate(each.fuel),
        f"{_rate(each.waiting)}{oldest}" if each.waiting else "-",
        size(each.memory_bytes) if each.memory_bytes else "-",
        _rate(each.restarts),
    )


def _rate(value: float) -> str:
    """Return a figure in at most six characters."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if value >= factor:
            scaled = value / (1e3 if unit == "k" else factor)
            return f"{scaled:.1f}{unit}" if scaled < 100 else f"{scaled:.0f}{unit}"
    if value < 0.05:
        return "-"
    return f"{value:.1f}" if value < 100 and value % 1 else f"{value:.0f}"


def _age(seconds: float) -> str:
    for factor, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * factor:
            return f"{seconds / factor:.0f}{unit}"
    return f"{seconds:.0f}s"


def _room(height: int) -> int:
    """Return how many rows a screen of that height has."""
    return max(height - 5, 1)


def _screen(
    host: Document, found: Sequence[Activity], view: View, width: int, height: int
) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    activity = view.ordered(found)[view.first : view.first + _room(height)]
    rows = [[one_line(cell) for cell in _row(each)] for each in activity]
    others = [max(map(len, cells)) + _GAP for cells in zip(_COLUMNS, *rows, strict=True)][1:]
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column in _COLUMNS:
        is_name = column == "component"
        table.add_column(
            Text(column, style="reverse" if column == _SORTED_COLUMN[view.sort] else ""),
            justify="left" if is_name or column == "state" else "right",
            no_wrap=True,
            overflow="ellipsis",
            max_width=max(width - sum(others) - _GAP, _LEAST_NAME) if is_name else None,
        )
    for each, row in zip(activity, rows, strict=False):
        style = "" if each.state == "running" else "yellow"
        table.add_row(*(Text(cell, style=style) for cell in row))
    head = Text(_headline(host, found), no_wrap=True, overflow="ellipsis")
    foot = Text(_foot(view, len(activity), len(found)), style="dim", no_wrap=True)
    return Group(head, Text(), table, foot)


def _foot(view: View, shown: int, rows: int) -> str:
    """Return the keys; where there is more than fits, that it can be moved as well."""
    if shown == rows:
        return _LEGEND
    place = f"{view.first + 1:,} to {view.first + shown:,} of {rows:,}"
    return f"{place}; arrows move; c s f w m r n sort; q quits"


def _headline(host: Document, rows: Sequence[Activity]) -> str:
    from ._times import lasted, size

    taken = number(host.get("host_memory_bytes")) + number(host.get("guest_memory_bytes"))
    return (
        f"up {lasted(host.get('uptime'))}, {text(host.get('running'))} of "
        f"{text(host.get('installed'))} running, cpu {sum(each.cpu for each in rows):.1%}, "
        f"{sum(each.messages for each in rows):,.0f} msg/s, memory {size(taken)}"
    )


@contextmanager
def _keys() -> Generator[Callable[[float], Awaitable[str]]]:
    """Give a function that waits for a key, at most so many seconds; without one, for the time."""
    try:
        import termios
        import tty
    except ImportError:  # Windows: only Ctrl-C ends it
        yield _sleep
        return
    if not sys.stdin.isatty():
        yield _sleep
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield _pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


async def _sleep(seconds: float) -> str:
    await anyio.sleep(seconds)
    return ""


async def _pressed(seconds: float) -> str:
    import os

    with anyio.move_on_after(seconds):
        await anyio.wait_readable(sys.stdin)
        typed = os.read(sys.stdin.fileno(), 64).decode("ascii", "replace")
        return _first_key(typed) if typed else "q"
    return ""


def _first_key(typed: str) -> str:
    """Return the first key; one that sends several characters, such as an arrow, as all of them."""
    sequence = _SEQUENCE.match(typed)
    return sequence.group() if sequence else typed[:1]
