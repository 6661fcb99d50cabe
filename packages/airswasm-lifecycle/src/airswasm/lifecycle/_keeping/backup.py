"""Write a home as it is at one moment, while its host goes on.

The store is copied by its engine (RocksDB links its files, which takes no time), and every other
file is linked beside that copy. What changes afterwards, or is removed, changes nothing in the
backup. Then the copy is read out at the reader's pace.

The files that the copy's own registry names must all be there: an uninstall between the two steps
is noticed, and the copy is made anew.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing, suppress
from pathlib import Path

import anyio
import anyio.to_thread
from airswasm.storage import Store, engine_of, read_store

from .._home.artifacts import ArtifactStore
from .._home.home import Home
from .._home.steps import in_thread
from .._registry.registry import REGISTRY_NAMESPACE, Registry
from ..errors import HomeUnusable
from .archive import FOLDERS, write_archive

__all__ = ("backup_home", "remove_leftovers")

_PREFIX = "backup.partial-"
_TRIES = 5


async def backup_home(home: Home, store: Store | None) -> AsyncGenerator[bytes, None]:
    """Yield the archive of a home; close it with `contextlib.aclosing` unless it is read whole.

    Args:
        home: The home, which this process holds.
        store: Its open store; None where it has none.

    Raises:
        HomeUnusable: There is no room for the copy, or components come and go too fast.
        StorageError: The store cannot be copied.
    """
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home.folder))
    try:
        names = await _prepare(home, store, folder) if store is not None else ()
        engine = engine_of(folder / "store") or "" if store is not None else ""
        async with aclosing(in_thread(write_archive(folder, engine, names))) as chunks:
            async for chunk in chunks:
                yield chunk
    except OSError as error:
        reason = f"cannot be backed up: {error.strerror or error}"
        raise HomeUnusable(str(home.folder), reason) from error
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))


def remove_leftovers(home: Home) -> None:
    """Remove the copies of backups whose host was killed."""
    for folder in home.folder.glob(f"{_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)


async def _prepare(home: Home, store: Store, folder: Path) -> tuple[str, ...]:
    for _ in range(_TRIES):
        await store.checkpoint(folder / "store")
        names = await anyio.to_thread.run_sync(_link_home, home, folder)
        if names is not None:
            return names
        await anyio.to_thread.run_sync(_empty, folder)
    raise HomeUnusable(str(home.folder), "cannot be backed up: components come and go too fast")


def _link_home(home: Home, folder: Path) -> tuple[str, ...] | None:
    """Link the files beside the copied store; None where one that it names is gone."""
    engine = engine_of(folder / "store")
    if engine is None:
        raise HomeUnusable(str(home.store_folder), "cannot be backed up: its engine keeps no files")
    with read_store(folder / "store", engine) as store:
        registry = Registry.of(dict(store.entries(REGISTRY_NAMESPACE)))
    artifacts = ArtifactStore(home.artifacts_folder)
    needed = [artifacts.path(digest) for digest in registry.digests()]
    others = [home.config_file, *_files_of(home, FOLDERS[2:])]
    if not all(_link(home, path, folder) for path in needed):
        return None
    for path in others:
        _link(home, path, folder)
    return tuple(record.name for record in registry)


def _files_of(home: Home, folders: Iterable[str]) -> Iterator[Path]:
    for name in folders:
        for path in (home.folder / name).rglob("*"):
            if path.is_file() and not path.name.startswith("."):  # a lock, or half a file
                yield path


def _link(home: Home, path: Path, folder: Path) -> bool:
    target = folder / path.relative_to(home.folder)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with suppress(FileExistsError):
            os.link(path, target)
    except FileNotFoundError:
        return False
    except OSError:  # another file system, or one without links
        try:
            shutil.copyfile(path, target)
        except FileNotFoundError:
            return False
    return True


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
