"""`airswasm sign`: sign a build, or add a signature."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._session.session import Session, verb

if TYPE_CHECKING:
    from airswasm.lifecycle import Package
    from airswasm.security import PrivateKey, PublicKey

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def sign(
    session: Session,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="PACKAGE", help="The project, or what waits for your signature as well."
        ),
    ] = Path(),
    key: Annotated[
        Path | None, typer.Option("--key", "-k", metavar="FILE", help="The private key.")
    ] = None,
    cosigner: Annotated[
        list[Path] | None,
        typer.Option(
            "--cosigner", metavar="KEY", help="A .pub file whose holder signs too; repeatable."
        ),
    ] = None,
    sequence: Annotated[
        int | None,
        typer.Option("--sequence", min=1, help="Must rise with each release; by default the time."),
    ] = None,
) -> None:
    """Sign a built component with your key.

    Writes component.sig: one statement over name, version, sequence and every
    byte of manifest, component and included files. Sign again after each build.

    With --cosigner, the statement names further keys and holds once their holders
    have signed it too: they run `airswasm sign` on the project, on the packed file,
    or on a rotation statement that names them.

    \b
    Example:
      airswasm sign
      airswasm sign ../hello --key release.pem
      airswasm sign --cosigner reviewer.pub
      airswasm sign hello-0.1.0.airswasm --key reviewer.pem
    """
    from airswasm.security import load_private_key, load_public_key

    from ..errors import KeyMissing

    path = key or session.settings.key
    if not path.exists():
        raise KeyMissing(str(path))
    private = load_private_key(path)
    others = [load_public_key(each) for each in cosigner or ()]
    if _is_statement(source):
        _cosign_statement(session, source, private)
        return
    package = _signed(source, private, others, sequence)
    _show(session, source, package, private)


def _signed(
    source: Path, key: PrivateKey, others: Sequence[PublicKey], sequence: int | None
) -> Package:
    """Add a signature where one is awaited from this key; otherwise sign anew."""
    from airswasm.lifecycle import PackageUnsigned
    from airswasm.sdk import cosign_package, sign_project
    from airswasm.security import SecurityError, read_partly_signed

    if not source.is_dir():
        return cosign_package(source, key)
    try:
        partly = read_partly_signed((source / "component.sig").read_bytes())
        is_awaited = key.public in partly.missing
    except (OSError, SecurityError, PackageUnsigned):
        is_awaited = False
    if is_awaited and not others and sequence is None:
        return cosign_package(source, key)
    return sign_project(source, key, sequence=sequence, cosigners=others)


def _show(session: Session, source: Path, package: Package, key: PrivateKey) -> None:
    from airswasm.security import read_partly_signed

    terminal = session.terminal
    problems = _problems(package)
    partly = read_partly_signed(package.signature or b"")
    statement, missing = partly.statement, partly.missing
    if terminal.as_json:
        content = {
            "name": package.name,
            "version": package.version,
            "sequence": statement.sequence,
            "signer": key.public.fingerprint,
            "signers": [each.fingerprint for each in partly.signed],
            "missing": [each.fingerprint for each in missing],
            "files": sorted(package.files),
            "problems": problems,
        }
        terminal.document("sign/1", content)
        return
    terminal.done(
        f"{package.name} {package.version}, sequence {statement.sequence}, "
        f"signed by {key.public.fingerprint[:16]}{_count(len(partly.signed), len(missing))}"
    )
    if problems:
        terminal.warn("a host with the blocks that are installed here refuses it:")
        for problem in problems:
            terminal.say(f"  {problem}")
        return
    shown = "." if source == Path() else str(source)
    if missing:
        terminal.say(f"it waits for {', '.join(each.fingerprint[:16] for each in missing)}")
        terminal.say(f"next: its holder runs airswasm sign {shown} --key THEIRS")
    else:
        terminal.say(f"next: airswasm install {shown}, or update {shown} when it is installed")


def _count(signed: int, missing: int) -> str:
    return f", {signed} of {signed + missing}" if signed + missing > 1 else ""


def _is_statement(source: Path) -> bool:
    """Return whether a file is a signed statement by itself, and no package."""
    if not source.is_file():
        return False
    with source.open("rb") as file:
        return file.read(18).startswith(b"airswasm-signature")


def _cosign_statement(session: Session, source: Path, key: PrivateKey) -> None:
    """Add a signature to a rotation statement, in its place."""
    from airswasm.security import cosign_file

    cosign_file(source, key)
    fingerprint = key.public.fingerprint
    if session.terminal.as_json:
        session.terminal.document("sign-statement/1", {"file": str(source), "signer": fingerprint})
    else:
        session.terminal.done(f"{source}, signed by {fingerprint[:16]} too")


def _problems(package: Package) -> list[str]:
    """Return what hosts refuse; only a warning, because theirs may know other capabilities."""
    from airswasm.lifecycle import ManifestInvalid
    from airswasm.security import Kinds
    from airswasm.wit import Blocks

    try:
        package.check_capabilities(Kinds(Blocks.find().capabilities.values()))
    except ManifestInvalid as error:
        return [str(each) for each in error.problems]
    return []
