"""`airswasm update`: switch to a newer version without losing a message."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._session.session import Session, verb
from ._deciding import DENY, GRANT, GrantOptions

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def update(
    session: Session,
    package: Annotated[
        Path, typer.Argument(metavar="PACKAGE", help="A folder or a .airswasm file.")
    ],
    grant: Annotated[list[str] | None, GRANT] = None,
    deny: Annotated[list[str] | None, DENY] = None,
) -> None:
    """Switch an installed component to a newer version.

    The new version starts beside the old one and takes over its messages; one of
    the two answers a message sent meanwhile. If the new version does not come up,
    the old one continues. Asks for approval only if the update may do more than
    before, or raises a limit or another setting; the question is the difference.
    What was denied or narrowed before stays so. The same key must have signed it,
    with a higher sequence.

    \b
    Example:
      airswasm update .
    """
    import anyio

    from .._hosts.opening import open_host
    from ._install import carry_out, show_installed

    options = GrantOptions(grant or (), deny or ())

    async def work() -> None:
        async with open_host(session, "update", "change") as host:
            show_installed(
                session, "updated", await carry_out(session, host, package, "update", options)
            )

    anyio.run(work)
