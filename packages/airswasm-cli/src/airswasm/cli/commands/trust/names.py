"""Pin names to keys, and say how many must sign them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..._session.session import Session, verb
from .._pinned_keys import keys_without, warn_of_few
from ._asking import KEY, LABEL, NAME, about, ask, confirm, fingerprint_of, read_trust, tell

__all__ = ("add", "remove", "threshold", "transfer")


@verb
def add(
    session: Session,
    name: Annotated[str, NAME],
    key: Annotated[Path, KEY],
    label: Annotated[str, LABEL] = "",
    cosigner: Annotated[
        bool, typer.Option("--cosigner", help="Pin it beside the owner's key.")
    ] = False,
) -> None:
    """Pin a component to a publisher's key before the install.

    After that, only packages signed by this key can be installed under the name.
    With --cosigner, the key counts beside the owner's where more than one must sign:
    see `airswasm trust threshold`.

    \b
    Example:
      airswasm trust add shop/orders orders.pub --label "shop team"
      airswasm trust add shop/orders reviewer.pub --cosigner
    """
    from airswasm.security import load_public_key

    from ..._hosts.opening import full_name

    full, text = full_name(name), str(load_public_key(key))
    if cosigner:
        pin = ask(session, "add", lambda host: host.trust_add_cosigner(full, text))
        tell(session, f"{full}: {about(pin)}", {"act": "add-cosigner", **pin})
        return
    pin = ask(session, "add", lambda host: host.trust_add(full, text, label))
    tell(session, f"{full} is pinned to {pin['fingerprint']}", {"act": "add", **pin})


@verb
def remove(
    session: Session,
    name: Annotated[str, NAME],
    cosigner: Annotated[
        str,
        typer.Option("--cosigner", metavar="KEY", help="Forget only this co-signer's key."),
    ] = "",
) -> None:
    """Forget which key a component is pinned to; asks first.

    The next install or update of the name asks for approval again. An installed
    version keeps running, and its owner stays the only one who may update it. How
    many keys must sign stays, too.

    \b
    Example:
      airswasm trust remove shop/orders --yes
      airswasm trust remove shop/orders --cosigner reviewer.pub
    """
    from ..._hosts.opening import full_name

    full = full_name(name)
    if cosigner:
        fingerprint = fingerprint_of(cosigner)
        found = read_trust(session)
        keys = keys_without(found, fingerprint)
        if warn_of_few(session, found, {full: keys[full]} if full in keys else {}):
            question = f"Remove the co-signer {fingerprint[:16]} of {full}?"
            confirm(session, question, f"removing a co-signer of {full}")
        pin = ask(session, "remove", lambda host: host.trust_remove_cosigner(full, fingerprint))
        tell(session, f"{full}: {about(pin)}", {"act": "remove-cosigner", **pin})
        return
    confirm(session, f"Forget the key of {full}?", f"removing the key of {full}")
    was_pinned = ask(session, "remove", lambda host: host.trust_remove(full))
    text = f"{full} {'is' if was_pinned else 'was'} pinned to no key"
    tell(session, text, {"act": "remove", "name": full, "was_pinned": was_pinned})


@verb
def threshold(
    session: Session,
    name: Annotated[str, NAME],
    keys: Annotated[
        int, typer.Argument(metavar="NUMBER", min=1, max=8, help="How many keys must sign.")
    ],
) -> None:
    """Set how many pinned keys must sign a component.

    Asks before it lowers it. The owner's key and co-signers' must then sign each package and
    each rotation statement. What is installed goes on. `[trust] threshold` in config.toml
    is the least for every name.

    \b
    Example:
      airswasm trust threshold shop/orders 2
    """
    from ..._control.document import items, number
    from ..._hosts.opening import full_name

    full = full_name(name)
    found = read_trust(session)
    names = {str(each["name"]): int(number(each["needed"])) for each in items(found["thresholds"])}
    if keys < names.get(full, 1):
        question = f"Let {keys} instead of {names[full]} keys be enough for {full}?"
        confirm(session, question, f"lowering the threshold of {full}")
    holds = ask(session, "threshold", lambda host: host.trust_threshold(full, keys))
    several = f"signatures of {holds} pinned keys" if holds > 1 else "signature of one pinned key"
    text = f"{full} needs the {several}"
    tell(session, text, {"act": "threshold", "name": full, "needed": holds})
    if session.terminal.as_json:
        return
    if holds > keys:
        session.terminal.warn(
            f"`[trust] threshold` = {holds} in config.toml is the least for every name; "
            f"to lower it: airswasm config set trust.threshold {keys}"
        )
    pinned = keys_without(found).get(full)
    if pinned is not None and len(pinned) < holds:
        hint = f"airswasm trust add {full} KEY --cosigner"
        session.terminal.warn(
            f"{len(pinned)} of them are pinned; until then no update comes in: {hint}"
        )
    elif pinned is None and holds > 1:
        session.terminal.say(
            f"no key is pinned yet; the next install or update needs {holds} signatures, and its "
            "approval pins the keys of all signers"
        )


@verb
def transfer(
    session: Session,
    name: Annotated[str, NAME],
    key: Annotated[Path, KEY],
    label: Annotated[str, LABEL] = "",
) -> None:
    """Give a component to another key; asks first.

    For a new owner, or for one whose key is lost or revoked. Versions that are
    installed go on unless their key was revoked; updates need the new key.

    \b
    Example:
      airswasm trust transfer shop/orders new.pub --label "shop team"
    """
    from airswasm.security import load_public_key

    from ..._hosts.opening import full_name

    full, public = full_name(name), load_public_key(key)
    found = read_trust(session)
    keys = keys_without(found, owner_of=full).get(full)
    if keys is not None:
        warn_of_few(session, found, {full: keys | {public.fingerprint}})
    question = f"Give {full} to the key {public.fingerprint}?"
    confirm(session, question, f"transferring {full}")
    pin = ask(session, "transfer", lambda host: host.trust_transfer(full, str(public), label))
    tell(session, f"{full} belongs to {pin['fingerprint']}", {"act": "transfer", **pin})
