"""`airswasm list`: the installed components."""

from __future__ import annotations

from collections.abc import Sequence

from .._control.document import Document, text
from .._hosts.opening import ask
from .._hosts.stored_host import HostReader
from .._session.session import Session

__all__ = ("list_components",)


def list_components(session: Session) -> None:
    """List the installed components.

    Into a pipe it writes one tab-separated line for each, without a header.

    \b
    Example:
      airswasm list
      airswasm list --json | jq -r '.components[].name'
    """
    from ._times import when

    found = ask(session, _list)
    terminal = session.terminal
    if terminal.as_json:
        terminal.document("list/1", {"components": list(found)})
        return
    rows = [
        (
            text(each["name"]),
            text(each["version"]),
            text(each["state"]),
            text(each.get("signer"), absent="unsigned")[:16],
            when(each.get("installed_at")),
        )
        for each in found
    ]
    if not rows:
        terminal.say("nothing is installed; next: airswasm install FOLDER")
        return
    terminal.table(("name", "version", "state", "signer", "installed"), rows)


async def _list(host: HostReader) -> Sequence[Document]:
    return await host.list()
