"""`airswasm rollback`: return to an earlier version."""

from __future__ import annotations

from typing import Annotated

import typer

from .._session.session import Session, verb
from ._deciding import DENY, GRANT, GrantOptions

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
    grant: Annotated[list[str] | None, GRANT] = None,
    deny: Annotated[list[str] | None, DENY] = None,
) -> None:
    """Go back to an earlier version.

    Switches like `update`, to a version that the host still retains; `info` lists
    them. Leaves stored data alone. A version that was rolled back needs a higher
    sequence to return. Asks for approval if that version may do more than the
    active one.

    \b
    Example:
      airswasm rollback local/hello
      airswasm rollback local/hello --to 0.1.0
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ._install import decide, refusal_of, show_installed

    if to == "":
        raise typer.BadParameter("pass a version, or omit --to for the one before")
    options = GrantOptions(grant or (), deny or ())

    async def work() -> None:
        async with open_host(session, "rollback", "change") as host:
            with session.terminal.progress(f"rolling back {name}") as progress:
                plan = await host.plan_rollback(full_name(name), to)
                choice = decide(session, progress, plan, options, "Go back to")
                if choice is None:
                    raise refusal_of(plan)
                digest = str(plan["digest"])
                info = await host.rollback(full_name(name), to, digest, *choice.lines())
                if choice.remembered:
                    await host.trust_allow(choice.remembered)
            show_installed(session, "rolled back", info)

    anyio.run(work)
