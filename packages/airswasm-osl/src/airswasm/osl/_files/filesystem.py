"""`airswasm:component/filesystem`: files below a component's own `/`, whole and in parts.

The guard in front of these functions checks the path as the guest wrote it, in its canonical form;
the functions open that same canonical form, so check and effect cannot mean two files. Worker
threads do all disk work. `wasi:filesystem` has the same files, by the same `Tree`.
"""

from __future__ import annotations

import contextlib
import os
import stat as stat_modes
from collections.abc import Awaitable, Callable, Iterable

from airswasm.runtime import Caller, Effect, HostInterface, HostResource
from airswasm.runtime.wasi import methods
from airswasm.security import InvalidResource

from .._answers import answered, check_room
from .._effects import RunningEffect
from .._policy import OslPolicy
from .._spelling import read_path
from .._system_errors import system_error
from ..errors import AccessDenied, Malformed
from .held import Held
from .naming import Entry, FileInfo, told
from .open_file import READ_AT_MOST_BYTES, OpenFile, OpenFiles, as_record
from .tree import Place, Tree

__all__ = ("Filesystem", "canonical_path")

_READ, _WRITE = "filesystem:read", "filesystem:write"
_DELETE, _LIST = "filesystem:delete", "filesystem:list"
_ENTRY_BYTES = 12  # of a `directory-entry` in the guest's memory, without its name
_HANDLE_BYTES = 1024
_READS = ("read", "list-directory", "list-page", "stat", "open-to-read")
_READS_OF_FILES = ("read", "info")


def canonical_path(path: str) -> str:
    """Return the one spelling of a path, on which grants are matched.

    Raises:
        Malformed: The path has no canonical form.
    """
    try:
        return read_path(path)
    except InvalidResource as error:
        raise Malformed(str(error)) from error


