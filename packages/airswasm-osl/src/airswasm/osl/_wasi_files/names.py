"""The functions of wasi:filesystem on names: what is there, and its creation, removal and moves.

Links are refused, symbolic and hard: a second name for a file would escape a grant or denial by
name. A rename needs the rights to read and delete the source and to write the target; for a
directory, also everything beneath.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat as stat_modes
from collections.abc import Awaitable, Callable, Collection, Mapping

from airswasm.runtime import Caller, Case

from .._effects import RunningEffect
from .._system_errors import system_error
from .codes import Refused
from .door import Door, Target
from .open_files import Descriptor
from .paths import check_ending
from .statuses import set_file_times, stat_record

__all__ = ("Names",)

_HASH_KEY_BYTES = 16


class Names:
    """Functions on names, for all components of one host.

    Args:
        door: Checks each path.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._hash_key = secrets.token_bytes(_HASH_KEY_BYTES)

    def methods(self) -> dict[str, Callable[..., Awaitable[object]]]:
        """Return the functions by their names as methods of a descriptor."""
        return {
            "stat-at": self._stat,
            "set-times-at": self._set_times,
            "metadata-hash-at": self._hash,
            "create-directory-at": self._create_directory,
            "remove-directory-at": self._remove_directory,
            "unlink-file-at": self._unlink,
            "rename-at": self._rename,
            "readlink-at": self._read_link,
            "link-at": _refuse,
            "symlink-at": _refuse,
        }

    async def _stat(
        self, caller: Caller, base: Descriptor, flags: Collection[str], path: str
    ) -> Mapping[str, object]:
        status = await self._status(caller, base, path)
        if "symlink-follow" in flags and stat_modes.S_ISLNK(status.st_mode):
            raise Refused("loop")
        return stat_record(status)

    async def _hash(
        self, caller: Caller, base: Descriptor, _flags: Collection[str], path: str
    ) -> Mapping[str, int]:
        target = await self._door.target(caller, base, path)
        if not self._door.may_list(caller, target.path.rpartition("/")[0] or "/"):
            self._door.require(caller, "filesystem:read", target.path, tell=False)
        return self.hashed(await _find_status(target))

    async def _status(self, caller: Caller, base: Descriptor, path: str) -> os.stat_result:
        target = await self._door.target(caller, base, path)
        if target.path != "/":
            self._door.require(caller, "filesystem:read", target.path, tell=False)
        return await _find_status(target)

    async def _read_link(self, caller: Caller, base: Descriptor, path: str) -> str:
        await self._status(caller, base, path)
        raise Refused("invalid")  # as in POSIX for every file that is no link

    async def _set_times(
        self,
        caller: Caller,
        base: Descriptor,
        _flags: Collection[str],
        path: str,
        accessed: Case,
        modified: Case,
    ) -> None:
        target = await self._door.target(caller, base, path)
        self._door.require(caller, "filesystem:write", target.path)
        folder = target.place.folder

        def set_times() -> None:
            folder.check_writable()
            fd = folder.open(target.place.parts, os.O_RDONLY)
            try:
                check_ending(target.ending, os.fstat(fd))
                set_file_times(fd, accessed, modified)
            finally:
                os.close(fd)

        await target.place.run(set_times)

    async def _create_directory(self, caller: Caller, base: Descriptor, path: str) -> None:
        target = await self._door.changeable(caller, base, path, "filesystem:write")

        def create() -> None:
            if target.ending == ".":  # it names a directory that would have to be there
                _status_of(target)
                raise system_error("EEXIST")
            target.place.folder.make_directory(target.place.parts)

        with self._effect(caller, "filesystem:write", target, "create-directory"):
            await target.place.run(create)

    async def _remove_directory(self, caller: Caller, base: Descriptor, path: str) -> None:
        target = await self._door.changeable(caller, base, path, "filesystem:delete")

        def remove(name: str, folder_fd: int) -> None:
            if target.ending == ".":
                raise system_error("EINVAL")
            os.rmdir(name, dir_fd=folder_fd)

        await self._removed(caller, target, remove)

    async def _unlink(self, caller: Caller, base: Descriptor, path: str) -> None:
        target = await self._door.changeable(caller, base, path, "filesystem:delete")
        await self._removed(caller, target, _unlinked)

    async def _removed(
        self, caller: Caller, target: Target, remove: Callable[[str, int], None]
    ) -> None:
        place = target.place

        def removed() -> None:
            with place.folder.changing(place.parts) as folder_fd:
                if target.ending:
                    _status_of(target)
                remove(place.parts[-1], folder_fd)

        with self._effect(caller, "filesystem:delete", target):
            await place.run(removed)

    async def _rename(
        self, caller: Caller, base: Descriptor, path: str, target_base: Descriptor, target: str
    ) -> None:
        source = await self._door.changeable(caller, base, path, "filesystem:delete")
        to = await self._door.changeable(caller, target_base, target, "filesystem:write")
        self._door.require(caller, "filesystem:read", source.path)
        await source.place.run(lambda: _check_parents(source, to))
        status = await _find_status(source)
        is_directory = stat_modes.S_ISDIR(status.st_mode)
        if is_directory:
            for capability, at in (
                ("filesystem:read", source.path),
                ("filesystem:delete", source.path),
                ("filesystem:write", to.path),
            ):
                self._door.require(caller, capability, f"{at}/", argument="prefix")
        if source.place.folder is not to.place.folder:
            raise Refused("cross-device")

        def rename() -> None:
            if to.ending and not is_directory:
                raise system_error("ENOTDIR")
            source.place.folder.rename(source.place.parts, to.place.parts)

        with self._effect(caller, "filesystem:write", to, "rename"):
            await source.place.run(rename)

    def _effect(
        self, caller: Caller, capability: str, target: Target, act: str = ""
    ) -> RunningEffect:
        return self._door.tree.effects.begin(caller.name, capability, target.path, act)

    def hashed(self, status: os.stat_result) -> Mapping[str, int]:
        """Hash a file's identity, as a keyed substitute for its inode number."""
        what = f"{status.st_dev} {status.st_ino}".encode()
        digest = hashlib.blake2b(what, digest_size=16, key=self._hash_key).digest()
        return {
            "lower": int.from_bytes(digest[:8], "little"),
            "upper": int.from_bytes(digest[8:], "little"),
        }


def _unlinked(name: str, folder_fd: int) -> None:
    os.unlink(name, dir_fd=folder_fd)


async def _find_status(target: Target) -> os.stat_result:
    status = await target.place.find_status()
    check_ending(target.ending, status)
    return status


def _status_of(target: Target) -> os.stat_result:
    status = target.place.status()
    check_ending(target.ending, status)
    return status


def _check_parents(*targets: Target) -> None:
    """Check that each path leads to a directory, as the system does before it looks at names.

    Raises:
        OSError: One does not; `EBUSY` where one names a directory through itself.
    """
    for each in targets:
        itself = (".",) if each.ending == "." else ()
        with each.place.folder.parent_of((*each.place.parts, *itself)):
            pass
    if "." in [each.ending for each in targets]:
        raise system_error("EBUSY")


async def _refuse(_caller: Caller, *_args: object) -> None:
    raise Refused("not-permitted")
