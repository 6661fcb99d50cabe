"""Make a home from a backup, or check one.

The backup is unpacked beside the home, compared with the digests that it carries, read through, and
opened as a host would. Only then does it take the home's place, by a rename. An interruption leaves
the home as it was, and a folder that the next restore removes.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import anyio
import anyio.to_thread
from airswasm.runtime.files import exchange, sync_folder
from airswasm.storage import StorageSettings, open_store, read_store
from airswasm.wit import Blocks

from ._home.artifacts import ArtifactStore
from ._home.configuration import Configuration
from ._home.earlier import read_rows
from ._home.home import Home, lock_stopped
from ._home.steps import in_thread
from ._keeping.archive import BackupSummary, read_archive
from ._registry.registry import REGISTRY_NAMESPACE, Registry
from ._registry.tables import StoredTable
from ._system import System
from .errors import BackupInvalid, HomeNotEmpty, HomeUnusable, HostIsRunning, RestoreIsRunning

__all__ = ("check_backup", "put_back_registry", "restore_home")

Progress = Callable[[int], None]
"""Told how many bytes were read so far."""


async def check_backup(
    source: BinaryIO, name: str, *, progress: Progress = lambda _: None
) -> BackupSummary:
    """Read a backup to its end, and compare every file in it with its digest.

    Args:
        source: Its bytes, from a file or a pipe.
        name: Its name, for messages.
        progress: Told how far it is.

    Raises:
        BackupInvalid: It is cut short, altered, or no backup.
        OSError: It cannot be read.
    """
    return await _read(source, name, None, progress)


async def restore_home(
    source: BinaryIO,
    name: str,
    folder: Path,
    *,
    replace: bool = False,
    progress: Progress = lambda _: None,
) -> tuple[BackupSummary, Path | None]:
    """Make a home from a backup; the old one is there until the new one is proven.

    Args:
        source: The bytes of the backup, from a file or a pipe.
        name: Its name, for messages.
        folder: The home's folder.
        replace: Whether a home that is there may be set aside.
        progress: Told how far it is.

    Returns:
        The content of the backup, and the folder in which the old home is kept, if there was one.

    Raises:
        BackupInvalid: It is cut short, altered, or no backup; nothing changed.
        HomeNotEmpty: There is a home, and it may not be replaced.
        StopNeeded: A host uses it.
        RestoreIsRunning: Another restore of it is at work.
        HomeUnusable: The folder cannot be written.
        LifecycleError, StorageError: What was restored cannot be opened; nothing changed.
    """
    folder = await anyio.to_thread.run_sync(folder.absolute)
    with ExitStack() as locks:
        is_empty = _is_empty(folder)
        if not is_empty:
            if not replace:
                raise HomeNotEmpty(str(folder))
            locks.callback(lock_stopped(Home(folder), "restore").release)
        try:
            async with _staging(folder) as staging:
                summary = await _read(source, name, staging, progress)
                await _prove(staging, name, summary)
                return summary, _take_place(staging, folder, is_empty=is_empty)
        except OSError as error:
            reason = f"cannot be restored: {error.strerror or error}"
            raise HomeUnusable(str(folder), reason) from error


async def put_back_registry(folder: Path, file: Path) -> tuple[str, ...]:
    """Write the records of a file in the home's folder `earlier` into its registry again.

    For a home that an earlier version of airswasm is to open, which wrote that file's format. What
    was installed since is not in it, and is left out of the registry.

    Args:
        folder: The home's folder.
        file: The file.

    Returns:
        The names that are in the registry no longer.

    Raises:
        HomeUnusable: The file cannot be read.
        StopNeeded: A host uses the home.
        StorageError: The store refuses; nothing changed.
    """
    try:
        rows = read_rows(await anyio.Path(file).read_bytes())
    except (OSError, ValueError) as error:
        raise HomeUnusable(str(file), f"cannot be read: {error}") from error
    with ExitStack() as locks:
        locks.callback(lock_stopped(Home(folder), "put back").release)
        settings = Configuration.load(Home(folder).config_file, Blocks.find(), os.environ)
        engine = settings.get(StorageSettings).engine
        async with open_store(Home(folder).store_folder, engine) as store:
            table = StoredTable(store)
            known = await table.read_all()
            await table.write({**dict.fromkeys(known), **rows}, {})
    return tuple(sorted(known.keys() - rows.keys()))


@asynccontextmanager
async def _staging(folder: Path) -> AsyncGenerator[Path]:
    """Make an empty home beside a folder, for one restore at a time; remove what is left of it."""
    around = Home(folder.with_name(f".{folder.name}.restoring"))
    around.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        lock = around.lock()
    except HostIsRunning as error:
        raise RestoreIsRunning(str(folder), error.pid) from None
    staging = around.folder / "home"

    def remove() -> None:
        if staging.exists():  # an interrupted restore left it
            shutil.rmtree(staging)

    try:
        await anyio.to_thread.run_sync(remove)
        Home(staging).create()
        yield staging
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: shutil.rmtree(around.folder, ignore_errors=True))
        lock.release()


async def _read(
    source: BinaryIO, name: str, folder: Path | None, progress: Progress
) -> BackupSummary:
    summary: BackupSummary | None = None
    async with aclosing(in_thread(read_archive(source, name, folder))) as items:
        async for read, found in items:
            progress(read)
            summary = found
    if summary is None:
        raise BackupInvalid(name, "it is empty")
    return summary


async def _prove(staging: Path, name: str, summary: BackupSummary) -> None:
    """Read all stored data, look for every file that it names, and open the home as a host does."""
    home = Home(staging)
    if summary.engine:
        store = open_store(home.store_folder, summary.engine, read_only=True)
        async with store:
            await store.verify()
        await anyio.to_thread.run_sync(_check_artifacts, home, name, summary.engine)
    async with System(home, mode="offline") as system:
        made = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(summary.created_at))
        system.note(f"restored from the backup of {made}")


def _check_artifacts(home: Home, name: str, engine: str) -> None:
    with read_store(home.store_folder, engine) as store:
        registry = Registry.of(dict(store.entries(REGISTRY_NAMESPACE)))
    artifacts = ArtifactStore(home.artifacts_folder)
    missing = [digest for digest in registry.digests() if not artifacts.has(digest)]
    if missing:
        raise BackupInvalid(name, f"it lacks the artifact {missing[0]}")


def _take_place(staging: Path, folder: Path, *, is_empty: bool) -> Path | None:
    kept: Path | None = None
    if is_empty:
        if folder.exists():
            folder.rmdir()
        staging.rename(folder)
    else:
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        kept = folder.with_name(f"{folder.name}.before-restore-{now}")
        staging.rename(kept)
        exchange(kept, folder)
    sync_folder(folder.parent)
    return kept


def _is_empty(folder: Path) -> bool:
    return not folder.exists() or not any(folder.iterdir())
