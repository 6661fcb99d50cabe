"""`airswasm swap`: put a development build into a running host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def swap(
    session: Session,
    build: Annotated[
        Path,
        typer.Argument(metavar="BUILD", help="A built project, a .airswasm or a .wasm file."),
    ] = Path(),
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="The component; by default the manifest's."),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Remove its data and its waiting messages first.")
    ] = False,
) -> None:
    """Swap a development build into a running host.

    The host must be in development mode, and no key may own the name. Nothing is
    asked: the build needs no signature and no new version, and may use everything but
    the forbidden list. If it does not come up, the earlier build goes on. Its data and
    its waiting messages stay, unless --reset says otherwise.

    \b
    Example:
      airswasm build && airswasm swap
      airswasm swap --reset
      airswasm swap build/hello.wasm --name local/hello
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ._install import show_installed
    from ._swap import read_build

    content, found = read_build(build, None if name is None else full_name(name))

    async def work() -> None:
        async with open_host(session, "swap", "running") as host:
            done = await host.swap(
                found, content, "reset" if reset else "keep", str(build.resolve())
            )
        show_installed(session, "swapped in", done)

    anyio.run(work)
