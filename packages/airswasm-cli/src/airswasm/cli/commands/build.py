"""`airswasm build`: from sources to a checked component."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._session.session import Session, verb
from .._session.terminal import Progress

if TYPE_CHECKING:
    from airswasm.sdk import Artifact, BuildProgress

__all__ = ("app", "follow")

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def build(
    session: Session,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The project.")] = Path(),
    timeout: Annotated[
        float, typer.Option("--timeout", help="Seconds that one step may take.", min=1)
    ] = 600.0,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug/--release", help="Keep names and line tables, or build for size and speed."
        ),
    ] = False,
) -> None:
    """Build the component of a project.

    Runs the build of `[build]` in Component.toml, checks the result against the
    contract, and only then puts it in place. For a missing tool, it prints the
    command that installs it. A capability that the component's imports or its
    Python class need and Component.toml does not ask for is a warning, with the
    line to write. -v shows the commands and all compiler output.

    \b
    Example:
      airswasm build
      airswasm build ../hello -v
      airswasm build --debug
    """
    from airswasm.sdk import build_project

    terminal = session.terminal
    with terminal.progress("build") as line:
        artifact = build_project(folder, follow(session, line), timeout=timeout, debug=debug)
    if terminal.as_json:
        terminal.document("build/1", _document(artifact))
        return
    size = _size(artifact.size_bytes)
    terminal.done(
        f"{artifact.name} {artifact.version}: {artifact.path}, {size}, {artifact.seconds:.1f} s"
    )
    for each, to_write in artifact.lines.items():
        terminal.warn(
            f"it needs more of {each.replace(':', '.', 1)} than Component.toml asks for; "
            f"in [capabilities]: {to_write}"
        )
    terminal.say("next: airswasm sign")


def follow(session: Session, line: Progress) -> Callable[[BuildProgress], None]:
    """Return what shows the progress of a build in a line."""
    shown: set[int] = set()

    def progress(now: BuildProgress) -> None:
        if now.number not in shown:
            shown.add(now.number)
            session.terminal.detail(f"[{now.number}/{now.steps}] {now.step}: {now.command}")
        line.update(f"{now.step} ({now.number}/{now.steps}), {now.seconds:.0f} s")

    return progress


def _document(artifact: Artifact) -> dict[str, object]:
    return {
        "name": artifact.name,
        "version": artifact.version,
        "artifact": str(artifact.path),
        "size_bytes": artifact.size_bytes,
        "seconds": round(artifact.seconds, 3),
        "unasked": list(artifact.unasked),
        "lines": list(artifact.lines.values()),
    }


def _size(size_bytes: int) -> str:
    if size_bytes >= 1_000_000:
        return f"{size_bytes / 1_000_000:.1f} MB"
    return f"{size_bytes / 1000:.1f} kB"
