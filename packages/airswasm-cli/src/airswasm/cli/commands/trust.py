"""`airswasm trust`: the publishers whose components may be installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._session.session import Session, verb

if TYPE_CHECKING:
    from airswasm.security import TrustStore

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Manage the publishers whose components may be installed.",
)


@app.command("list")
@verb
def list_keys(session: Session) -> None:
    """List the keys of approved publishers, and the revoked keys.

    \b
    Example:
      airswasm trust list
    """
    from ._times import when

    store = _store(session, is_read=True)
    pins, revoked = store.components(), store.revocations()
    if session.terminal.as_json:
        session.terminal.document(
            "trust/1",
            {
                "components": [
                    {
                        "name": pin.name,
                        "fingerprint": pin.key.fingerprint,
                        "key": str(pin.key),
                        "sequence": pin.sequence,
                        "since": pin.since,
                    }
                    for pin in pins
                ],
                "revoked": [
                    {"fingerprint": each.key.fingerprint, "reason": each.reason} for each in revoked
                ],
            },
        )
        return
    rows = [(pin.name, pin.key.fingerprint[:16], "trusted", when(pin.since)) for pin in pins]
    rows += [("*", each.key.fingerprint[:16], "revoked", each.reason) for each in revoked]
    if not rows:
        session.terminal.say("no component is pinned to a key yet")
        return
    session.terminal.table(("component", "key", "state", "since"), rows)


@app.command("add")
@verb
def add(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
    key: Annotated[Path, typer.Argument(metavar="KEY", help="The publisher's .pub file.")],
    label: Annotated[str, typer.Option("--label", help="The publisher's name, for people.")] = "",
) -> None:
    """Pin a component to a publisher's key before the install.

    After that, only packages signed by this key can be installed under the name.

    \b
    Example:
      airswasm trust add shop/orders orders.pub --label "shop team"
    """
    from airswasm.security import load_public_key

    from .._hosts.opening import full_name

    public_key = load_public_key(key)
    pin = _store(session).pin(full_name(name), public_key, label=label)
    content = {"act": "add", "name": pin.name, "fingerprint": public_key.fingerprint}
    _tell(session, f"{pin.name} is pinned to {public_key.fingerprint}", content)


@app.command("remove")
@verb
def remove(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component.")],
) -> None:
    """Forget which key a component is pinned to; asks first.

    The next install of the name decides anew. An installed component keeps its
    owner.

    \b
    Example:
      airswasm trust remove shop/orders --yes
    """
    from .._hosts.opening import full_name
    from ..errors import ConfirmationRefused

    full = full_name(name)
    if not session.terminal.confirm(f"Forget the key of {full}?"):
        raise ConfirmationRefused(f"removing the key of {full}")
    was_pinned = _store(session).unpin(full)
    text = f"{full} {'is' if was_pinned else 'was'} pinned to no key"
    _tell(session, text, {"act": "remove", "name": full, "was_pinned": was_pinned})


@app.command("revoke")
@verb
def revoke(
    session: Session,
    key: Annotated[Path, typer.Argument(metavar="KEY", help="The publisher's .pub file.")],
    reason: Annotated[
        str, typer.Option("--reason", help="The reason, for the record.")
    ] = "compromised",
) -> None:
    """Refuse everything that a key signed, from now on; asks for confirmation.

    \b
    Example:
      airswasm trust revoke stolen.pub --reason "laptop stolen"
    """
    from airswasm.security import load_public_key

    from ..errors import ConfirmationRefused

    public_key = load_public_key(key)
    if not session.terminal.confirm(f"Revoke {public_key.fingerprint[:16]} for good?"):
        raise ConfirmationRefused("revoking a key")
    _store(session).revoke(public_key, reason)
    content = {"act": "revoke", "fingerprint": public_key.fingerprint}
    _tell(session, f"{public_key.fingerprint} is revoked", content)


def _tell(session: Session, text: str, content: Mapping[str, object]) -> None:
    if session.terminal.as_json:
        session.terminal.document("trust-change/1", content)
    else:
        session.terminal.done(text)


def _store(session: Session, *, is_read: bool = False) -> TrustStore:
    from airswasm.lifecycle import Home
    from airswasm.security import TrustStore

    home = Home(session.home)
    if not is_read:
        home.create()
    return TrustStore(home.trust_folder / "trust.json")
