"""`airswasm install`: turn a package into a component of this home."""

from __future__ import annotations

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
        str, typer.Argument(metavar="SOURCE", help="A folder, a .airswasm file, -, or an address.")
    ],
    grant: Annotated[list[str] | None, GRANT] = None,
    deny: Annotated[list[str] | None, DENY] = None,
) -> None:
    """Install a component from a folder, a file, a git repository, a server or a registry.

    Verifies the signature, checks the component against the contract, compiles
    it, shows its requests and asks which of them you grant. A running host starts it
    at once; otherwise it starts with the next `airswasm run`. docs/sources.md shows
    each form of a source.

    \b
    Example:
      airswasm install .
      airswasm install hello-0.1.0.airswasm --yes
      airswasm install git+https://example.org/shop.git@v1.2.0#orders
      airswasm install https://example.org/orders.airswasm#sha256=…
      airswasm install oci://registry.example.org/shop/orders:1.2.0
      airswasm install . --yes --deny http.request
      airswasm install . --yes --grant storage.read=orders/eu/**
    """
    import anyio

    from .._hosts.opening import open_host
    from ._install import carry_out, fetch, show_installed

    options = GrantOptions(grant or (), deny or ())

    async def work() -> None:
        fetched = await fetch(session, package)
        async with open_host(session, "install", "change") as host:
            show_installed(
                session, "installed", await carry_out(session, host, fetched, "install", options)
            )
            if not host.is_online:
                session.terminal.say("next: airswasm run")

    anyio.run(work)
