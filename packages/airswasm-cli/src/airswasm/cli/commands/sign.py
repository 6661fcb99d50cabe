"""`airswasm sign`: sign a build."""

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
def sign(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The project.")] = Path(),
    key: Annotated[
        Path | None, typer.Option("--key", "-k", metavar="FILE", help="The private key.")
    ] = None,
    sequence: Annotated[
        int | None,
        typer.Option("--sequence", min=1, help="Must rise with each release; by default the time."),
    ] = None,
) -> None:
    """Sign a built component with your key.

    Writes component.sig: one statement over name, version, sequence and every
    byte of manifest, component and included files. Sign again after each build.

    \b
    Example:
      airswasm sign
      airswasm sign ../hello --key release.pem
    """
    from airswasm.sdk import sign_project
    from airswasm.security import load_private_key

    from ..errors import KeyMissing

    path = key or session.settings.key
    if not path.exists():
        raise KeyMissing(str(path))
    private_key = load_private_key(path)
    package = sign_project(folder, private_key, sequence=sequence)
    terminal = session.terminal
    problems = _problems(package)
    if terminal.as_json:
        content = {
            "name": package.name,
            "version": package.version,
            "sequence": package.sequence,
            "signer": private_key.public.fingerprint,
            "files": sorted(package.files),
            "problems": problems,
        }
        terminal.document("sign/1", content)
        return
    terminal.done(
        f"{package.name} {package.version}, sequence {package.sequence}, "
        f"signed by {private_key.public.fingerprint[:16]}"
    )
    if problems:
        terminal.warn("a host with the blocks that are installed here refuses it:")
        for problem in problems:
            terminal.say(f"  {problem}")
        return
    shown = "." if folder == Path() else str(folder)
    terminal.say(f"next: airswasm install {shown}, or update {shown} when it is installed")


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
