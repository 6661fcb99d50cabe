"""Move a home's store to another engine.

The copy is made beside the store, which is only read, and compared with it record by record. Then
three small steps make it the home's: two renames and the setting. An interruption anywhere is
repaired by the same call. The old store stays until `confirm_migration` removes it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import anyio
import anyio.to_thread
from airswasm.runtime.files import sync_folder
from airswasm.storage import Copied, EngineUnknown, copy_store, engine_of, installed_engines

from ._changes.editing import edit_configuration
from ._home.home import OLD_STORE, Home, lock_stopped
from ._system import System
from .errors import HomeUnusable, StoreMissing

__all__ = ("Migration", "abandon_migration", "confirm_migration", "migrate_home")

Progress = Callable[[Copied], None]
_COPY = "store.migrating-to-"


@dataclass(frozen=True, slots=True)
class Migration:
    """The result of a move.

    Attributes:
        engine: The engine of the home.
        previous: The engine before; the same if there was nothing to move.
        records: The records of the store, all of them compared.
        size_bytes: The bytes of their keys and values.
        written: The records that this call wrote; the others were there from an interrupted one.
        kept: The folder of the old store; None if there is none.
    """

    engine: str
    previous: str
    records: int
    size_bytes: int
    written: int
    kept: str | None


async def migrate_home(
    folder: Path, engine: str, *, dry_run: bool = False, progress: Progress = lambda _: None
) -> Migration:
    """Move a home, in which no host runs, to another storage engine.

    Call it again after an interruption: it goes on. A cancel leaves the home with its old engine.

    Args:
        folder: The home.
        engine: The engine to move to.
        dry_run: Say what would be moved, and change nothing.
        progress: Told how far the copy is.

    Raises:
        EngineUnknown, EngineUnusable: There is no such engine.
        StopNeeded: A host uses the home.
        StoreMissing: The home has no store.
        StorageError: The store is damaged, or the disk refuses; the home is as it was.
    """
    if engine not in installed_engines():
        raise EngineUnknown(engine, installed_engines())
    home = Home(folder)
    if not home.store_folder.exists() and not _kept(home):
        raise StoreMissing(str(home.store_folder))
    lock = lock_stopped(home, "a move to another engine")
    try:
        copied, previous = await _move(home, engine, dry_run=dry_run, progress=progress)
    except OSError as error:
        reason = f"cannot be moved: {error.strerror or error}"
        raise HomeUnusable(str(home.store_folder), reason) from error
    finally:
        lock.release()
    if not dry_run:
        await _open_once(home, previous, engine)
    kept = _kept(home)
    return Migration(
        engine, previous, copied.records, copied.size_bytes, copied.written,
        str(kept[0]) if kept else None,
    )  # fmt: skip


async def confirm_migration(folder: Path, *, dry_run: bool = False) -> tuple[Path, ...]:
    """Remove the stores that moves of this home kept; return their folders.

    Raises:
        StopNeeded: A host uses the home.
        StoreMissing: The home has no store of its own: a move is not finished.
        HomeUnusable: A folder cannot be removed.
    """
    home = Home(folder)
    if engine_of(home.store_folder) is None:
        raise StoreMissing(str(home.store_folder))
    return _kept(home) if dry_run else await _remove(home, _kept(home))


async def abandon_migration(folder: Path, *, dry_run: bool = False) -> tuple[Path, ...]:
    """Remove the unfinished copies of moves; the home keeps its engine. Return their folders.

    Raises:
        StopNeeded: A host uses the home.
        StoreMissing: The home has no store of its own: the move is to be finished instead.
        HomeUnusable: A folder cannot be removed.
    """
    home = Home(folder)
    if engine_of(home.store_folder) is None:
        raise StoreMissing(str(home.store_folder))
    copies = tuple(home.folder.glob(f"{_COPY}*"))
    return copies if dry_run else await _remove(home, copies)


async def _move(
    home: Home, engine: str, *, dry_run: bool, progress: Progress
) -> tuple[Copied, str]:
    copy = home.folder / f"{_COPY}{quote(engine, safe='')}"
    copied = Copied()
    if not home.store_folder.exists():  # killed between the two renames: the copy was verified
        copy.rename(home.store_folder)
        sync_folder(home.folder)
    previous = engine_of(home.store_folder)
    if previous is None:
        raise StoreMissing(str(home.store_folder))
    if previous == engine:
        kept = _kept(home)
        previous = _engine_in(kept[0]) if kept else engine
    elif dry_run:
        return copied, previous
    else:
        copied = await copy_store(home.store_folder, copy, engine, progress=progress)
        old = _free(home.folder / f"{OLD_STORE}{quote(engine, safe='')}")
        home.store_folder.rename(old)
        copy.rename(home.store_folder)
        sync_folder(home.folder)
    if not dry_run:
        edit_configuration(home.folder, "storage.engine", engine)
    return copied, previous


async def _open_once(home: Home, previous: str, engine: str) -> None:
    """Open the home as a host does, and let the audit log tell of the move."""
    async with System(home, mode="offline") as system:
        if previous != engine:
            system.note(f"the store was moved from {previous} to {engine}")


async def _remove(home: Home, folders: tuple[Path, ...]) -> tuple[Path, ...]:
    lock = lock_stopped(home, "a move to another engine")
    try:
        for each in folders:
            await anyio.to_thread.run_sync(shutil.rmtree, each)
    except OSError as error:
        raise HomeUnusable(str(home.folder), f"cannot be cleaned: {error.strerror}") from error
    finally:
        lock.release()
    return folders


def _kept(home: Home) -> tuple[Path, ...]:
    return tuple(sorted(home.folder.glob(f"{OLD_STORE}*"), key=_age))


def _age(folder: Path) -> float:
    return -folder.stat().st_mtime


def _engine_in(folder: Path) -> str:
    return engine_of(folder) or "?"


def _free(path: Path) -> Path:
    """Return a name that is not taken: an earlier move may not have been confirmed."""
    return next(each for each in _numbered(path) if not each.exists())


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for number in range(2, 1_000):
        yield path.with_name(f"{path.name}-{number}")
