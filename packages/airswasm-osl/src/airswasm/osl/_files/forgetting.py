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

from .._policy import OslPolicy, files_of, folders_below
from .measuring import PARTIAL_PREFIX

__all__ = ("KEPT_FOLDER", "forget", "remove_folder")

KEPT_FOLDER = ".kept"
"""Has the snapshots, in the folder that has the components' own; no namespace has this name."""

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


async def forget(services: Services, name: str) -> None:
    """Remove a component's folder and its snapshots; do nothing where there are none.

    A folder that the operator mapped to the component (`folders_below(elsewhere=…)`, an embedder's
    `OslPolicy`) does not belong to the component, and stays.

    Raises:
        OSError: Part of it cannot be removed; the caller may call again.
    """
    if services.has(OslPolicy) or not services.has(Home):
        return
    files = files_of(services)
    for base in (files, files / KEPT_FOLDER):
        await anyio.to_thread.run_sync(remove_folder, folders_below(base)(name))


def remove_folder(folder: Path | str, *, dir_fd: int | None = None) -> None:
    """Remove a folder and its content, however deep a program has nested it.

    `shutil.rmtree` takes Python's stack and a descriptor for each level. So what is nested moves up
    first, and each folder is removed when nothing is in it.

    Args:
        folder: The folder; an absent one is no error.
        dir_fd: The folder that a relative path is beneath.

    Raises:
        OSError: Part of it cannot be removed; the caller may call again.
    """
    if os.rename not in os.supports_dir_fd:  # Windows
        shutil.rmtree(folder, ignore_errors=not Path(folder).exists())
        return
    try:
        root_fd = os.open(folder, _FOLDER, dir_fd=dir_fd)
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
    os.rmdir(folder, dir_fd=dir_fd)


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
