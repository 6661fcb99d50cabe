"""`airswasm alarms`."""

from __future__ import annotations

from typing import Annotated, Any

import anyio
import typer
from airswasm.cli import Session, all_operations, full_name, open_host, verb

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def alarms(
    session: Session,
    cancel: Annotated[
        tuple[str, str] | None, typer.Option(metavar="NAME ALARM", help="Cancel this one.")
    ] = None,
) -> None:
    """List the alarms that wait.

    \b
    Example:
      airswasm alarms
      airswasm alarms --cancel local/sleeper breakfast
    """

    async def work() -> None:
        operations = all_operations()
        async with open_host(session, "alarms", "running", operations=operations) as host:
            asked: Any = host  # the operations of this package are not among a host's own
            if cancel is not None:
                await asked.cancel_alarm(full_name(cancel[0]), cancel[1])
                session.terminal.done(f"cancelled {cancel[1]}")
                return
            found = (await asked.alarms())["alarms"]
            if session.terminal.as_json:
                session.terminal.document("alarms/1", {"alarms": found})
                return
            rows = [(name, f"{seconds:.0f} s") for name, seconds in found.items()]
            session.terminal.table(("alarm", "in"), rows)

    anyio.run(work)
