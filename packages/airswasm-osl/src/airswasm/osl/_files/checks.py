"""`airswasm doctor`: the folders of the host that config.toml gives to components."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from airswasm.lifecycle import Configuration, Home
from airswasm.runtime import Services
from airswasm.wit import Blocks, Finding

from .._policy import FolderLimits, Mount, OslPolicy, policy_of
from ..errors import MountInvalid

__all__ = ("check_folders",)

_CHECK = "files"


def check_folders(home: Path, *, quick: bool) -> Iterator[Finding]:
    """Look whether each mount is a folder that the host may give and use."""
    del quick
    services = Services()
    services.add(Home, Home(home))
    services.add(
        FolderLimits,
        Configuration.load(Home(home).config_file, Blocks.find(), os.environ).get(FolderLimits),
    )
    policy = policy_of(services)
    for mount in policy.mounts:
        problem, hint = _problem_of(policy, mount)
        if problem:
            yield Finding(_CHECK, "problem", f"the mount {mount.name}: {problem}", hint)
            continue
        how = "to read" if mount.read_only else "to read and write"
        yield Finding(_CHECK, "ok", f"{mount.place} is {mount.path}, {how}")


def _problem_of(policy: OslPolicy, mount: Mount) -> tuple[str, str]:
    try:
        folder = policy.folder_of_mount(mount)
    except MountInvalid as error:
        return error.reason, MountInvalid.explanation.hint
    if not folder.is_dir():
        return f"there is no folder {folder}", "create it, or change [[filesystem.mounts]]"
    needed = os.R_OK | os.X_OK | (0 if mount.read_only else os.W_OK)
    if not os.access(folder, needed):
        return f"this user may not use {folder}", "change its owner or mode"
    return "", ""
