"""`airswasm install`: turn a package into a component of this home."""

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
def install(
    session: Session,
    package: Annotated[
        Path, typer.Argument(metavar="PACKAGE", help="A folder or a .airswasm file.")
    ],
    grant: Annotated[list[str] | None, GRANT] = None,
    deny: Annotated[list[str] | None, DENY] = None,
) -> None:
    """Install a component from a folder or a .airswasm file.

    Verifies the signature, checks the component against the contract, compiles
    it, shows its requests and asks which of them you grant. A running host starts it
    at once; otherwise it starts with the next `airswasm run`.

    \b
    Example:
      airswasm install .
      airswasm install hello-0.1.0.airswasm --yes
      airswasm install . --yes --deny http.request
      airswasm install . --yes --grant storage.read=orders/eu/**
    """
    import anyio

    from .._hosts.opening import open_host
    from ._install import carry_out, show_installed

    options = GrantOptions(grant or (), deny or ())

    async def work() -> None:
        async with open_host(session, "install", "change") as host:
            show_installed(
                session, "installed", await carry_out(session, host, package, "install", options)
            )
            if not host.is_online:
                session.terminal.say("next: airswasm run")

    anyio.run(work)
