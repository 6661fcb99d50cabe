"""`airswasm tokens`: the tokens for control over TCP."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Make, list and revoke tokens for control over TCP.",
)
_NAME = typer.Argument(metavar="NAME", help="The token's name.")


@app.command("list")
@verb
def list_tokens(session: Session) -> None:
    """List the tokens, without their secrets.

    \b
    Example:
      airswasm tokens list
    """
    import anyio

    from .._control.document import text
    from .._hosts.opening import open_host
    from ._times import when

    async def work() -> None:
        async with open_host(session, "tokens", "read") as host:
            found = await host.tokens()
        if session.terminal.as_json:
            session.terminal.document("tokens/1", {"tokens": list(found)})
            return
        if not found:
            session.terminal.say("there is no token but that of a running host, control.token")
            return
        rows = [
            (text(each["name"]), text(each["scope"]), text(each.get("components")),
             when(each.get("created_at")))
            for each in found
        ]  # fmt: skip
        session.terminal.table(("name", "scope", "components", "created"), rows)

    anyio.run(work)


@app.command("create")
@verb
def create(
    session: Session,
    name: Annotated[str, _NAME],
    scope: Annotated[
        Literal["monitoring", "read", "send", "all"],
        typer.Option("--scope", help="monitoring, read, send or all.", metavar="SCOPE"),
    ] = "monitoring",
    component: Annotated[
        list[str] | None,
        typer.Option("--component", help="A component to which it may send; may be repeated."),
    ] = None,
) -> None:
    """Make a token and print its secret, which the host does not keep.

    A token of the scope `monitoring` reads metrics and health, `read` all that
    changes nothing, `send` sends messages to the components that it names, and
    `all` does everything. `airswasm run --listen PORT` accepts it at once.

    \b
    Example:
      airswasm tokens create prometheus --scope monitoring
      airswasm tokens create shop --scope send --component shop/orders
    """
    import anyio

    from .._hosts.opening import full_name, open_host

    components = ",".join(full_name(each) for each in component or ())

    async def work() -> None:
        async with open_host(session, "tokens", "change") as host:
            made = await host.create_token(name, scope, components)
        if session.terminal.as_json:
            session.terminal.document("new-token/1", made)
            return
        session.terminal.done(f"{name} has the scope {scope}; its secret is shown only now:")
        session.terminal.data_styled(str(made["token"]))

    anyio.run(work)


@app.command("revoke")
@verb
def revoke(session: Session, name: Annotated[str, _NAME]) -> None:
    """Refuse a token from now on.

    \b
    Example:
      airswasm tokens revoke prometheus
    """
    import anyio

    from .._hosts.opening import open_host

    async def work() -> None:
        async with open_host(session, "tokens", "change") as host:
            await host.revoke_token(name)
        if session.terminal.as_json:
            session.terminal.document("token-change/1", {"act": "revoke", "name": name})
        else:
            session.terminal.done(f"{name} is revoked")

    anyio.run(work)
