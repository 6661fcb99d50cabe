"""`airswasm send`: one message, one reply."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .._session.session import Session, verb
from ..errors import MessageTooLarge

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_MOST_BYTES = 256 * 2**20
"""The control API's maximum; a component's own limit is `limits.host_call`."""


@app.command()
@verb
def send(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
    message: Annotated[
        str | None,
        typer.Argument(
            metavar="MESSAGE", help="The payload; without it, or with -, from standard input."
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", help="Seconds to wait for the reply.", min=0.001, max=1e9),
    ] = None,
) -> None:
    """Send one message to a component and print the reply.

    The reply goes to standard output: unchanged into a pipe or file; on a screen
    with a newline and with visible control characters. --json prints it as text
    and as base64.

    \b
    Example:
      airswasm send local/hello "world"
      cat photo.png | airswasm send local/resize - > small.png
    """
    import anyio

    from .._hosts.opening import full_name, open_host

    if message is None and sys.stdin.isatty():
        raise typer.BadParameter("pass the message, or - to type it and end with Ctrl-D")
    is_piped = message is None or message == "-"
    payload = _read_input() if is_piped else str(message).encode("utf-8", "surrogateescape")
    full = full_name(name)

    async def work() -> bytes | None:
        async with open_host(session, "send", "running") as host:
            return await host.send(full, payload, timeout or session.settings.timeout)

    reply = anyio.run(work)
    terminal = session.terminal
    if terminal.as_json:
        terminal.document("reply/1", {"from": full, **_content(reply)})
    elif reply is None:
        terminal.say(f"{full} acknowledged the message without a reply")
    else:
        terminal.raw(reply)


def _read_input() -> bytes:
    content = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise MessageTooLarge(_MOST_BYTES)
    return content


def _content(reply: bytes | None) -> dict[str, object]:
    import base64

    if reply is None:
        return {"text": None, "base64": None}
    try:
        text: str | None = reply.decode()
    except UnicodeDecodeError:
        text = None
    return {"text": text, "base64": base64.b64encode(reply).decode()}
