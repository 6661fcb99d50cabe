"""`airswasm history`: every change of a name, or of all of the host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from .._control.document import Document, mapping, one_line, text
from .._session.session import Session, verb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_STYLES = {"failed": "red", "refused": "yellow"}


@app.command()
@verb
def history(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The component; else all of the host.")
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help='"2 h" ago, or 2026-11-29T12:00.')
    ] = "",
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=1_000_000, help="The newest so many.")
    ] = 100,
) -> None:
    """Show what happened to a component, newest last.

    Installs, updates, rollbacks, starts and stops, changes of grants, owners and
    pins, and what was refused or failed, with the reason: each with who did it,
    from which source, and by which key. It outlives an uninstall; a purge leaves
    one line. It is for people; `airswasm audit` is the proof.

    \b
    Example:
      airswasm history local/hello
      airswasm history --since "2 h"
      airswasm history local/hello --json | jq -r 'select(.act == "update") | .pin'
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ._times import past_moment

    moment = past_moment(since) if since else None
    full = full_name(name) if name is not None else None

    async def work() -> bool:
        async with open_host(session, "history", "read") as host:
            if full is not None:
                return await _show(session, await host.history(full, moment, lines), full)
            return await _show(session, await host.all_history(moment, lines), None)

    if not anyio.run(work):
        session.terminal.say("nothing has happened" + (" since then" if since else " yet"))


async def _show(session: Session, found: AsyncIterator[Document], name: str | None) -> bool:
    from ._streams import streamed
    from ._times import when

    terminal, has_any = session.terminal, False
    async with streamed(found) as entries:
        async for each in entries:
            has_any = True
            if terminal.as_json:
                terminal.stream("history-entry/1", each)
                continue
            outcome = text(each["outcome"])
            act = text(each["act"]) if outcome == "done" else f"{text(each['act'])} {outcome}"
            style = _STYLES.get(outcome, "green")
            time = terminal.paint(when(each["time"]), "dim", stream="stdout")
            mark = terminal.paint(f"{act:<10}", style, stream="stdout")
            whose = [one_line(each["name"])] if name is None and each["name"] else []
            main = ", ".join([*whose, *filter(None, (_versions(each), _who(each)))])
            more = list(_more(each))
            if not terminal.shows_tables:
                terminal.line(f"{time}  {mark} ", "; ".join([main, *more]))
                continue
            terminal.line(f"{time}  {mark} ", main)
            for line in more:
                terminal.data(f"    {line}")
    return has_any


def _versions(entry: Document) -> str:
    before, after = text(entry["before"], absent=""), text(entry["after"], absent="")
    after = text(entry["wanted"], absent="") or after
    if before and after and before != after:
        return f"{before} → {after}"
    return after or before


def _who(entry: Document) -> str:
    by, via = one_line(entry["by"]), one_line(entry["via"])
    return f"by {by}{f', {via}' if via else ''}" if by else ""


def _more(entry: Document) -> Iterator[str]:
    source, pin = one_line(entry["source"], most=300), one_line(entry["pin"])
    moves = entry["act"] in ("install", "update", "rollback", "restore")
    if moves and source:
        yield f"from {source}{f' ({pin})' if pin else ''}"
    if moves and entry["outcome"] == "done":
        yield f"signed by {text(entry['signer'])[:16]}" if entry["signer"] else "unsigned"
    for key, value in mapping(entry["detail"]).items():
        shown = one_line(value, most=300)
        if shown and (key, shown) != ("names", "1"):
            yield f"{one_line(key)}: {shown}"
    if entry["reason"]:
        yield f"because: {one_line(entry['reason'], most=500)}"
