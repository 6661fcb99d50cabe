"""`airswasm uninstall`: remove a component."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .._session.session import Session, verb

if TYPE_CHECKING:
    from .._hosts.host import Host

__all__ = ("app",)

_DAMAGED = "E0305"
_ABSENT = "E0310"

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def uninstall(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
    purge: Annotated[
        bool, typer.Option("--purge", help="Also delete what is kept for it.")
    ] = False,
) -> None:
    """Remove a component.

    Its stored data, its log, the durable messages and timers that wait, its dead
    letters and its owner's claim to the name stay for another install; --purge
    deletes them too, after a confirmation, also of a name uninstalled before.

    \b
    Example:
      airswasm uninstall local/hello
      airswasm uninstall local/hello --purge --yes
    """
    import anyio

    from .._hosts.opening import full_name, open_host
    from ..errors import ConfirmationRefused

    terminal = session.terminal
    full = full_name(name)

    async def work() -> None:
        async with open_host(session, "uninstall", "change") as host:
            version = await _version_of(host, full, purge=purge)
            if purge and not terminal.confirm(f"Delete {full} and all its stored data?"):
                raise ConfirmationRefused(f"uninstall of {full}")
            await host.uninstall(full, purge=purge)
            if terminal.as_json:
                content = {"name": full, "version": version, "purged": purge}
                terminal.document("uninstall/1", content)
            else:
                data = ", with all that was kept for it" if purge else "; its stored data stays"
                terminal.done(f"uninstalled {full} {version}{data}")

    anyio.run(work)


async def _version_of(host: Host, name: str, *, purge: bool) -> str:
    """Return its version; one with damaged files can be removed, and what is left purged."""
    try:
        return str((await host.info(name))["version"])
    except Exception as error:
        from .._session.problem import problem_of

        code = problem_of(error).code
        if code == _ABSENT and purge:
            return "(uninstalled before)"
        if code != _DAMAGED:
            raise
        return "(damaged)"