class Filesystem:
    """The functions of the interface, for all components of one host.

    Args:
        tree: Has the files.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._guard = tree.guard

    @property
    def policy(self) -> OslPolicy:
        """The policy of the host."""
        return self._tree.policy

    def interface(self) -> HostInterface:
        """Return the interface for guests; a guard belongs in front of it."""
        functions: dict[str, Callable[..., Awaitable[object]]] = {
            "read": self.read,
            "write": self.write,
            "append": self.append,
            "remove": self.remove,
            "rename": self.rename,
            "create-directory": self.create_directory,
            "list-directory": self.list_directory,
            "list-page": self.list_page,
            "stat": self.stat,
            "open-to-read": self.open_to_read,
            "open-to-write": self.open_to_write,
            "open-to-update": self.open_to_update,
            "open-to-create": self.open_to_create,
            "open-to-replace": self.open_to_replace,
        }
        of_files: dict[str, Callable[..., Awaitable[object]]] = {
            "read": _method(OpenFile.read),
            "write": _method(OpenFile.write),
            "append": _method(OpenFile.append),
            "set-size": _method(OpenFile.set_size),
            "sync": _method(OpenFile.sync),
            "info": _method(OpenFile.info),
            "commit": _method(OpenFile.commit),
        }
        names = (*_READS, *methods("open-file", dict.fromkeys(_READS_OF_FILES, _nothing)))
        return HostInterface(
            "airswasm:component/filesystem@0.1.0",
            {
                **{name: answered(function) for name, function in functions.items()},
                **methods("open-file", {name: answered(each) for name, each in of_files.items()}),
            },
            {"open-file": HostResource(drop=_close)},
            effects=dict.fromkeys(names, Effect.READS),
        )

    async def read(self, caller: Caller, path: str, offset: int, max_bytes: int) -> bytes:
        """Return at most `max_bytes`, and no more than the guest has room for."""
        place = await self._at(caller, path)
        at_most_bytes = min(max_bytes, READ_AT_MOST_BYTES, caller.message_bytes)
        with self._effect(caller, _READ, place) as effect:
            content = await place.read_whole(at_most_bytes, min(offset, 2**62))
            effect.received(len(content))
        return content

    async def write(self, caller: Caller, path: str, content: bytes) -> None:
        """Replace the file."""
        place = await self._at(caller, path)
        with self._effect(caller, _WRITE, place) as effect:
            await place.run(lambda: place.folder.write(place.within, content))
            effect.sent(len(content))

    async def append(self, caller: Caller, path: str, content: bytes) -> None:
        """Append to the file."""
        place = await self._at(caller, path)
        with self._effect(caller, _WRITE, place, "append") as effect:
            await place.run(lambda: place.folder.append(place.within, content))
            effect.sent(len(content))

    async def remove(self, caller: Caller, path: str) -> None:
        """Remove the file or empty directory."""
        place = await self._at(caller, path)
        with self._effect(caller, _DELETE, place):
            await place.run(lambda: place.folder.remove(place.within))

    async def rename(self, caller: Caller, path: str, to: str) -> None:
        """Rename a file or directory; a directory needs the capabilities for all that it has."""
        source, target = await self._at(caller, path), await self._at(caller, to)
        if source.folder is not target.folder:
            raise Malformed(f"{target.path}: a rename cannot lead to another mount; copy the file")
        for place in (source, target):
            place.folder.named(place.within)
        with told(source.path):
            status = await source.find_status()
        if stat_modes.S_ISDIR(status.st_mode):
            for capability, at in (
                ("filesystem:read", source.path),
                ("filesystem:delete", source.path),
                ("filesystem:write", target.path),
            ):
                decision = self._guard.check(caller.name, capability, f"{at}/", argument="prefix")
                if not decision.is_allowed:
                    raise AccessDenied(decision.text)
        with self._effect(caller, _WRITE, target, "rename"), told(source.path):
            await source.run(lambda: source.folder.rename(source.parts, target.parts))

    async def create_directory(self, caller: Caller, path: str) -> None:
        """Create the directory."""
        place = await self._at(caller, path)
        with self._effect(caller, _WRITE, place, "create-directory"):
            await place.run(lambda: place.folder.create_directory(place.within))

    async def list_directory(self, caller: Caller, path: str) -> object:
        """Return its entries, by name.

        Raises:
            LimitReached: The guest has no room for their names.
        """
        place = await self._at(caller, path)
        with self._effect(caller, _LIST, place), told(place.path):
            entries = await place.run(place.listed)
        size_bytes = sum(_ENTRY_BYTES + len(entry.name.encode()) for entry in entries)
        check_room(caller, size_bytes, f"the list of {len(entries):,} entries of {place.path}")
        return entries

    async def list_page(self, caller: Caller, path: str, after: str, max_entries: int) -> object:
        """Return its next entries, by name, as many as the guest has room for."""
        place = await self._at(caller, path)
        most = min(max_entries, place.folder.limits.entries)
        with self._effect(caller, _LIST, place, "page"), told(place.path):
            entries = await place.run(lambda: place.page(after, most))
        return list(_fitting(entries, caller.message_bytes))

    async def stat(self, caller: Caller, path: str) -> object:
        """Return its metadata."""
        place = await self._at(caller, path)
        with self._effect(caller, _READ, place, "stat"), told(place.path):
            return as_record(FileInfo.of(await place.find_status()))

    async def open_to_read(self, caller: Caller, path: str) -> OpenFile:
        """Open a file that is there."""
        return await self._opened(caller, path, os.O_RDONLY)

    async def open_to_write(self, caller: Caller, path: str) -> OpenFile:
        """Open a file, or create it."""
        return await self._opened(caller, path, os.O_WRONLY | os.O_CREAT)

    async def open_to_update(self, caller: Caller, path: str) -> OpenFile:
        """Open a file that is there, to read and write."""
        return await self._opened(caller, path, os.O_RDWR)

    async def open_to_create(self, caller: Caller, path: str) -> OpenFile:
        """Create a file that is not there."""
        return await self._opened(caller, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)

    async def open_to_replace(self, caller: Caller, path: str) -> OpenFile:
        """Open a new file that takes the name when it is committed."""
        return await self._opened(caller, path, None)

    async def _opened(self, caller: Caller, path: str, flags: int | None) -> OpenFile:
        place, needed = await self._at(caller, path), _needed(flags)
        with self._effect(caller, needed[-1], place, "open") as effect:
            with told(place.path):
                files = OpenFiles.of(caller, place.folder.limits.open_files)
            size_bytes = _HANDLE_BYTES + 4 * len(place.path)
            holding = caller.account.hold(size_bytes, descriptors=1 if flags is not None else 2)
            try:
                opened = await place.run(
                    lambda: _replacing(place) if flags is None else _opened(place, flags)
                )
            except BaseException:
                holding.release()
                raise
            effect.outlive()
        opened.holding, opened.effect = holding, effect
        opened.on_close.callback(files.add(opened.close))
        for capability in needed:
            opened.on_close.callback(
                self._guard.keep(caller.name, capability, place.path, opened.end)
            )
        return opened

    def _effect(
        self, caller: Caller, capability: str, place: Place, act: str = ""
    ) -> RunningEffect:
        return self._tree.effects.begin(caller.name, capability, place.path, act)

    async def _at(self, caller: Caller, path: str) -> Place:
        return await self._tree.place(caller, canonical_path(path))


def _opened(place: Place, flags: int) -> OpenFile:
    if flags & (os.O_WRONLY | os.O_RDWR):
        place.folder.named(place.within)
    with told(place.path):
        fd = place.folder.open(place.parts, flags)
        if stat_modes.S_ISDIR(os.fstat(fd).st_mode):
            os.close(fd)
            raise system_error("EISDIR")
    access = flags & (os.O_WRONLY | os.O_RDWR)
    return OpenFile(
        place,
        Held(fd),
        is_readable=access in (os.O_RDONLY, os.O_RDWR),
        is_writable=access != os.O_RDONLY,
    )


def _replacing(place: Place) -> OpenFile:
    place.folder.named(place.within)
    with told(place.path), contextlib.ExitStack() as stack:
        new = stack.enter_context(place.folder.replacement(place.parts))
        opened = OpenFile(
            place,
            Held(os.dup(new.fd)),
            is_readable=False,
            is_writable=True,
            replacing=new.commit,
        )
        opened.on_close.push(stack.pop_all())
        return opened


def _needed(flags: int | None) -> tuple[str, ...]:
    if flags is None or flags & os.O_WRONLY:
        return ("filesystem:write",)
    if flags & os.O_RDWR:
        return ("filesystem:read", "filesystem:write")
    return ("filesystem:read",)


def _fitting(entries: Iterable[Entry], room_bytes: int) -> Iterable[Entry]:
    for entry in entries:
        room_bytes -= _ENTRY_BYTES + len(entry.name.encode())
        if room_bytes < 0:
            return
        yield entry


def _method(
    function: Callable[..., Awaitable[object]],
) -> Callable[..., Awaitable[object]]:
    """Return a method of a resource, whose first argument is the caller."""

    async def method(caller: Caller, opened: OpenFile, *args: object) -> object:
        return await function(opened, caller, *args)

    return method


def _close(opened: object) -> None:
    if isinstance(opened, OpenFile):
        opened.close()


def _nothing() -> None:
    """Stand for a function whose name alone matters."""
