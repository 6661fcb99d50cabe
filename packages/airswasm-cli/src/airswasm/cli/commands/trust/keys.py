"""Trust keys, and refuse them."""

from __future__ import annotations

from typing import Annotated

import typer

from ..._session.session import Session, verb
from .._pinned_keys import keys_without, warn_of_few
from ._asking import (
    KEY_OR_FINGERPRINT,
    LABEL,
    about,
    ask,
    confirm,
    fingerprint_of,
    read_trust,
    short,
    tell,
)

__all__ = ("allow", "disallow", "list_keys", "revoke")

_SHOWN = 10


@verb
def list_keys(session: Session) -> None:
    """List the keys of approved publishers, and the revoked keys.

    \b
    Example:
      airswasm trust list
    """
    from ..._control.document import items, one_line, text
    from .._times import when

    found = ask(session, "list", lambda host: host.trust(), is_read=True)
    if session.terminal.as_json:
        session.terminal.document("trust/1", found)
        return
    rows = [
        (text(pin["name"]), short(pin), "owner", when(pin["since"]), about(pin))
        for pin in items(found["components"])
    ]
    rows += [
        (text(pin["name"]), short(each), "co-signer", "-", "-")
        for pin in items(found["components"])
        for each in items(pin["cosigners"])
    ]
    rows += [
        (text(pin["name"]), short(former), "former owner", when(former["until"]), "-")
        for pin in items(found["components"])
        for former in items(pin["former"])
    ]
    rows += [
        ("*", short(each), "revoked", when(each["since"]), one_line(each["reason"]))
        for each in items(found["revoked"])
    ]
    rows += [
        ("*", short(each), "trusted", when(each["since"] or None), one_line(each["label"]) or "-")
        for each in items(found["keys"])
    ]
    if not rows:
        session.terminal.say("no component is pinned to a key yet")
        return
    session.terminal.table(("component", "key", "state", "since", "about"), sorted(rows))


@verb
def allow(
    session: Session,
    key: Annotated[str, KEY_OR_FINGERPRINT],
    label: Annotated[str, LABEL] = "",
) -> None:
    """Grant what the packages of a key ask for, without a question.

    Whatever the name; but a name that another key owns stays that key's, and the
    host's policy, denials and the forbidden list hold. Asks first.

    \b
    Example:
      airswasm trust allow ours.pub --label "our team"
    """
    from airswasm.security import KeyRevoked

    from ..._control.document import items, text

    fingerprint = fingerprint_of(key)
    for each in items(read_trust(session)["revoked"]):
        if text(each["fingerprint"]).startswith(fingerprint.strip().lower()):
            raise KeyRevoked(text(each["fingerprint"]), text(each["reason"]))
    confirm(session, f"Grant all that {fingerprint} asks for, from now on?", "trusting a key")
    done = ask(session, "allow", lambda host: host.trust_allow(fingerprint, label))
    told = f"{done['fingerprint']} is trusted: its packages get what they ask for"
    tell(session, told, {"act": "allow", **done})


@verb
def disallow(session: Session, key: Annotated[str, KEY_OR_FINGERPRINT]) -> None:
    """Trust a key no longer; what was granted for it ends at once.

    Its components go on with what operators granted.

    \b
    Example:
      airswasm trust disallow ours.pub
    """
    from ..._control.document import items, text

    fingerprint = fingerprint_of(key)
    done = ask(session, "disallow", lambda host: host.trust_disallow(fingerprint))
    left = ask(session, "list", lambda host: host.trust(), is_read=True)["keys"]
    is_listed = any(each["fingerprint"] == done["fingerprint"] for each in items(left))
    outcome = "is off the list of this home" if is_listed else "is trusted no longer"
    tell(session, f"{done['fingerprint']} {outcome}", {"act": "disallow", **done})
    if is_listed and not session.terminal.as_json:
        session.terminal.warn("`[trust] keys` of config.toml lists it, so it is trusted still")
    if done["narrowed"] and not session.terminal.as_json:
        session.terminal.warn(f"lost what the key granted: {text(done['narrowed'])}")


@verb
def revoke(
    session: Session,
    key: Annotated[str, KEY_OR_FINGERPRINT],
    reason: Annotated[
        str, typer.Option("--reason", help="The reason, for the record.")
    ] = "compromised",
) -> None:
    """Refuse everything that a key signed; asks for confirmation.

    A component that runs on its signature ends at once. Messages for it wait for
    a version by another key: `airswasm trust transfer`, then `airswasm update`.

    \b
    Example:
      airswasm trust revoke stolen.pub --reason "laptop stolen"
      airswasm trust revoke f82513320b3ca375
    """
    from ..._control.document import text

    fingerprint = fingerprint_of(key)
    found = read_trust(session)
    left, before = keys_without(found, fingerprint), keys_without(found)
    warn_of_few(session, found, {name: keys for name, keys in left.items() if keys != before[name]})
    signed = _signed_by(session, fingerprint)
    if signed and not session.terminal.as_json:
        more = f" and {len(signed) - _SHOWN} more" if len(signed) > _SHOWN else ""
        names = ", ".join(signed[:_SHOWN])
        session.terminal.say(f"the versions of {names}{more} that it signed end at once")
    confirm(session, f"Revoke the key {fingerprint} for good?", "revoking a key")
    done = ask(session, "revoke", lambda host: host.trust_revoke(fingerprint, reason))
    ended = done["quarantined"]
    tell(session, f"{done['fingerprint']} is revoked", {"act": "revoke", **done})
    if ended and not session.terminal.as_json:
        session.terminal.warn(f"quarantined: {text(ended)}")


def _signed_by(session: Session, fingerprint: str) -> list[str]:
    """Return the components whose active version a key has signed."""
    from ..._control.document import text

    digits = fingerprint.strip().lower()
    listed = ask(session, "list", lambda host: host.list(), is_read=True)
    return sorted(
        text(each["name"])
        for each in listed
        if digits and text(each.get("signer"), absent="").startswith(digits)
    )
