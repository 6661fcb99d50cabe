"""`airswasm install`: from a package to a component of this home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def install(
    session: Session,
    package: Annotated[
        Path, typer.Argument(metavar="PACKAGE", help="A folder or a .airswasm file.")
    ],
) -> None:
    """Install a component from a folder or a .airswasm file.

    Verifies the signature, checks the component against the contract, compiles
    it, shows what it asks for and asks you. With a running host it starts at
    once; without one it starts with the next `airswasm run`.

    \b
    Example:
      airswasm install .
      airswasm install hello-0.1.0.airswasm --yes
    """
    import anyio

    from ..connection import open_host
    from ._install import ask_with, read_package, show_installed

    async def work() -> None:
        found = read_package(package)
        async with open_host(session, "install", "change") as host:
            with session.terminal.progress(f"installing {found.name}") as progress:
                info = await host.install(found, ask_with(session, progress))
            show_installed(session, "installed", info)
            if not host.is_online:
                session.terminal.say("next: airswasm run")

    anyio.run(work)
