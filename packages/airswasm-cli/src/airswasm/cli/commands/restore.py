"""`airswasm restore`: make a home from a backup."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._session.session import Session, verb

if TYPE_CHECKING:
    from airswasm.lifecycle import BackupSummary

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def restore(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup; - for standard input.")],
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Set aside the home that is there; asks for confirmation."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Verify the backup, and restore nothing.")
    ] = False,
) -> None:
    """Make a home from a backup; no host may run in it.

    All files are compared with their digests, all stored data is read, and the
    home is opened once before it takes its place. With --replace the old home
    stays beside the new one.

    \b
    Example:
      airswasm restore monday.backup --home /srv/airswasm
      airswasm restore monday.backup --replace
      zstd -d < monday.backup.zst | airswasm restore - --dry-run
    """
    import anyio
    from airswasm.lifecycle import check_backup, restore_home

    from ..errors import ConfirmationRefused
    from ._streams import opened_input
    from ._times import counted, size, when

    terminal = session.terminal
    if replace and not dry_run and not terminal.confirm(f"Replace the home {session.home}?"):
        raise ConfirmationRefused(f"restoring {file}")

    async def work() -> tuple[BackupSummary, Path | None]:
        with opened_input(file) as source, terminal.progress(f"reading {file}") as line:

            def tell(read: int) -> None:
                line.update(f"reading {file}: {size(read)}")

            if dry_run:
                return await check_backup(source, str(file), progress=tell), None
            return await restore_home(
                source, str(file), session.home, replace=replace, progress=tell
            )

    summary, kept = anyio.run(work)
    if terminal.as_json:
        content = {
            "home": str(session.home),
            "kept": None if kept is None else str(kept),
            "files": summary.files,
            "size_bytes": summary.size_bytes,
            "created_at": summary.created_at,
            "engine": summary.engine,
            "components": list(summary.components),
            "dry_run": dry_run,
        }
        terminal.document("restore/1", content)
        return
    components = counted(len(summary.components), "component")
    of = f"{components} of {when(summary.created_at)}, {size(summary.size_bytes)}"
    terminal.done(f"{file} is whole: {of}" if dry_run else f"restored {session.home}: {of}")
    if kept is not None:
        terminal.say(f"the old home is kept in {kept}")
