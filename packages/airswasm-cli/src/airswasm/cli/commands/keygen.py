"""`airswasm keygen`: create a signing key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def keygen(
    session: Session,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The key's file; by default HOME/keys/default.pem.",
        ),
    ] = None,
) -> None:
    """Make a signing key.

    Writes an Ed25519 private key (PKCS#8 PEM, readable by you alone) and the
    public key beside it (.pub). It never overwrites a key. Keep a copy: without
    the key you cannot update the components that it signed.

    \b
    Example:
      airswasm keygen
      airswasm keygen --output release.pem
    """
    from airswasm.lifecycle import Home
    from airswasm.security import generate_key, save_private_key, save_public_key

    from ..errors import InputUnreadable, KeyExists

    path = output or session.settings.key
    public_path = path.with_name(path.name.removesuffix(".pem") + ".pub")
    for each in (path, public_path):
        if each.exists():
            raise KeyExists(str(each))
    if path.is_relative_to(session.home):  # `parents` would make them readable by others
        Home(session.home).create()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputUnreadable(str(path.parent), error.strerror or str(error)) from error
    key = generate_key()
    save_private_key(key, path)
    save_public_key(key.public, public_path)
    terminal = session.terminal
    if terminal.as_json:
        content = {
            "private_key": str(path),
            "public_key": str(public_path),
            "fingerprint": key.public.fingerprint,
        }
        terminal.document("keygen/1", content)
        return
    terminal.done(f"new key {path}")
    terminal.say(f"  public key   {public_path}")
    terminal.say(f"  fingerprint  {key.public.fingerprint}")
