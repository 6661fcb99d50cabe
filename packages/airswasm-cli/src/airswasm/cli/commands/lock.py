"""`airswasm lock`: note the exact packages that a list of components names today."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._session.session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def lock(
    session: Session,
    file: Annotated[
        Path, typer.Option("--file", metavar="FILE", help="The list of components.")
    ] = Path("components.toml"),
) -> None:
    """Write the lock of a list of components.

    Fetches each component of the list, verifies it, and writes components.lock
    beside the list: its source, pin, digest and signer. Installs nothing. From then
    on, `airswasm install --file` takes exactly these packages.

    \b
    Example:
      airswasm lock
      airswasm lock --file edge.toml
    """
    from dataclasses import asdict

    import anyio

    from ._components import lock_listed

    locked = anyio.run(lock_listed, session, file)
    if session.terminal.as_json:
        content = {name: asdict(each) for name, each in sorted(locked.items())}
        session.terminal.document("lock/1", {"components": content})
        return
    for name, each in sorted(locked.items()):
        session.terminal.say(f"  {name}  {each.pin or each.digest[:16]}")
    session.terminal.done(f"locked {len(locked)} of {file}: {file.with_suffix('.lock')}")
