"""`airswasm verify`: check the signer and the integrity of a package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._session.session import Session, verb

if TYPE_CHECKING:
    from airswasm.lifecycle import Package

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def verify(
    session: Session,
    package: Annotated[
        Path, typer.Argument(metavar="PACKAGE", help="A folder or a .airswasm file.")
    ] = Path(),
) -> None:
    """Check a package's signature and contents.

    Verifies the signature over every byte first, then the manifest, then the
    component against the contract. Exits with code 3 if a check fails. Shows the
    signer; whether to trust that key is your decision at install.

    \b
    Example:
      airswasm verify .
      airswasm verify hello-0.1.0.airswasm --json
    """
    from airswasm.lifecycle import Package, check_artifact
    from airswasm.security import Kinds
    from airswasm.wit import Blocks

    terminal = session.terminal
    blocks = Blocks.find()
    found = Package.read(package, kinds=Kinds(blocks.capabilities.values()))
    contract = blocks.contract
    offered = {*blocks.interfaces, *contract.host_interfaces}
    report = check_artifact(found.wasm, offered=offered, against=contract)
    report.raise_for_problems()
    if terminal.as_json:
        content = {
            "name": found.name,
            "version": found.version,
            "sequence": found.sequence,
            "signer": _fingerprint(found),
            "cosigners": [each.fingerprint for each in found.cosigners],
            "files": {name: len(content) for name, content in sorted(found.files.items())},
            "capabilities": {
                name: list(patterns) for name, patterns in found.manifest.capabilities.items()
            },
        }
        terminal.document("verify/1", content)
        return
    terminal.done(f"{found.name} {found.version}: signature, manifest and contract hold")
    terminal.say(f"  sequence  {found.sequence}")
    terminal.say(f"  signer    {_fingerprint(found)}")
    for each in found.cosigners:
        terminal.say(f"  and by    {each.fingerprint}")
    terminal.say(f"  files     {', '.join(sorted(found.files))}")


def _fingerprint(package: Package) -> str | None:
    return package.signer.fingerprint if package.signer else None
