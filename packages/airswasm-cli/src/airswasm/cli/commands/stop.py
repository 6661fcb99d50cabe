"""`airswasm stop`: and keep it stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from .._session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def stop(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
    kill: Annotated[
        bool, typer.Option("--kill", help="At once: no last message, no `shutdown`.")
    ] = False,
) -> None:
    """Stop a component until it is started again.

    Finishes the message in hand and calls `shutdown`, within its shutdown time.
    It stays stopped when the host starts anew. --kill waits for nothing: it also
    ends a start, a stop or an update that hangs.

    \b
    Example:
      airswasm stop local/hello
      airswasm stop local/hello --kill
    """
    import anyio

    from .._connection import full_name, open_host
    from ._install import show_installed

    async def work() -> None:
        async with open_host(session, "stop", "change") as host:
            info = await host.stop(full_name(name), kill=kill)
            show_installed(session, "stopped", info)

    anyio.run(work)
