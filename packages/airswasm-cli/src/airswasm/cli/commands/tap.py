"""`airswasm tap`: the live traffic of a host."""

from __future__ import annotations

import base64
from typing import Annotated

import typer

from .._control.document import Document, number, one_line, text
from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_FAILED = {"rejected", "refused", "trapped", "limited", "timeout", "failed", "killed", "unfit"}
_SHOWN_CHARACTERS = 400


@app.command()
@verb
def tap(
    session: Session,
    pattern: Annotated[
        str,
        typer.Argument(
            metavar="[NAME|TOPIC]",
            help="Such as shop/orders, shop/* or orders.**.",
            show_default=False,
        ),
    ] = "**",
    payload: Annotated[
        bool, typer.Option("--payload", help="Also show the beginning of each payload.")
    ] = False,
    sample: Annotated[
        int, typer.Option("--sample", metavar="N", help="One message of N.", min=1, max=10**9)
    ] = 1,
    rate: Annotated[
        float,
        typer.Option("--rate", metavar="N", help="At most N lines a second; 0: all.", min=0),
    ] = 1_000.0,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", help="End after N lines; 0: never.", min=0)
    ] = 0,
) -> None:
    """Show live traffic.

    Shown is what is sent, answered, published and rejected, and what dies.

    With a slash, the pattern is one of names, of senders and receivers; without
    one it is one of topics, or one name. Goes on until Ctrl-C or until the host
    stops. A terminal that is too slow loses lines, which are counted; no message
    waits for it. --payload needs the host's socket, or a token of the scope `all`.
    Each tap leaves a line in the audit log. --json prints one document on a line.

    \b
    Example:
      airswasm tap
      airswasm tap shop/orders --payload
      airswasm tap 'orders.**' --sample 100 --json
    """
    import anyio

    from .._hosts.opening import open_host
    from ._streams import streamed

    async def work() -> None:
        async with open_host(session, "tap", "running") as host:
            if payload:
                found = await host.tap_payloads(pattern, sample, rate)
            else:
                found = await host.tap(pattern, sample, rate)
            shown = 0
            async with streamed(found) as events:
                async for each in events:
                    _show(session, each)
                    shown += 1
                    if shown == limit:
                        return

    anyio.run(work)


def _show(session: Session, event: Document) -> None:
    from ._times import amount, clock, short, size

    terminal = session.terminal
    if terminal.as_json:
        terminal.stream("tap-event/1", event)
        return
    if number(event["lost"]):
        terminal.say(f"{amount(event['lost'])} events were left out")
    act, detail = text(event["act"]), text(event["detail"], absent="")
    style = "red" if act in _FAILED or act == "dead" else "green"
    time = terminal.paint(clock(event["time"])[11:], "dim", stream="stdout")
    mark = terminal.paint(f"{act:<9}", style, stream="stdout")
    target = text(event["target"], absent="") or f"topic {text(event['topic'])}"
    says = [f"{one_line(event['sender'])} > {one_line(target)}"]
    if event["number"]:
        says.append(f"#{text(event['number'])}")
    if event["payload_bytes"] is not None:
        says.append(size(event["payload_bytes"]))
    if event["seconds"] is not None:
        says.append(short(event["seconds"]))
    if detail:
        says.append(one_line(detail, most=200))
    terminal.line(f"{time} {mark} ", "  ".join(says))
    content = event.get("payload")
    if content is not None:
        terminal.line("    ", _readable(base64.b64decode(str(content))))


def _readable(content: bytes) -> str:
    try:
        return one_line(content.decode(), most=_SHOWN_CHARACTERS)
    except UnicodeDecodeError:
        return one_line(content.hex(" "), most=_SHOWN_CHARACTERS)
