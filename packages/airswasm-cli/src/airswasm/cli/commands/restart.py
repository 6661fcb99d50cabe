"""`airswasm restart`: a new incarnation."""

from __future__ import annotations

from typing import Annotated

import typer

from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def restart(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
) -> None:
    """Stop and start a component.

    Its stored data stays; messages that wait in its mailbox go to the dead
    letters. Needs a running host.

    \b
    Example:
      airswasm restart local/hello
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ._install import show_installed

    async def work() -> None:
        async with open_host(session, "restart", "running") as host:
            info = await host.restart(full_name(name))
            show_installed(session, "restarted", info)

    anyio.run(work)
