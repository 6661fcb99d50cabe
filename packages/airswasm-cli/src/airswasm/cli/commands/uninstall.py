"""`airswasm uninstall`: remove a component."""

from __future__ import annotations

from typing import Annotated

import typer

from ..session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def uninstall(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
    purge: Annotated[
        bool, typer.Option("--purge", help="Also delete what it stored and logged.")
    ] = False,
) -> None:
    """Remove a component.

    What it stored, its log and its owner's claim to the name stay, so that it
    can come back; --purge deletes them too, and asks first.

    \b
    Example:
      airswasm uninstall local/hello
      airswasm uninstall local/hello --purge --yes
    """
    import anyio

    from ..connection import full_name, open_host
    from ..errors import ConfirmationRefused

    terminal = session.terminal
    full = full_name(name)

    async def work() -> None:
        async with open_host(session, "uninstall", "change") as host:
            info = await host.info(full)
            if purge and not terminal.confirm(f"Delete {full} and all that it stored?"):
                raise ConfirmationRefused(f"uninstall of {full}")
            await host.uninstall(full, purge=purge)
            if terminal.as_json:
                content = {"name": full, "version": info["version"], "purged": purge}
                terminal.document("uninstall/1", content)
            else:
                kept = "" if purge else "; what it stored stays"
                terminal.done(f"uninstalled {full} {info['version']}{kept}")

    anyio.run(work)
