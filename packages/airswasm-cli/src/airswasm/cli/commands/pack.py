"""`airswasm pack`: one file for distribution."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def pack(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The project.")] = Path(),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")
    ] = None,
) -> None:
    """Write a signed project as one .airswasm file.

    The same project gives the same bytes, on every machine.

    \b
    Example:
      airswasm pack
      airswasm pack hello --output hello.airswasm
    """
    from airswasm.sdk import pack_project

    path = pack_project(folder, output)
    if session.terminal.as_json:
        content = {"package": str(path), "size_bytes": path.stat().st_size}
        session.terminal.document("pack/1", content)
        return
    session.terminal.done(f"{path}, {path.stat().st_size / 1000:.1f} kB")
