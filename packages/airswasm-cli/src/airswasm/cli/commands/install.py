"""`airswasm install`: turn a package into a component of this home."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._session.session import Session, verb
from ._deciding import DENY, GRANT, GrantOptions
from ._source_build import BuildOption, SignOption, build_package, build_request

if TYPE_CHECKING:
    from airswasm.lifecycle import Fetched

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def install(
    session: Session,
    package: Annotated[
        str | None,
        typer.Argument(metavar="SOURCE", help="A folder, a .airswasm file, -, or an address."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Install each component of this list instead."),
    ] = None,
    locked: Annotated[
        bool, typer.Option("--locked", help="With --file: all of it must be in its lock.")
    ] = False,
    build: BuildOption = False,
    sign: SignOption = None,
    grant: Annotated[list[str] | None, GRANT] = None,
    deny: Annotated[list[str] | None, DENY] = None,
) -> None:
    """Install a component from a folder, a file or an address.

    Verifies the signature, checks the component against the contract, compiles
    it, shows its requests and asks which of them you grant. A running host starts it
    at once; otherwise it starts with the next `airswasm run`. docs/sources.md shows
    each form of a source: git repositories, https servers, OCI registries. With --file,
    the components of a list are fetched, compared with its lock if it has one, and
    installed or updated where they differ. With --build, the source has a project instead
    of a package: its commands are shown, and run confined after you agree. The result is
    unsigned, which a host in development mode takes, or has your signature with --sign.

    \b
    Example:
      airswasm install .
      airswasm install hello-0.1.0.airswasm --yes
      airswasm install git+https://example.org/shop.git@v1.2.0#orders
      airswasm install https://example.org/orders.airswasm#sha256=…
      airswasm install oci://registry.example.org/shop/orders:1.2.0
      airswasm install --file components.toml --locked
      airswasm install --build git+https://example.org/shop.git@v1.2.0#orders
      airswasm install . --yes --deny http.request
      airswasm install . --yes --grant storage.read=orders/eu/**
    """
    import anyio

    from .._hosts.opening import open_host
    from ._install import carry_out, fetch, show_installed

    request = build_request(build, sign)
    if request is not None and file is not None:
        raise typer.BadParameter("--build takes a source, and no list")
    if (package is None) == (file is None) or (locked and file is None):
        raise typer.BadParameter("pass a source, or a list with --file; --locked is for a list")
    options = GrantOptions(grant or (), deny or ())

    async def work_list(listed: Path) -> None:
        from ._components import fetch_listed, install_listed

        found = await fetch_listed(session, listed, is_locked=locked)
        async with open_host(session, "install", "change") as host:
            done = await install_listed(host, session, found, options)
        if session.terminal.as_json:
            session.terminal.document("components/1", {"components": list(done)})

    async def work(source: str, built: Fetched | None) -> None:
        fetched = built or await fetch(session, source)
        async with open_host(session, "install", "change") as host:
            show_installed(
                session, "installed", await carry_out(session, host, fetched, "install", options)
            )
            if not host.is_online:
                session.terminal.say("next: airswasm run")

    if file is not None:
        anyio.run(work_list, file)
    elif package is not None:
        made = None if request is None else build_package(session, package, request)
        anyio.run(work, package, made)
