"""wasi:filesystem over the same folders and the same guard: `open()` in a guest.

A component with a grant for any file gets one preopened folder, its `/`. Each open is checked by
path, with the same capabilities and the same audit lines as `airswasm:component/filesystem`; the
open file is then used without further checks, as descriptors are. WASI's error codes carry no
reason, so a denial also prints one line, with the manifest line that would grant it, on the guest's
stderr.

Links are refused, symbolic and hard: a second name for a file would escape a grant or denial by
name. A rename needs the rights to read and write the source and to write the target; for a
directory, also everything beneath.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat as stat_modes
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import TypeVar

from airswasm.runtime import (
    Caller,
    Case,
    HostFunction,
    HostInterface,
    Ok,
)
from airswasm.runtime.wasi import (
    CLOSED_ON_DROP,
    WASI_VERSION,
    filesystem_error_code,
    methods,
)
from airswasm.security import Guard

from .._effects import Effects
from .._files.filesystem import folder_for
from .._files.folder import Folder, Held, kind_of, parts_of, pread_all
from .._policy import OslPolicy
from ..errors import Malformed
from .codes import Refused, coded, coded_now, on_disk
from .open_files import (
    Descriptor,
    DirectoryEntries,
    FileInput,
    FileOutput,
    OpenFiles,
    grow,
    using,
    write_at,
)
from .statuses import TYPES, set_file_times, stat_record

T = TypeVar("T")

READ_AT_MOST_BYTES = 1024 * 1024

_HASH_KEY_BYTES = 16
_HANDLE_BYTES = 512
"""Of an open file or directory, and of an entry of a list of them; its name is left out."""


class WasiFilesystem:
    """wasi:filesystem for all components of one host.

    Args:
        guard: Decides and writes the audit line, for each path that is opened.
        policy: Maps components to folders, with limits.
        effects: The record of each file that was open, and of each change of a name.
    """

    def __init__(self, guard: Guard, policy: OslPolicy, effects: Effects | None = None) -> None:
        self._guard = guard
        self._effects = effects or Effects()
        self.policy = policy
        self._hash_key = secrets.token_bytes(_HASH_KEY_BYTES)

    def interfaces(self) -> Iterable[HostInterface]:
        """Return the replacements for the runtime's denied interfaces."""
        return (
            HostInterface(
                f"wasi:filesystem/preopens@{WASI_VERSION}", {"get-directories": self._directories}
            ),
            HostInterface(
                f"wasi:filesystem/types@{WASI_VERSION}",
                {
                    "filesystem-error-code": filesystem_error_code,
                    "[method]descriptor.is-same-object": _is_same_object,
                    "[method]directory-entry-stream.read-directory-entry": _next_entry,
                    **methods("descriptor", self._methods()),
                },
                {"descriptor": CLOSED_ON_DROP, "directory-entry-stream": CLOSED_ON_DROP},
            ),
        )

    def _methods(self) -> dict[str, HostFunction]:
        waiting: dict[str, Callable[..., Awaitable[object]]] = {
            "sync-data": self._sync,
            "sync": self._sync,
            "set-size": self._set_size,
            "set-times": self._set_times,
            "set-times-at": self._set_times_at,
            "read": self._read,
            "write": self._write,
            "read-directory": self._read_directory,
            "create-directory-at": self._create_directory,
            "stat": self._stat,
            "stat-at": self._stat_at,
            "open-at": self._open,
            "remove-directory-at": self._remove_directory,
            "unlink-file-at": self._unlink,
            "rename-at": self._rename,
            "metadata-hash": self._hash,
            "metadata-hash-at": self._hash_at,
            "link-at": _refuse,
            "symlink-at": _refuse,
            "readlink-at": self._read_link,
            "get-type": self._type,
        }
        return {
            **{name: coded(function) for name, function in waiting.items()},
            "read-via-stream": self._read_stream,
            "write-via-stream": self._write_stream,
            "append-via-stream": self._append_stream,
            "advise": lambda *_: Ok(None),
            "get-flags": _flags_of,
        }

    def _directories(self, caller: Caller) -> list[tuple[Descriptor, str]]:
        """Return the component's `/`, if it has a grant for any file."""
        granted = self._guard.grants_of(caller.name).allow
        if not any(capability.startswith("filesystem:") for capability in granted):
            return []
        return [(Descriptor("/", None, frozenset({"read", "mutate-directory"})), "/")]

    # opening

    async def _open(
        self,
        caller: Caller,
        base: Descriptor,
        _path_flags: Collection[str],
        path: str,
        open_flags: Collection[str],
        flags: Collection[str],
    ) -> Descriptor:
        folder, at = self._at(caller, base, path)
        writes = "write" in flags or not {"create", "truncate"}.isdisjoint(open_flags)
        if writes:
            self._require(caller, "filesystem:write", at)
        if "directory" in open_flags:  # a directory's content is its list
            self._require(caller, "filesystem:list", at)
        elif "read" in flags or not writes:
            self._require(caller, "filesystem:read", at)
        capability = "filesystem:write" if writes else "filesystem:read"
        effect = self._effects.begin(caller.name, capability, at, "open")
        with effect:
            place = OpenFiles.of(caller, folder.limits.open_files)
            holding = caller.account.hold(_HANDLE_BYTES + 4 * len(at), descriptors=1)
            opened = await on_disk(lambda: self._opened(folder, at, open_flags, frozenset(flags)))
            effect.outlive()
        opened.effect = effect
        if opened.held is None:  # a directory, which is looked up anew each time
            holding = caller.account.hold(holding.size_bytes)
        opened.holding = holding
        place.taken_by(opened)
        if opened.held is not None:
            needed = [name for name, is_needed in (
                ("filesystem:write", writes), ("filesystem:read", "read" in flags or not writes),
            ) if is_needed]  # fmt: skip
            forget = [
                self._guard.keep(caller.name, name, at, lambda _text: opened.close())
                for name in needed
            ]
            give_back = opened.on_close

            def closed() -> None:
                for each in forget:
                    each()
                if give_back is not None:
                    give_back()

            opened.on_close = closed
        return opened

    def _opened(
        self, folder: Folder, path: str, open_flags: Collection[str], flags: frozenset[str]
    ) -> Descriptor:
        fd = folder.open(parts_of(path), _system_flags(open_flags, flags))
        if kind_of(os.fstat(fd).st_mode) == "directory":
            os.close(fd)
            return Descriptor(path, None, flags)
        return Descriptor(path, Held(fd), flags)

    # files

    def _read_stream(self, _caller: Caller, descriptor: Descriptor, offset: int) -> object:
        return coded_now(lambda: FileInput(descriptor, min(offset, 2**62)))

    def _write_stream(self, caller: Caller, descriptor: Descriptor, offset: int) -> object:
        return coded_now(lambda: self._output(caller, descriptor, min(offset, 2**62)))

    def _append_stream(self, caller: Caller, descriptor: Descriptor) -> object:
        return coded_now(lambda: self._output(caller, descriptor, None))

    def _output(self, caller: Caller, descriptor: Descriptor, offset: int | None) -> FileOutput:
        return FileOutput(descriptor, offset, folder_for(caller, self.policy))

    async def _read(
        self, _caller: Caller, descriptor: Descriptor, length: int, offset: int
    ) -> tuple[bytes, bool]:
        held, at_most_bytes = descriptor.file("read"), min(length, READ_AT_MOST_BYTES)
        data = await on_disk(lambda: using(held, pread_all, at_most_bytes, min(offset, 2**62)))
        descriptor.received(len(data))
        return data, len(data) < at_most_bytes

    async def _write(self, caller: Caller, descriptor: Descriptor, data: bytes, offset: int) -> int:
        held, folder = descriptor.file("write"), folder_for(caller, self.policy)
        await on_disk(lambda: write_at(held, folder, data, min(offset, 2**62)))
        descriptor.sent(len(data))
        return len(data)

    async def _set_size(self, caller: Caller, descriptor: Descriptor, size_bytes: int) -> None:
        held, folder = descriptor.file("write"), folder_for(caller, self.policy)

        def resize() -> None:
            with held.using() as fd:
                grow(fd, folder, size_bytes)
                os.ftruncate(fd, size_bytes)

        await on_disk(resize)

    async def _sync(self, _caller: Caller, descriptor: Descriptor) -> None:
        if (held := descriptor.held) is not None:
            await on_disk(lambda: using(held, os.fsync))

    async def _set_times(
        self, _caller: Caller, descriptor: Descriptor, accessed: Case, modified: Case
    ) -> None:
        held = descriptor.file("write")
        await on_disk(lambda: using(held, set_file_times, accessed, modified))

    async def _stat(self, caller: Caller, descriptor: Descriptor) -> Mapping[str, object]:
        return stat_record(await self._status(caller, descriptor))

    async def _type(self, caller: Caller, descriptor: Descriptor) -> str:
        return TYPES[kind_of((await self._status(caller, descriptor)).st_mode)]

    async def _hash(self, caller: Caller, descriptor: Descriptor) -> Mapping[str, int]:
        return self._hashed(await self._status(caller, descriptor))

    async def _status(self, caller: Caller, descriptor: Descriptor) -> os.stat_result:
        held = descriptor.held
        if held is not None:
            return await on_disk(lambda: using(held, os.fstat))
        folder = folder_for(caller, self.policy)
        return await on_disk(lambda: folder.status(parts_of(descriptor.path)))

    # paths

    async def _stat_at(
        self, caller: Caller, base: Descriptor, _flags: Collection[str], path: str
    ) -> Mapping[str, object]:
        return stat_record(await self._status_at(caller, base, path))

    async def _hash_at(
        self, caller: Caller, base: Descriptor, _flags: Collection[str], path: str
    ) -> Mapping[str, int]:
        folder, at = self._at(caller, base, path)
        if not self._may_list(caller, at.rpartition("/")[0] or "/"):
            self._require(caller, "filesystem:read", at, tell=False)
        return self._hashed(await on_disk(lambda: folder.status(parts_of(at))))

    async def _status_at(self, caller: Caller, base: Descriptor, path: str) -> os.stat_result:
        folder, at = self._at(caller, base, path)
        if at != "/":
            self._require(caller, "filesystem:read", at, tell=False)
        return await on_disk(lambda: folder.status(parts_of(at)))

    async def _read_link(self, caller: Caller, base: Descriptor, path: str) -> str:
        await self._status_at(caller, base, path)
        raise Refused("invalid")  # as in POSIX for every file that is no link

    async def _read_directory(self, caller: Caller, descriptor: Descriptor) -> DirectoryEntries:
        if descriptor.held is not None:
            raise Refused("not-directory")
        folder, path = folder_for(caller, self.policy), descriptor.path
        self._require(caller, "filesystem:list", path)
        holding = caller.account.hold(_HANDLE_BYTES)
        entries = await on_disk(lambda: folder.list_directory(path))
        holding.resize(sum(_HANDLE_BYTES + 4 * len(each.name) for each in entries))
        return DirectoryEntries(entries, holding)

    async def _set_times_at(
        self,
        caller: Caller,
        base: Descriptor,
        _flags: Collection[str],
        path: str,
        accessed: Case,
        modified: Case,
    ) -> None:
        folder, at = self._changeable(caller, base, path, "filesystem:write")

        def set_times() -> None:
            fd = folder.open(parts_of(at), os.O_RDONLY)
            try:
                set_file_times(fd, accessed, modified)
            finally:
                os.close(fd)

        await on_disk(set_times)

    async def _create_directory(self, caller: Caller, base: Descriptor, path: str) -> None:
        folder, at = self._changeable(caller, base, path, "filesystem:write")
        with self._effects.begin(caller.name, "filesystem:write", at, "create-directory"):
            await on_disk(lambda: folder.make_directory(parts_of(at)))

    async def _remove_directory(self, caller: Caller, base: Descriptor, path: str) -> None:
        await self._removed(caller, base, path, os.rmdir)

    async def _unlink(self, caller: Caller, base: Descriptor, path: str) -> None:
        await self._removed(caller, base, path, os.unlink)

    async def _removed(
        self, caller: Caller, base: Descriptor, path: str, remove: Callable[..., None]
    ) -> None:
        folder, at = self._changeable(caller, base, path, "filesystem:delete")
        *parents, name = parts_of(at)

        def removed() -> None:
            with folder.parent_of((*parents, name)) as folder_fd:
                remove(name, dir_fd=folder_fd)

        with self._effects.begin(caller.name, "filesystem:delete", at):
            await on_disk(removed)

    async def _rename(
        self, caller: Caller, base: Descriptor, path: str, target_base: Descriptor, target: str
    ) -> None:
        folder, source_at = self._changeable(caller, base, path, "filesystem:delete")
        _, target_at = self._changeable(caller, target_base, target, "filesystem:write")
        self._require(caller, "filesystem:read", source_at)
        status = await on_disk(lambda: folder.status(parts_of(source_at)))
        if stat_modes.S_ISDIR(status.st_mode):
            for capability, at in (
                ("filesystem:read", source_at),
                ("filesystem:delete", source_at),
                ("filesystem:write", target_at),
            ):
                self._require(caller, capability, f"{at}/", argument="prefix")
        with self._effects.begin(caller.name, "filesystem:write", target_at, "rename"):
            await on_disk(lambda: folder.rename(parts_of(source_at), parts_of(target_at)))

    # checks

    def _at(self, caller: Caller, base: Descriptor, path: str) -> tuple[Folder, str]:
        """Return the component's folder, and the path from its `/` in canonical form."""
        if base.held is not None:
            raise Refused("not-directory")
        return folder_for(caller, self.policy), below(base.path, path)

    def _changeable(
        self, caller: Caller, base: Descriptor, path: str, capability: str
    ) -> tuple[Folder, str]:
        folder, at = self._at(caller, base, path)
        if at == "/":
            raise Refused("not-permitted")
        self._require(caller, capability, at)
        return folder, at

    def _require(
        self,
        caller: Caller,
        capability: str,
        path: str,
        *,
        argument: str | None = None,
        tell: bool = True,
    ) -> None:
        decision = self._guard.check(caller.name, capability, path, argument=argument)
        if not decision.is_allowed:
            if tell:
                caller.wasi.stderr.write(f"{decision.text}\n".encode())
            raise Refused("access")

    def _may_list(self, caller: Caller, path: str) -> bool:
        """Return whether the caller may see the names in a directory.

        A guest's `readdir` asks for the hash of every entry, as its inode number; refusing one
        would hide all of them.
        """
        return self._guard.decide(caller.name, "filesystem:list", path).is_allowed

    def _hashed(self, status: os.stat_result) -> Mapping[str, int]:
        """Hash a file's identity, as a keyed substitute for its inode number."""
        what = f"{status.st_dev} {status.st_ino}".encode()
        digest = hashlib.blake2b(what, digest_size=16, key=self._hash_key).digest()
        return {
            "lower": int.from_bytes(digest[:8], "little"),
            "upper": int.from_bytes(digest[8:], "little"),
        }


