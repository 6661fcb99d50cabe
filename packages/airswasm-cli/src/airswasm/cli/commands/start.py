"""`airswasm start`: start a stopped component."""

from __future__ import annotations

from typing import Annotated

import typer

from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def start(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
) -> None:
    """Start a stopped component.

    It also starts with every later `airswasm run`.

    \b
    Example:
      airswasm start local/hello
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ._install import show_installed

    async def work() -> None:
        async with open_host(session, "start", "change") as host:
            info = await host.start(full_name(name))
            show_installed(session, "started", info)

    anyio.run(work)
