"""`airswasm routes`: what each name leads to."""

from __future__ import annotations

from collections.abc import Sequence

from .._control.document import Document, text
from .._hosts.opening import ask
from .._hosts.stored_host import HostReader
from .._session.session import Session

__all__ = ("routes",)


def routes(session: Session) -> None:
    """Show which version each name leads to, and since when.

    Also the version to which it led before, as far as one is retained. Into a pipe
    it writes one tab-separated line for each, without a header.

    \b
    Example:
      airswasm routes
      airswasm routes --json | jq -r '.routes[] | [.name, .wasm_digest] | @tsv'
    """
    from ._times import when

    found = ask(session, _routes)
    terminal = session.terminal
    if terminal.as_json:
        terminal.document("routes/1", {"routes": list(found)})
        return
    if not found:
        terminal.say("nothing is installed; next: airswasm install FOLDER")
        return
    rows = [
        (
            text(each["name"]),
            text(each["version"]),
            text(each["wasm_digest"])[:12],
            text(each["state"]),
            when(each["since"]),
            _led(each),
        )
        for each in found
    ]
    terminal.table(("name", "version", "artifact", "state", "since", "by"), rows)


def _led(route: Document) -> str:
    before = text(route["before"], absent="")
    return f"{text(route['led_by'])}{f' from {before}' if before else ''}"


async def _routes(host: HostReader) -> Sequence[Document]:
    return await host.routes()
