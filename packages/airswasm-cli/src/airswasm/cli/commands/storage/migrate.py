"""`airswasm storage migrate`: move a home to another storage engine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ..._session.session import Session, verb

__all__ = ("migrate",)


@verb
def migrate(
    session: Session,
    to: Annotated[str, typer.Option("--to", metavar="ENGINE", help="The engine to move to.")] = "",
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Remove the old store that a move kept; asks first.")
    ] = False,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Remove the copy of an unfinished move.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be moved, and change nothing.")
    ] = False,
) -> None:
    """Move the whole store to another engine; no host may run.

    The copy is compared with the store, record by record, before it takes its
    place. An interrupted move goes on when you run it again. The old store stays
    beside the new one until --confirm.

    \b
    Example:
      airswasm storage migrate --to sqlite
      airswasm storage migrate --confirm
    """
    if bool(to) + confirm + abandon != 1:
        raise typer.BadParameter("name one of --to ENGINE, --confirm and --abandon")
    if to:
        _move(session, to, dry_run=dry_run)
    else:
        _remove(session, is_confirmed=confirm, dry_run=dry_run)


def _move(session: Session, engine: str, *, dry_run: bool) -> None:
    import anyio
    from airswasm.lifecycle import Migration, migrate_home
    from airswasm.storage import Copied

    from .._times import amount, size

    terminal = session.terminal

    async def work() -> Migration:
        with terminal.progress(f"moving the store to {engine}") as line:

            def tell(copied: Copied) -> None:
                doing = "comparing" if copied.is_verifying else "copying"
                done = f"{amount(copied.records)} records, {size(copied.size_bytes)}"
                line.update(f"{doing}: {done}")

            return await migrate_home(session.home, engine, dry_run=dry_run, progress=tell)

    moved = anyio.run(work)
    if terminal.as_json:
        terminal.document("migration/1", {**asdict(moved), "dry_run": dry_run})
        return
    if dry_run:
        terminal.done(f"would move the store from {moved.previous} to {engine}")
        return
    if moved.records:
        terminal.done(
            f"moved {amount(moved.records)} records from {moved.previous} to {engine}, and "
            "compared each"
        )
    else:
        terminal.done(f"the engine of this home is {engine}")
    if moved.kept is not None:
        terminal.say(f"the old store is kept in {moved.kept}")
        terminal.say("airswasm storage migrate --confirm removes it")


def _remove(session: Session, *, is_confirmed: bool, dry_run: bool) -> None:
    import anyio
    from airswasm.lifecycle import abandon_migration, confirm_migration

    from ...errors import ConfirmationRefused

    terminal = session.terminal
    remove = confirm_migration if is_confirmed else abandon_migration
    what = "the stores that were kept" if is_confirmed else "the copies of unfinished moves"
    if not dry_run and not terminal.assume_yes:
        anyio.run(lambda: remove(session.home, dry_run=True))  # refuses where it would not do it
    if not dry_run and not terminal.confirm(f"Remove {what}?"):
        raise ConfirmationRefused(f"removing {what}")
    with terminal.progress(f"removing {what}"):
        folders = anyio.run(lambda: remove(session.home, dry_run=dry_run))
    if terminal.as_json:
        content = {"removed": [str(each) for each in folders], "dry_run": dry_run}
        terminal.document("migration-removed/1", content)
        return
    for each in folders:
        terminal.done(f"{'would remove' if dry_run else 'removed'} {each}")
    if not folders:
        terminal.say("there is nothing to remove")
