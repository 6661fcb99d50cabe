"""`airswasm list`: the installed components."""

from __future__ import annotations

import typer

from .._session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command("list")
@verb
def list_components(session: Session) -> None:
    """List the installed components.

    Into a pipe it writes one tab-separated line for each, without a header.

    \b
    Example:
      airswasm list
      airswasm list --json | jq -r '.components[].name'
    """
    import anyio

    from .._connection import open_host
    from .._document import text
    from ._times import when

    async def work() -> None:
        async with open_host(session, "list", "read") as host:
            found = await host.list()
        terminal = session.terminal
        if terminal.as_json:
            terminal.document("list/1", {"components": list(found)})
            return
        rows = [
            (
                text(each["name"]),
                text(each["version"]),
                text(each["state"]),
                text(each.get("signer"), absent="unsigned")[:16],
                when(each.get("installed_at")),
            )
            for each in found
        ]
        if not rows:
            terminal.say("nothing is installed; next: airswasm install FOLDER")
            return
        terminal.table(("name", "version", "state", "signer", "installed"), rows)

    anyio.run(work)
