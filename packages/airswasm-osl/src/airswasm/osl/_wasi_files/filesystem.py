"""wasi:filesystem over the same folders and the same guard: `open()` in a guest.

A component with a grant for any file gets one preopened folder, its `/`. Each open is checked by
path, with the same capabilities and the same audit lines as `airswasm:component/filesystem`; the
open file is then used without further checks, as descriptors are. WASI's error codes carry no
reason, so a denial also prints one line, with the manifest line that would grant it, on the guest's
stderr.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

from airswasm.runtime import Caller, Case, HostFunction, HostInterface, Ok
from airswasm.runtime.wasi import CLOSED_ON_DROP, WASI_VERSION, filesystem_error_code, methods

from .._files.held import Held, kind_of
from .._files.open_file import OpenFiles
from .._files.tree import Tree
from .._policy import OslPolicy
from .._system_errors import system_error
from .codes import Refused, coded, coded_now
from .door import Door, Target
from .names import Names
from .open_files import (
    Descriptor,
    DirectoryEntries,
    FileInput,
    FileOutput,
    using,
    write_at,
)
from .paths import check_ending
from .statuses import TYPES, set_file_times, stat_record

READ_AT_MOST_BYTES = 1024 * 1024

_CREATES = frozenset({"create", "exclusive", "truncate"})
_HANDLE_BYTES = 512
"""Of an open file or directory, and of an entry of a list of them; its name is left out."""


class WasiFilesystem:
    """wasi:filesystem for all components of one host.

    Args:
        tree: Has the files, and the guard that decides about each path.
    """

    def __init__(self, tree: Tree) -> None:
        self._guard = tree.guard
        self._tree = tree
        self._door = Door(tree)
        self._names = Names(self._door)

    @property
    def policy(self) -> OslPolicy:
        """The policy of the host."""
        return self._tree.policy

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
            "read": self._read,
            "write": self._write,
            "read-directory": self._read_directory,
            "stat": self._stat,
            "open-at": self._open,
            "metadata-hash": self._hash,
            "get-type": self._type,
            **self._names.methods(),
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
        return [(Descriptor("/", None, None, frozenset({"read", "mutate-directory"})), "/")]

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
        if "directory" in open_flags and not _CREATES.isdisjoint(open_flags):
            raise Refused("invalid")
        target = await self._door.target(caller, base, path)
        at, folder = target.path, target.place.folder
        writes = "write" in flags or not {"create", "truncate"}.isdisjoint(open_flags)
        needed: list[str] = []
        if writes:
            needed.append("filesystem:write")
        if "directory" in open_flags:  # a directory's content is its list
            self._door.require(caller, "filesystem:list", at)
        elif "read" in flags or not writes:
            needed.append("filesystem:read")
        for capability in needed:
            self._door.require(caller, capability, at)
        capability = "filesystem:write" if writes else "filesystem:read"
        effect = self._tree.effects.begin(caller.name, capability, at, "open")
        with effect:
            files = OpenFiles.of(caller, folder.limits.open_files)
            holding = caller.account.hold(_HANDLE_BYTES + 4 * len(at), descriptors=1)
            opened = await _open(target, open_flags, frozenset(flags))
            effect.outlive()
        opened.effect = effect
        if opened.held is None:  # a directory, which is looked up anew each time
            holding = caller.account.hold(holding.size_bytes)
        opened.holding = holding
        if opened.held is not None:
            opened.call_on_close(
                files.add(opened.close),
                *(
                    self._guard.keep(caller.name, name, at, lambda _text: opened.close())
                    for name in needed
                ),
            )
        return opened

    # files

    def _read_stream(self, _caller: Caller, descriptor: Descriptor, offset: int) -> object:
        return coded_now(lambda: FileInput(descriptor, min(offset, 2**62)))

    def _write_stream(self, _caller: Caller, descriptor: Descriptor, offset: int) -> object:
        return coded_now(lambda: FileOutput(descriptor, min(offset, 2**62)))

    def _append_stream(self, _caller: Caller, descriptor: Descriptor) -> object:
        return coded_now(lambda: FileOutput(descriptor, None))

    async def _read(
        self, _caller: Caller, descriptor: Descriptor, length: int, offset: int
    ) -> tuple[bytes, bool]:
        place, held = descriptor.opened("read")
        at_most_bytes = min(length, READ_AT_MOST_BYTES)
        data = await place.read(held, at_most_bytes, min(offset, 2**62))
        descriptor.received(len(data))
        return data, len(data) < at_most_bytes

    async def _write(
        self, _caller: Caller, descriptor: Descriptor, data: bytes, offset: int
    ) -> int:
        place, held = descriptor.opened("write")
        await place.run(lambda: write_at(held, place.folder, data, min(offset, 2**62)))
        descriptor.sent(len(data))
        return len(data)

    async def _set_size(self, _caller: Caller, descriptor: Descriptor, size_bytes: int) -> None:
        place, held = descriptor.opened("write")

        def resize() -> None:
            with held.using() as fd, place.folder.grown(fd, size_bytes):
                os.ftruncate(fd, size_bytes)

        await place.run(resize)

    async def _sync(self, _caller: Caller, descriptor: Descriptor) -> None:
        if descriptor.held is not None:
            place, held = descriptor.opened()
            await place.run(lambda: using(held, os.fsync))

    async def _set_times(
        self, _caller: Caller, descriptor: Descriptor, accessed: Case, modified: Case
    ) -> None:
        place, held = descriptor.opened("write")
        await place.run(lambda: using(held, set_file_times, accessed, modified))

    async def _stat(self, caller: Caller, descriptor: Descriptor) -> Mapping[str, object]:
        return stat_record(await self._status(caller, descriptor))

    async def _type(self, caller: Caller, descriptor: Descriptor) -> str:
        return TYPES[kind_of((await self._status(caller, descriptor)).st_mode)]

    async def _hash(self, caller: Caller, descriptor: Descriptor) -> Mapping[str, int]:
        return self._names.hashed(await self._status(caller, descriptor))

    async def _status(self, caller: Caller, descriptor: Descriptor) -> os.stat_result:
        if descriptor.held is not None:
            place, held = descriptor.opened()
            return await place.run(lambda: using(held, os.fstat))
        place = await self._tree.place(caller, descriptor.path)
        return await place.find_status()

    async def _read_directory(self, caller: Caller, descriptor: Descriptor) -> DirectoryEntries:
        if descriptor.held is not None:
            raise Refused("not-directory")
        place = await self._tree.place(caller, descriptor.path)
        self._door.require(caller, "filesystem:list", place.path)
        holding = caller.account.hold(_HANDLE_BYTES)
        entries = await place.run(place.listed)
        holding.resize(sum(_HANDLE_BYTES + 4 * len(each.name) for each in entries))
        return DirectoryEntries(entries, holding)


async def _open(target: Target, open_flags: Collection[str], flags: frozenset[str]) -> Descriptor:
    found = _opened_at_once(target, open_flags, flags)
    if found is not None:
        return found
    return await target.place.run(lambda: _opened(target, open_flags, flags))


def _opened_at_once(
    target: Target, open_flags: Collection[str], flags: frozenset[str]
) -> Descriptor | None:
    """Open what is only read, if the kernel has it in its memory and it is on the host's disk."""
    place = target.place
    if place.threads is not None or place.added or "write" in flags:
        return None
    if not _CREATES.isdisjoint(open_flags):
        return None
    system = _system_flags(open_flags, flags) | (os.O_DIRECTORY if target.ending else 0)
    with place.folder.cached(place.parts, system) as fd:
        if fd is None:
            return None
        kind = kind_of(os.fstat(fd).st_mode)
        if kind == "directory":
            return Descriptor(place.path, None, None, flags)
        return Descriptor(place.path, place, Held(os.dup(fd)), flags) if kind == "file" else None