def below(base: str, path: str) -> str:
    """Return the canonical path of `path`, which a guest gave relative to `base`.

    Raises:
        Refused: It is absolute, leads upwards, or is not a valid name.
    """
    if path.startswith("/"):
        raise Refused("not-permitted")
    names = [name for name in path.split("/") if name not in ("", ".")]
    if ".." in names:
        raise Refused("not-permitted")
    try:
        return "/" + "/".join((*parts_of(base), *parts_of("/".join(names))))
    except Malformed:
        raise Refused("invalid") from None


def _system_flags(open_flags: Collection[str], flags: Collection[str]) -> int:
    """Return the system's flags for WASI's; the streams handle append and sync."""
    both = {"read", "write"} <= set(flags)
    system = os.O_RDWR if both else os.O_WRONLY if "write" in flags else os.O_RDONLY
    for name, flag in (
        ("create", os.O_CREAT),
        ("directory", os.O_DIRECTORY),
        ("exclusive", os.O_EXCL),
        ("truncate", os.O_TRUNC),
    ):
        if name in open_flags:
            system |= flag
    return system


async def _refuse(_caller: Caller, *_args: object) -> None:
    raise Refused("not-permitted")


def _flags_of(_caller: Caller, descriptor: Descriptor) -> Ok[frozenset[str]]:
    return Ok(descriptor.flags)


def _is_same_object(_caller: Caller, one: Descriptor, other: Descriptor) -> bool:
    return one is other or (one.held is None and other.held is None and one.path == other.path)


def _next_entry(_caller: Caller, entries: DirectoryEntries) -> object:
    return Ok(entries.next())
