"""`airswasm stop`: stop a component until it is started again."""

from __future__ import annotations

from typing import Annotated

import typer

from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def stop(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
    kill: Annotated[
        bool, typer.Option("--kill", help="Stop at once, without the last message or `shutdown`.")
    ] = False,
) -> None:
    """Stop a component until you start it again.

    Finishes the message in hand and calls `shutdown`, within its shutdown time.
    The component stays stopped when the host restarts. --kill waits for nothing:
    it also ends a start, a stop or an update that hangs.

    \b
    Example:
      airswasm stop local/hello
      airswasm stop local/hello --kill
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ._install import show_installed

    async def work() -> None:
        async with open_host(session, "stop", "change") as host:
            info = await host.stop(full_name(name), kill=kill)
            show_installed(session, "stopped", info)

    anyio.run(work)
