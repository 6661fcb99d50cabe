"""Replace a key by a statement that both keys sign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..._session.session import Session, verb
from ._asking import NAME, ask, tell

__all__ = ("rotate", "statement")


@verb
def statement(
    session: Session,
    name: Annotated[str, NAME],
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

    from ..._hosts.opening import full_name
    from .._times import moment, when

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
    tell(session, text, shown)
    if others and not session.terminal.as_json:
        waits = ", ".join(each.fingerprint[:16] for each in others)
        session.terminal.say(f"it waits for {waits}: airswasm sign {output} --key THEIRS")


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
    pin = ask(session, "rotate", lambda host: host.trust_rotate(content))
    rotation = verify_rotation(content)
    role = "its owner" if rotation.new.fingerprint == pin["fingerprint"] else "its co-signer"
    tell(
        session,
        f"for {pin['name']}, the key {rotation.new.fingerprint} replaces "
        f"{rotation.old.fingerprint[:16]} as {role}",
        {"act": "rotate", **pin},
    )
