"""`airswasm update`: the next version, without losing a message."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def update(
    session: Session,
    package: Annotated[
        Path, typer.Argument(metavar="PACKAGE", help="A folder or a .airswasm file.")
    ],
) -> None:
    """Switch an installed component to a newer version.

    The new version starts beside the old one and takes over its messages: a
    message sent meanwhile is answered by one of them. If it does not come up,
    the old one goes on. Asks only when it may do more than before, or raises a
    limit or another setting. Must be signed by the same key, with a higher
    sequence.

    \b
    Example:
      airswasm update .
    """
    import anyio

    from .._connection import open_host
    from ._install import carry_out, show_installed

    async def work() -> None:
        async with open_host(session, "update", "change") as host:
            show_installed(session, "updated", await carry_out(session, host, package, "update"))

    anyio.run(work)
