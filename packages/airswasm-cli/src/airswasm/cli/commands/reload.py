"""`airswasm reload`: the settings of a running host."""

from __future__ import annotations

import functools
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from .._control.document import Document, items, text
from .._session.session import Session, verb

if TYPE_CHECKING:
    from .._hosts.host import Host

__all__ = ("app", "reload_host", "show_report")

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@functools.partial(verb, reads_config=False)
def reload(
    session: Session,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check the file, and show what would change.")
    ] = False,
) -> None:
    """Have the running host take config.toml over.

    Reads and checks the whole file first: one mistake, and nothing changes. Shows
    each key that differs from what is in force: applied, or waiting for the
    host's next start with the reason. SIGHUP to the host does the same.

    \b
    Example:
      airswasm config set limits.storage "128 MiB"
      airswasm reload
      airswasm reload --dry-run --json
    """
    import anyio

    from .._hosts.opening import open_host

    async def work() -> None:
        async with open_host(session, "reload", "running") as host:
            await reload_host(session, host, dry_run=dry_run)

    anyio.run(work)


async def reload_host(session: Session, host: Host, *, dry_run: bool = False) -> None:
    """Reload the settings of a running host, and show the report."""
    report = await host.reload(dry_run)
    if session.terminal.as_json:
        session.terminal.document("reload/1", report)
        return
    show_report(session, report)


def show_report(session: Session, report: Document) -> None:
    """Show the report of a reload, for people."""
    terminal = session.terminal
    changes = items(report.get("changes"))
    for change in changes:
        before, after = text(change.get("before")), text(change.get("after"))
        values = f"{before} -> {after}" if before != after else "changed"
        terminal.data(f"{text(change.get('state')):<10}  {text(change.get('name'))}  {values}")
        if change.get("reason"):
            terminal.say(f"            {text(change.get('reason'))}")
    if not changes:
        terminal.done("nothing in config.toml differs from what is in force")
        return
    counts = Counter(text(change.get("state")) for change in changes)
    did = "would be applied" if report.get("is_dry_run") else "applied"
    waiting = f"; {counts['waiting']} waiting for the host's next start"
    terminal.done(f"{counts['applied']} {did}{waiting if counts['waiting'] else ''}")
