"""`airswasm rollback`: return to an earlier version."""

from __future__ import annotations

from typing import Annotated

import typer

from .._session.session import Session, verb
from ._gates import OverrideGates, Why

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def rollback(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="VERSION", help="The version; by default the one before."),
    ] = None,
    override: OverrideGates = None,
    reason: Why = None,
) -> None:
    """Go back to an earlier version.

    Switches like `update`, to a version that the host still retains; `info` lists
    them. Leaves stored data alone. A version that was rolled back needs a higher
    sequence to return. Nothing is asked: that version was approved before. What
    was withdrawn since stays withdrawn, and is listed. The gates judge it, too;
    only those of `updates.rollback_block` stop it.

    \b
    Example:
      airswasm rollback local/hello
      airswasm rollback local/hello --to 0.1.0
    """
    import anyio

    from .._control.document import text
    from .._hosts.opening import full_name, open_host
    from ._gates import overrides_of
    from ._install import show_installed, show_withheld

    overrides = overrides_of(override, reason)
    if to == "":
        raise typer.BadParameter("pass a version, or omit --to for the one before")

    async def work() -> None:
        async with open_host(session, "rollback", "change") as host:
            full = full_name(name)
            with session.terminal.progress(f"rolling back {name}") as progress:
                plan = await host.plan_rollback(full, to)
                with progress.paused():
                    show_withheld(session.terminal, plan)
                info = await host.rollback(
                    full, text(plan["version"]), ",".join(overrides), reason or ""
                )
            show_installed(session, "rolled back", info)

    anyio.run(work)
