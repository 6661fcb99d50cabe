"""`airswasm profile`: where a component's time and fuel go."""

from __future__ import annotations

from typing import Annotated

import typer

from .._control.document import Document, items, mapping, number, text
from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def profile(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
) -> None:
    """Show where a component's time and fuel go.

    Shows each function of the component and, indented, each host function that it
    called, since the host started: calls, fuel, time at work, time from beginning
    to end with what was waited for, and the time from beginning to end below which
    half of the calls stayed, and 99 of 100. The fuel and the time of host functions
    are also in those of the component's functions.

    \b
    Example:
      airswasm profile local/hello
      airswasm profile local/hello --json | jq '.host_functions[0]'
    """
    import anyio

    from .._hosts.opening import full_name, open_host

    full = full_name(name)

    async def work() -> Document:
        async with open_host(session, "profile", "running") as host:
            return await host.profile(full)

    found = anyio.run(work)
    if session.terminal.as_json:
        session.terminal.document("profile/1", found)
        return
    if session.terminal.shows_tables:
        session.terminal.fields(_fields(found))
    _show_functions(session, found)


def _fields(found: Document) -> list[tuple[str, str]]:
    from ._times import amount, short, size

    outcomes = mapping(found.get("messages"))
    messages = ", ".join(f"{amount(count)} {outcome}" for outcome, count in outcomes.items())
    waited = f"{short(found.get('waited_median'))}, {short(found.get('waited_slowest'))}"
    received, replied = size(found.get("received_bytes")), size(found.get("replied_bytes"))
    return [
        ("messages", messages or "none"),
        ("waited", f"{waited} at most (half, and 99 of 100)"),
        ("bytes", f"{received} in, {replied} out"),
        ("fuel", amount(found.get("fuel"))),
        ("at work", f"{short(found.get('seconds'))} of {short(found.get('elapsed_seconds'))}"),
        ("memory", f"{size(found.get('memory_peak_bytes'))} at most"),
    ]


def _show_functions(session: Session, found: Document) -> None:
    from ._times import amount, short

    fuel = number(found.get("fuel")) or 1.0
    is_shown = session.terminal.shows_tables
    rows = [
        (
            f"{indent}{_name(each)}" if is_shown else text(each.get("function")),
            amount(each.get("calls")),
            amount(each.get("fuel")),
            f"{100 * number(each.get('fuel')) / fuel:.0f}%",
            # A host function's time is one: whether it works or waits is not told apart.
            short(each.get("seconds")) if group == "exports" else "",
            short(number(each.get("seconds")) + number(each.get("idle_seconds"))),
            short(each.get("median")),
            short(each.get("slowest")),
        )
        for indent, group in (("", "exports"), ("  ", "host_functions"))
        for each in items(found.get(group))
    ]
    columns = ("function", "calls", "fuel", "share", "at work", "took", "half ≤", "99% ≤")
    session.terminal.table(columns, rows)


def _name(function: Document) -> str:
    """Return a function's path without package and version, which say little on a screen."""
    interface, _, name = text(function.get("function")).rpartition("#")
    return f"{interface.rpartition('/')[2].partition('@')[0]}#{name}".removeprefix("#")
