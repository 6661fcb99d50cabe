"""`airswasm start`: run it again."""

from __future__ import annotations

from typing import Annotated

import typer

from .._session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def start(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
) -> None:
    """Start a component that was stopped or given up.

    It stays wanted: it also starts with the next `airswasm run`.

    \b
    Example:
      airswasm start local/hello
    """
    import anyio

    from .._connection import full_name, open_host
    from ._install import show_installed

    async def work() -> None:
        async with open_host(session, "start", "change") as host:
            info = await host.start(full_name(name))
            show_installed(session, "started", info)

    anyio.run(work)
