"""`airswasm capabilities`: learn what a component uses."""

from __future__ import annotations

from typing import Annotated

import typer

from .._control.document import Document, number, one_line, text
from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Learn which capabilities a component uses.",
)


@app.callback()
def capabilities() -> None:
    """Learn which capabilities a component uses."""


@app.command()
@verb
def learn(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
    seconds: Annotated[
        float, typer.Option("--for", metavar="SECONDS", help="How long; until Ctrl-C without.")
    ] = 0.0,
) -> None:
    """Show the least capabilities that a component needs.

    Watches a component of the running host until Ctrl-C, and meanwhile lets it use
    what only its grants lack, in development mode only. Use it as its users will,
    then end: the lines for Component.toml are on stdout. Resources stand as they
    were used, but a dozen that differ in one segment become one pattern with a *.

    \b
    Example:
      airswasm capabilities learn shop/orders
      airswasm capabilities learn shop/orders --for 30 >> capabilities.toml
    """
    import signal

    import anyio

    from .._hosts.opening import full_name, open_host

    full, uses = full_name(name), list[Document]()

    async def end_at_interrupt(scope: anyio.CancelScope) -> None:
        with anyio.open_signal_receiver(signal.SIGINT) as signals:
            async for _ in signals:
                scope.cancel()

    async def listen() -> None:
        async with open_host(session, "capabilities learn", "running") as host:
            lines = await host.learn(full)
            end = f"for {seconds:g} s" if seconds else "until Ctrl-C"
            session.terminal.headline(f"{full} learns {end}; use it now")
            with anyio.move_on_after(seconds or None):
                async for use in lines:
                    uses.append(use)
                    pair = f"{text(use['capability'])} {text(use['pattern'])}"
                    session.terminal.say(one_line(pair))

    failures: list[Exception] = []

    async def work() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(end_at_interrupt, tasks.cancel_scope)
            try:
                await listen()
            except Exception as error:  # raised below, outside of the group
                failures.append(error)
            tasks.cancel_scope.cancel()

    anyio.run(work)
    if failures:
        raise failures[0]
    _show(session, full, uses)


def _show(session: Session, name: str, uses: list[Document]) -> None:
    from airswasm.security import Kinds, Use, least_grants
    from airswasm.wit import Blocks

    found = [Use(text(each["capability"]), text(each["pattern"])) for each in uses]
    least = least_grants(Kinds(Blocks.find().capabilities.values()), found)
    lost = int(number(uses[-1].get("unnoted"))) if uses else 0
    if session.terminal.as_json:
        table = {each.replace(":", "."): list(texts) for each, texts in least.allow.items()}
        document = {"name": name, "capabilities": table, "unnoted": lost}
        session.terminal.document("learned/1", document)
        return
    if lost:
        session.terminal.warn(f"{lost:,} uses found no room and are not covered")
    if not least:
        session.terminal.say("it used nothing that needs a capability")
        return
    session.terminal.data("[capabilities]")
    for line in least.manifest_lines():
        session.terminal.data(line)