def _opened(target: Target, open_flags: Collection[str], flags: frozenset[str]) -> Descriptor:
    place = target.place
    if target.ending and "create" in open_flags:
        if target.ending == ".":  # it names a directory that would have to be there
            check_ending(target.ending, place.status())
        with place.folder.parent_of(place.parts):
            raise system_error("EISDIR")
    if place.added:  # the place of the mounts, which need not be there
        if "write" in flags or not _CREATES.isdisjoint(open_flags):
            raise system_error("EISDIR")
        return Descriptor(place.path, None, None, flags)
    system = _system_flags(open_flags, flags)
    if target.ending:
        system |= os.O_DIRECTORY
    fd = place.folder.open(place.parts, system)
    if kind_of(os.fstat(fd).st_mode) == "directory":
        os.close(fd)
        return Descriptor(place.path, None, None, flags)
    return Descriptor(place.path, place, Held(fd), flags)


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


def _flags_of(_caller: Caller, descriptor: Descriptor) -> Ok[frozenset[str]]:
    return Ok(descriptor.flags)


def _is_same_object(_caller: Caller, one: Descriptor, other: Descriptor) -> bool:
    return one is other or (one.held is None and other.held is None and one.path == other.path)


def _next_entry(_caller: Caller, entries: DirectoryEntries) -> object:
    return Ok(entries.next())
