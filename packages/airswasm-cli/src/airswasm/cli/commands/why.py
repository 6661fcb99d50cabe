"""`airswasm why`: why a component may do something, or may not."""

from __future__ import annotations

from typing import Annotated

import typer

from .._control.document import Document, items, one_line, text
from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(context_settings={"ignore_unknown_options": True})
@verb
def why(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
    capability: Annotated[
        str, typer.Argument(metavar="CAPABILITY", help="The capability, such as storage.read.")
    ],
    resource: Annotated[
        list[str],
        typer.Argument(metavar="RESOURCE", help="The key, path, URL, ... that it is about."),
    ],
) -> None:
    """Show why a component may do something, or may not.

    Shows the answer of each layer and the rule that decided: the forbidden list,
    the host's policy, roles and access list, layers of installed blocks, the grants
    of the component, and the operating system where it can be asked. All must
    allow. A resource is written as the component writes it; that of http.request is
    a method and a URL, that of process.spawn a program and its arguments.

    \b
    Example:
      airswasm why shop/orders storage.write orders/7
      airswasm why shop/orders http.request GET https://api.example.com/v1/x
      airswasm why shop/orders process.spawn "/usr/bin/git log -1"
    """
    import anyio

    from .._hosts.opening import full_name, open_host

    full = full_name(name)

    async def work() -> Document:
        async with open_host(session, "why", "change") as host:
            return await host.access(full, capability, " ".join(resource))

    found = anyio.run(work)
    if session.terminal.as_json:
        session.terminal.document("access/1", found)
        return
    terminal = session.terminal
    may = "may use" if found["is_allowed"] else "may not use"
    terminal.data(
        one_line(f"{found['component']} {may} {found['capability']} on {found['resource']}")
    )
    if found["quarantine"]:
        terminal.data(one_line(f"but it makes no call now: it is {found['quarantine']}"))
    terminal.table(
        ("layer", "answer", "rule"),
        [
            (text(each["layer"]), "allows" if each["is_allowed"] else "refuses", text(each["rule"]))
            for each in items(found.get("layers"))
        ],
    )
    for heading, key in (
        ("in [capabilities] of Component.toml", "line"),
        ("on this host", "command"),
    ):
        if found.get(key):
            terminal.data(f"\nTo allow it {heading}:\n  {one_line(found[key])}")
