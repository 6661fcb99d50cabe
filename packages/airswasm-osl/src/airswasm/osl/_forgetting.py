"""Delete a component's files when its name is purged."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from pathlib import Path

import anyio.to_thread
from airswasm.lifecycle import Home
from airswasm.runtime import Services

from ._folder import PARTIAL_PREFIX
from ._policy import OslPolicy, folders_below
from ._provider import files_of

__all__ = ("forget",)

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


async def forget(services: Services, name: str) -> None:
    """Remove a component's folder with all its content; do nothing without a folder.

    A folder that the operator mapped to the component (`folders_below(elsewhere=…)`, an embedder's
    `OslPolicy`) does not belong to the component, and stays.

    Raises:
        OSError: Part of it cannot be removed; the caller may call again.
    """
    if services.has(OslPolicy) or not services.has(Home):
        return
    folder = folders_below(files_of(services))(name)
    await anyio.to_thread.run_sync(_remove, folder)


def _remove(folder: Path) -> None:
    """Remove a folder and its content, however deep a program has nested it.

    `shutil.rmtree` takes Python's stack and a descriptor for each level. So what is nested moves up
    first, and each folder is removed when nothing is in it.
    """
    if os.rename not in os.supports_dir_fd:  # Windows
        shutil.rmtree(folder, ignore_errors=not folder.exists())
        return
    try:
        root_fd = os.open(folder, _FOLDER)
    except FileNotFoundError:
        return
    try:
        while names := _names(root_fd):
            for name in names:
                if not _unlinked(name, root_fd):
                    _emptied(name, root_fd)
                    os.rmdir(name, dir_fd=root_fd)
    finally:
        os.close(root_fd)
    folder.rmdir()


def _emptied(name: str, root_fd: int) -> None:
    fd = os.open(name, _FOLDER, dir_fd=root_fd)
    try:
        for each in _names(fd):
            if not _unlinked(each, fd):
                moved = PARTIAL_PREFIX + secrets.token_hex(16)
                os.rename(each, moved, src_dir_fd=fd, dst_dir_fd=root_fd)
    finally:
        os.close(fd)


def _names(fd: int) -> list[str]:
    with os.scandir(fd) as entries:
        return [entry.name for entry in entries]


def _unlinked(name: str, folder_fd: int) -> bool:
    """Remove what is not a directory; return whether it was not."""
    is_folder = stat.S_ISDIR(os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_mode)
    if not is_folder:
        os.unlink(name, dir_fd=folder_fd)
    return not is_folder
