"""Ask a host about trust, ask a person, and report: the steps that the verbs share."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from ..._session.session import Session

if TYPE_CHECKING:
    from ..._control.document import Document
    from ..._hosts.host import Host

__all__ = (
    "KEY",
    "KEY_OR_FINGERPRINT",
    "LABEL",
    "NAME",
    "about",
    "ask",
    "confirm",
    "fingerprint_of",
    "read_trust",
    "short",
    "tell",
)

T = TypeVar("T")

NAME = typer.Argument(metavar="NAME", help="The component.")
KEY = typer.Argument(metavar="KEY", help="The publisher's .pub file.")
KEY_OR_FINGERPRINT = typer.Argument(
    metavar="KEY", help="The publisher's .pub file, or its fingerprint."
)
LABEL = typer.Option("--label", help="The publisher's name, for people.")


def read_trust(session: Session) -> Document:
    """Return whom the host trusts."""
    return ask(session, "list", lambda host: host.trust(), is_read=True)


def ask(
    session: Session,
    act: str,
    question: Callable[[Host], Coroutine[object, object, T]],
    *,
    is_read: bool = False,
) -> T:
    """Ask the running host, or the home on the disk."""
    import anyio

    from ..._hosts.opening import open_host

    async def work() -> T:
        need = "read" if is_read else "change"
        async with open_host(session, f"trust {act}", need) as host:  # type: ignore[arg-type]
            return await question(host)

    return anyio.run(work)


def fingerprint_of(key: str) -> str:
    """Return the fingerprint of a file's key, or the one that was typed."""
    from airswasm.security import load_public_key

    is_file = Path(key).is_file() or "/" in key or key.endswith(".pub")
    return load_public_key(Path(key)).fingerprint if is_file else key


def confirm(session: Session, question: str, act: str) -> None:
    """Ask; raise `ConfirmationRefused` unless the answer is yes."""
    from ...errors import ConfirmationRefused

    if not session.terminal.confirm(question):
        raise ConfirmationRefused(act)


def tell(session: Session, text: str, content: Mapping[str, object]) -> None:
    """Report a change."""
    if session.terminal.as_json:
        session.terminal.document("trust-change/1", content)
    else:
        session.terminal.done(text)


def about(pin: Mapping[str, object]) -> str:
    """Return how many of a name's keys must sign, and its label."""
    from ..._control.document import items, number, one_line

    needed, pinned = int(number(pin["needed"])), 1 + len(items(pin["cosigners"]))
    must = f"{needed} of {pinned} must sign" if needed > 1 or pinned > 1 else ""
    return "; ".join(filter(None, (must, one_line(pin["label"])))) or "-"


def short(entry: Mapping[str, object]) -> str:
    """Return the digits of a fingerprint that lists show."""
    return str(entry["fingerprint"])[:16]
