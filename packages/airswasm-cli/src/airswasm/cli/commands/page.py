"""`airswasm page`: the host in a browser."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def page(
    session: Session,
    *,
    scope: Annotated[
        Literal["monitoring", "read", "all"],
        typer.Option("--scope", metavar="SCOPE", help="monitoring, read or all."),
    ] = "all",
    browser: Annotated[
        bool, typer.Option("--browser", help="Also open it in this machine's browser.")
    ] = False,
) -> None:
    """Print a link that opens the running host's page once.

    The link holds for ten minutes, and needs a host that listens on TCP:
    `airswasm run --listen PORT`. A page of the scope `monitoring` shows figures,
    one of the scope `read` everything, and neither changes anything.

    \b
    Example:
      airswasm page
      airswasm page --scope read --browser
    """
    import anyio

    from .._control.document import text
    from .._hosts.opening import open_host

    async def work() -> None:
        async with open_host(session, "page", "running") as host:
            made = await host.page_link(scope)
        if session.terminal.as_json:
            session.terminal.document("page-link/1", made)
        else:
            session.terminal.data_styled(text(made["url"]))
        if browser:
            import webbrowser

            webbrowser.open(text(made["url"]))

    anyio.run(work)
