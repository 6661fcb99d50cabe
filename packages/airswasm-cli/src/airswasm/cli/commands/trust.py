"""`airswasm trust`: the publishers whose components may be installed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from .._session.session import Session, verb
from ._pinned_keys import keys_without, warn_of_few

if TYPE_CHECKING:
    from .._control.document import Document
    from .._hosts.host import Host

__all__ = ("app",)

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Manage the publishers whose components may be installed.",
)
T = TypeVar("T")

_NAME = typer.Argument(metavar="NAME", help="The component.")
_KEY = typer.Argument(metavar="KEY", help="The publisher's .pub file.")
_KEY_OR_FINGERPRINT = typer.Argument(
    metavar="KEY", help="The publisher's .pub file, or its fingerprint."
)
_LABEL = typer.Option("--label", help="The publisher's name, for people.")


@app.command("list")
@verb
def list_keys(session: Session) -> None:
    """List the keys of approved publishers, and the revoked keys.

    \b
    Example:
      airswasm trust list
    """
    from .._control.document import items, one_line, text
    from ._times import when

    found = _ask(session, "list", lambda host: host.trust(), is_read=True)
    if session.terminal.as_json:
        session.terminal.document("trust/1", found)
        return
    rows = [
        (text(pin["name"]), _short(pin), "owner", when(pin["since"]), _about(pin))
        for pin in items(found["components"])
    ]
    rows += [
        (text(pin["name"]), _short(each), "co-signer", "-", "-")
        for pin in items(found["components"])
        for each in items(pin["cosigners"])
    ]
    rows += [
        (text(pin["name"]), _short(former), "former owner", when(former["until"]), "-")
        for pin in items(found["components"])
        for former in items(pin["former"])
    ]
    rows += [
        ("*", _short(each), "revoked", when(each["since"]), one_line(each["reason"]))
        for each in items(found["revoked"])
    ]
    rows += [
        ("*", _short(each), "trusted", when(each["since"] or None), one_line(each["label"]) or "-")
        for each in items(found["keys"])
    ]
    if not rows:
        session.terminal.say("no component is pinned to a key yet")
        return
    session.terminal.table(("component", "key", "state", "since", "about"), sorted(rows))


@app.command("add")
@verb
def add(
    session: Session,
    name: Annotated[str, _NAME],
    key: Annotated[Path, _KEY],
    label: Annotated[str, _LABEL] = "",
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

    from .._hosts.opening import full_name

    full, text = full_name(name), str(load_public_key(key))
    if cosigner:
        pin = _ask(session, "add", lambda host: host.trust_add_cosigner(full, text))
        _tell(session, f"{full}: {_about(pin)}", {"act": "add-cosigner", **pin})
        return
    pin = _ask(session, "add", lambda host: host.trust_add(full, text, label))
    _tell(session, f"{full} is pinned to {pin['fingerprint']}", {"act": "add", **pin})


@app.command("remove")
@verb
def remove(
    session: Session,
    name: Annotated[str, _NAME],
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
    from .._hosts.opening import full_name

    full = full_name(name)
    if cosigner:
        fingerprint = _fingerprint(cosigner)
        found = _trust(session)
        keys = keys_without(found, fingerprint)
        if warn_of_few(session, found, {full: keys[full]} if full in keys else {}):
            question = f"Remove the co-signer {fingerprint[:16]} of {full}?"
            _confirm(session, question, f"removing a co-signer of {full}")
        pin = _ask(session, "remove", lambda host: host.trust_remove_cosigner(full, fingerprint))
        _tell(session, f"{full}: {_about(pin)}", {"act": "remove-cosigner", **pin})
        return
    _confirm(session, f"Forget the key of {full}?", f"removing the key of {full}")
    was_pinned = _ask(session, "remove", lambda host: host.trust_remove(full))
    text = f"{full} {'is' if was_pinned else 'was'} pinned to no key"
    _tell(session, text, {"act": "remove", "name": full, "was_pinned": was_pinned})


@app.command("threshold")
@verb
def threshold(
    session: Session,
    name: Annotated[str, _NAME],
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
    from .._control.document import items, number
    from .._hosts.opening import full_name

    full = full_name(name)
    found = _trust(session)
    names = {str(each["name"]): int(number(each["needed"])) for each in items(found["thresholds"])}
    if keys < names.get(full, 1):
        question = f"Let {keys} instead of {names[full]} keys be enough for {full}?"
        _confirm(session, question, f"lowering the threshold of {full}")
    holds = _ask(session, "threshold", lambda host: host.trust_threshold(full, keys))
    several = f"signatures of {holds} pinned keys" if holds > 1 else "signature of one pinned key"
    text = f"{full} needs the {several}"
    _tell(session, text, {"act": "threshold", "name": full, "needed": holds})
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


@app.command("allow")
@verb
def allow(
    session: Session,
    key: Annotated[str, _KEY_OR_FINGERPRINT],
    label: Annotated[str, _LABEL] = "",
) -> None:
    """Grant what the packages of a key ask for, without a question.

    Whatever the name; but a name that another key owns stays that key's, and the
    host's policy, denials and the forbidden list hold. Asks first.

    \b
    Example:
      airswasm trust allow ours.pub --label "our team"
    """
    fingerprint = _fingerprint(key)
    _confirm(session, f"Grant all that {fingerprint} asks for, from now on?", "trusting a key")
    done = _ask(session, "allow", lambda host: host.trust_allow(fingerprint, label))
    text = f"{done['fingerprint']} is trusted: its packages get what they ask for"
    _tell(session, text, {"act": "allow", **done})


@app.command("disallow")
@verb
def disallow(session: Session, key: Annotated[str, _KEY_OR_FINGERPRINT]) -> None:
    """Trust a key no longer; what was granted for it ends at once.

    Its components go on with what operators granted.

    \b
    Example:
      airswasm trust disallow ours.pub
    """
    from .._control.document import items, text

    fingerprint = _fingerprint(key)
    done = _ask(session, "disallow", lambda host: host.trust_disallow(fingerprint))
    left = _ask(session, "list", lambda host: host.trust(), is_read=True)["keys"]
    is_listed = any(each["fingerprint"] == done["fingerprint"] for each in items(left))
    outcome = "is off the list of this home" if is_listed else "is trusted no longer"
    _tell(session, f"{done['fingerprint']} {outcome}", {"act": "disallow", **done})
    if is_listed and not session.terminal.as_json:
        session.terminal.warn("`[trust] keys` of config.toml lists it, so it is trusted still")
    if done["narrowed"] and not session.terminal.as_json:
        session.terminal.warn(f"lost what the key granted: {text(done['narrowed'])}")


@app.command("transfer")
@verb
def transfer(
    session: Session,
    name: Annotated[str, _NAME],
    key: Annotated[Path, _KEY],
    label: Annotated[str, _LABEL] = "",
) -> None:
    """Give a component to another key; asks first.

    For a new owner, or for one whose key is lost or revoked. Versions that are
    installed go on unless their key was revoked; updates need the new key.

    \b
    Example:
      airswasm trust transfer shop/orders new.pub --label "shop team"
    """
    from airswasm.security import load_public_key

    from .._hosts.opening import full_name

    full, public = full_name(name), load_public_key(key)
    found = _trust(session)
    keys = keys_without(found, owner_of=full).get(full)
    if keys is not None:
        warn_of_few(session, found, {full: keys | {public.fingerprint}})
    question = f"Give {full} to the key {public.fingerprint}?"
    _confirm(session, question, f"transferring {full}")
    pin = _ask(session, "transfer", lambda host: host.trust_transfer(full, str(public), label))
    _tell(session, f"{full} belongs to {pin['fingerprint']}", {"act": "transfer", **pin})


@app.command("statement")
@verb
def statement(
    session: Session,
    name: Annotated[str, _NAME],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The new private key.")],
    key: Annotated[
        Path | None,
        typer.Option("--key", "-k", metavar="FILE", help="The private key until now."),
    ] = None,
    sequence: Annotated[
        int | None,
        typer.Option(
            "--sequence", min=1, help="Above that of the last release; by default the time."
        ),
    ] = None,
    expires: Annotated[
        str, typer.Option("--expires", metavar="TIME", help="Its end: 30d, 2026-12-01.")
    ] = "30d",
    cosigner: Annotated[
        list[Path] | None,
        typer.Option(
            "--cosigner", metavar="KEY", help="A .pub file whose holder signs too; repeatable."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")
    ] = Path("rotation.sig"),
) -> None:
    """Write a rotation statement for the hosts of your component.

    Both keys sign it. Send it to the operators, who run `airswasm trust rotate`
    before its end. Sign later releases with the new key. Where several keys must
    sign your component, name the others with --cosigner; each holder runs
    `airswasm sign rotation.sig`.

    \b
    Example:
      airswasm trust statement shop/orders new.pem --key old.pem
      airswasm trust statement shop/orders new.pem --expires 7d --cosigner reviewer.pub
    """
    import time

    from airswasm.security import load_private_key, load_public_key, sign_rotation

    from .._hosts.opening import full_name
    from ._times import moment, when

    old = load_private_key(key or session.settings.key)
    successor = load_private_key(new)
    number = int(time.time()) if sequence is None else sequence
    full = full_name(name)
    end = moment(expires)
    if end <= time.time():
        raise typer.BadParameter(f"{expires} is over", param_hint="--expires")
    others = [load_public_key(each) for each in cosigner or ()]
    content = sign_rotation(full, old, successor, number, expires=end, cosigners=others)
    with output.open("xb") as file:
        file.write(content)
    shown = {
        "act": "statement",
        "name": full,
        "from": old.public.fingerprint,
        "to": successor.public.fingerprint,
        "sequence": number,
        "expires": int(end),
        "missing": [each.fingerprint for each in others],
        "file": str(output),
    }
    text = (
        f"{output}: for {full}, the key {successor.public.fingerprint} replaces "
        f"{old.public.fingerprint[:16]}; hosts accept it until {when(end)}"
    )
    _tell(session, text, shown)
    if others and not session.terminal.as_json:
        waits = ", ".join(each.fingerprint[:16] for each in others)
        session.terminal.say(f"it waits for {waits}: airswasm sign {output} --key THEIRS")


@app.command("rotate")
@verb
def rotate(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The rotation statement.")],
) -> None:
    """Accept a rotation statement, which both keys signed.

    Versions that the old key signed keep running, and can be rolled back to.

    \b
    Example:
      airswasm trust rotate rotation.sig
    """
    from airswasm.security import verify_rotation

    content = file.read_bytes()
    pin = _ask(session, "rotate", lambda host: host.trust_rotate(content))
    rotation = verify_rotation(content)
    role = "its owner" if rotation.new.fingerprint == pin["fingerprint"] else "its co-signer"
    _tell(
        session,
        f"for {pin['name']}, the key {rotation.new.fingerprint} replaces "
        f"{rotation.old.fingerprint[:16]} as {role}",
        {"act": "rotate", **pin},
    )


@app.command("revoke")
@verb
def revoke(
    session: Session,
    key: Annotated[str, _KEY_OR_FINGERPRINT],
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
    from .._control.document import text

    fingerprint = _fingerprint(key)
    found = _trust(session)
    left, before = keys_without(found, fingerprint), keys_without(found)
    warn_of_few(session, found, {name: keys for name, keys in left.items() if keys != before[name]})
    _confirm(session, f"Revoke the key {fingerprint} for good?", "revoking a key")
    done = _ask(session, "revoke", lambda host: host.trust_revoke(fingerprint, reason))
    ended = done["quarantined"]
    _tell(session, f"{done['fingerprint']} is revoked", {"act": "revoke", **done})
    if ended and not session.terminal.as_json:
        session.terminal.warn(f"quarantined: {text(ended)}")


def _trust(session: Session) -> Document:
    return _ask(session, "list", lambda host: host.trust(), is_read=True)


def _ask(
    session: Session,
    act: str,
    question: Callable[[Host], Coroutine[object, object, T]],
    *,
    is_read: bool = False,
) -> T:
    """Ask the running host, or the home on the disk."""
    import anyio

    from .._hosts.opening import open_host

    async def work() -> T:
        need = "read" if is_read else "change"
        async with open_host(session, f"trust {act}", need) as host:  # type: ignore[arg-type]
            return await question(host)

    return anyio.run(work)


def _fingerprint(key: str) -> str:
    """Return the fingerprint of a file's key, or the one that was typed."""
    from airswasm.security import load_public_key

    is_file = Path(key).is_file() or "/" in key or key.endswith(".pub")
    return load_public_key(Path(key)).fingerprint if is_file else key


def _confirm(session: Session, question: str, act: str) -> None:
    from ..errors import ConfirmationRefused

    if not session.terminal.confirm(question):
        raise ConfirmationRefused(act)


def _tell(session: Session, text: str, content: Mapping[str, object]) -> None:
    if session.terminal.as_json:
        session.terminal.document("trust-change/1", content)
    else:
        session.terminal.done(text)


def _about(pin: Mapping[str, object]) -> str:
    """Return how many of a name's keys must sign, and its label."""
    from .._control.document import items, number, one_line

    needed, pinned = int(number(pin["needed"])), 1 + len(items(pin["cosigners"]))
    must = f"{needed} of {pinned} must sign" if needed > 1 or pinned > 1 else ""
    return "; ".join(filter(None, (must, one_line(pin["label"])))) or "-"


def _short(entry: Mapping[str, object]) -> str:
    return str(entry["fingerprint"])[:16]
