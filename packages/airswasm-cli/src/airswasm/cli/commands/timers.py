"""`airswasm timers`: the messages that components send at a later time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .._control.document import Document, number, one_line, text
from .._session.session import Session, verb

if TYPE_CHECKING:
    from .._hosts.host import Host

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Show and cancel the messages that components send later.",
)

_AT_ONCE = 200
"""Ids in one request: a URL is not as long as one likes."""


@app.command("list")
@verb
def list_timers(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Who has set them; else all of them.")
    ] = None,
) -> None:
    """List the messages that components and actors in Python send later.

    While no host runs, these are the durable ones: the others ended with it.
    `airswasm info NAME` also shows how often each was sent, and missed.

    \b
    Example:
      airswasm timers list
      airswasm timers list shop/clock --json | jq -r '.timers[].id'
    """
    import anyio

    from .._hosts.opening import open_host
    from ._times import lasted

    async def work() -> Sequence[Document]:
        async with open_host(session, "timers list", "read") as host:
            return await _owned(host, name) if name is not None else await host.timers()

    found = anyio.run(work)
    terminal = session.terminal
    if terminal.as_json:
        terminal.document("timers/1", {"timers": list(found)})
        return
    if not found:
        terminal.say("there are no such timers" if name else "there are no timers")
        return
    rows = [
        (
            text(each["id"]),
            one_line(each["owner"]),
            one_line(each["target"]),
            f"{'every' if each['repeats'] else 'after'} {lasted(each['seconds'])}",
            "durable" if each["is_durable"] else "",
            lasted(max(0.0, number(each["due"]) - time.time())),
        )
        for each in found
    ]
    terminal.table(("id", "from", "to", "when", "kept", "next in"), rows)


@app.command("cancel")
@verb
def cancel(
    session: Session,
    timers: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID…", help="Timers; `airswasm timers list` has them."),
    ] = None,
    everything: Annotated[
        str, typer.Option("--all", metavar="NAME", help="All timers that this name has set.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and stop.")
    ] = False,
) -> None:
    """End timers: their messages are not sent any more; asks.

    A component is not told, and may set the same again. `airswasm grants deny NAME
    messaging.schedule` keeps it from that.

    \b
    Example:
      airswasm timers cancel 7268941824000001
      airswasm timers cancel --all shop/clock --yes
    """
    import anyio

    from .._hosts.opening import open_host
    from ..errors import ConfirmationRefused
    from ._times import counted

    if bool(timers) == bool(everything):
        raise typer.BadParameter("name timers by their IDs, or --all NAME")
    terminal = session.terminal

    async def look() -> list[Document]:
        async with open_host(session, "timers cancel", "read") as host:
            if everything:
                return list(await _owned(host, everything))
            return await _named(host, timers or ())

    async def work() -> int:
        ids = [text(each["id"]) for each in named]
        parts = [ids[at : at + _AT_ONCE] for at in range(0, len(ids), _AT_ONCE)]
        async with open_host(session, "timers cancel", "change") as host:
            if everything:
                return len(await host.cancel_timers(name=text(named[0]["owner"])))
            return sum([len(await host.cancel_timers(",".join(part))) for part in parts])

    named = anyio.run(look)
    what, ended = counted(len(named), "timer"), len(named)
    if named and not dry_run:
        for each in named:
            terminal.say(f"{text(each['id'])}: {one_line(each['owner'])} to {_target(each)}")
        if not terminal.confirm(f"Cancel {what}?"):
            raise ConfirmationRefused(f"cancelling {what}")
        ended = anyio.run(work)
    if terminal.as_json:
        terminal.document("cancelled-timers/1", {"timers": named, "dry_run": dry_run})
    else:
        would = "would cancel" if dry_run else "cancelled"
        terminal.done(f"{would} {counted(ended, 'timer')}")


def _target(timer: Document) -> str:
    from ._times import lasted

    how = "every" if timer["repeats"] else "after"
    return f"{one_line(timer['target'])}, {how} {lasted(timer['seconds'])}"


async def _owned(host: Host, name: str) -> Sequence[Document]:
    """Return the timers that a name has set: of an actor in Python, or of a component."""
    from .._hosts.opening import full_name

    found = await host.timers(name) if "/" not in name else ()
    return found or await host.timers(full_name(name))


async def _named(host: Host, ids: Sequence[str]) -> list[Document]:
    """Return the timers of these ids, all of which are there."""
    from airswasm.messaging import TimerUnknown

    known = {text(each["id"]): each for each in await host.timers()}
    for each in ids:
        if each not in known:
            raise TimerUnknown(each)
    return [known[each] for each in dict.fromkeys(ids)]
