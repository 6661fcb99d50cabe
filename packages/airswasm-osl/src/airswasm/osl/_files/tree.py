"""The tree of files that a component sees: its own folder, and below `/mnt` the mounts.

A mount is there for the components that have a grant which names it, in some capability. For the
others `/mnt/photos` is a path of their own folder: a grant of everything was given for their own
files, and keeps that meaning when an operator adds a mount. `MountLayer` holds each capability to
the same rule.

Each mount has a limit of its own on worker threads: a disk that hangs then holds those, and no
other file waits for them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterable
from dataclasses import replace
from typing import NamedTuple, TypeVar

import anyio
from airswasm.runtime import Caller, Services
from airswasm.security import Grants, Guard, Resource, Verdict, manifest_line
from anyio import to_thread

from .._effects import Effects
from .._policy import MOUNTS, Mount, OslPolicy, policy_of
from ..errors import AccessDenied, LimitReached, MountInvalid
from .folder import Folder
from .held import Held, kind_of, pread_all, pread_cached
from .ledger import Ledgers
from .naming import Entry, parts_of

__all__ = ("MountLayer", "Place", "Tree", "mount_layer")

T = TypeVar("T")
_MNT = MOUNTS.strip("/")
_THREADS = 8
_UNBOUNDED = 2**62
_LOOK = getattr(os, "O_PATH", 0) | getattr(os, "O_NOFOLLOW", 0)
_EVERY = ("*", "**")


class Place(NamedTuple):
    """One path of a component, where it is on the host.

    Attributes:
        path: The path, in canonical form.
        folder: The folder that has it.
        parts: The names from that folder.
        added: Names in it that stand for mounts, and for the directory that has those.
        threads: Bounds the operations under way in the folder; None shares the host's.
    """

    path: str
    folder: Folder
    parts: tuple[str, ...]
    added: tuple[str, ...] = ()
    threads: anyio.CapacityLimiter | None = None

    async def run(self, operation: Callable[[], T]) -> T:
        """Run a blocking operation on a worker thread; a cancel waits for its end."""
        return await to_thread.run_sync(operation, limiter=self.threads)

    async def read(self, held: Held, max_bytes: int, offset: int) -> bytes:
        """Read from an open file until `max_bytes` or its end.

        Raises:
            OSError: The system's error.
        """
        with held.using() as fd:
            data = pread_cached(fd, max_bytes, offset)
        if data is not None:
            return data

        def read() -> bytes:
            with held.using() as fd:
                return pread_all(fd, max_bytes, offset)

        return await self.run(read)

    async def read_whole(self, max_bytes: int, offset: int) -> bytes:
        """Open a file, read from it, and close it.

        Raises:
            OslError: See `errors`.
        """
        if self.threads is None:  # the host's disk, which the host waits for itself
            with self.folder.cached(self.parts, os.O_RDONLY) as fd:
                data = None
                if fd is not None and kind_of(os.fstat(fd).st_mode) == "file":
                    data = pread_cached(fd, max_bytes, offset)
            if data is not None:
                return data
        return await self.run(lambda: self.folder.read(self.within, offset, max_bytes))

    async def find_status(self) -> os.stat_result:
        """Return the `lstat` of the path, from memory if the kernel has it there.

        Raises:
            OSError: The system's error.
        """
        if self.threads is None:
            with self.folder.cached(self.parts, _LOOK) as fd:
                if fd is not None:
                    return os.fstat(fd)
        return await self.run(self.status)

    def status(self) -> os.stat_result:
        """Return the `lstat` of the path; the place of the mounts is there without a folder.

        Raises:
            OSError: The system's error.
        """
        try:
            return self.folder.status(self.parts)
        except FileNotFoundError:
            if not self.added:
                raise
            return self.folder.status(())

    def entries(self) -> Iterable[Entry]:
        """Iterate over the entries of a directory, those of mounts included.

        Raises:
            OSError: The system's error.
        """
        try:
            for entry in self.folder.entries(self.parts):
                if entry.name not in self.added:
                    yield entry
        except FileNotFoundError:
            if not self.added:
                raise
        yield from (Entry(name, "directory") for name in self.added)

    @property
    def within(self) -> str:
        """The path from the folder's root."""
        return "/" + "/".join(self.parts)

    def page(self, after: str, most: int) -> list[Entry]:
        """Return the next entries of a directory, by name.

        Raises:
            OSError: The system's error.
        """
        added = [Entry(name, "directory") for name in self.added if name > after]
        try:
            found = self.folder.page(self.parts, after, most)
        except FileNotFoundError:
            if not self.added:
                raise
            found = []
        others = (entry for entry in found if entry.name not in self.added)
        return sorted((*others, *added), key=lambda entry: entry.name)[:most]

    def listed(self) -> list[Entry]:
        """Return the entries of a directory, by name.

        Raises:
            LimitReached: There are more than the limit.
            OSError: The system's error.
        """
        found: list[Entry] = []
        for entry in self.entries():
            if len(found) == self.folder.limits.entries:
                raise LimitReached(
                    f"{self.path} has more than {self.folder.limits.entries:,} entries"
                )
            found.append(entry)
        return sorted(found, key=lambda entry: entry.name)


class _Folders(dict[str, tuple[object, Folder]]):
    """The open folders of one instance, with what each was opened for."""


class Tree:
    """The files of all components of one host.

    Args:
        policy: Maps components to folders, with limits.
        guard: Decides about paths, and knows which mounts a grant names.
        effects: The record of what comes of each operation.
    """

    def __init__(self, policy: OslPolicy, guard: Guard, effects: Effects | None = None) -> None:
        self.policy = policy
        self.guard = guard
        self.effects = effects or Effects()
        self._ledgers = Ledgers()
        self._threads: dict[str, anyio.CapacityLimiter] = {}
        self._mounts = {mount.name: mount for mount in policy.mounts}

    async def place(self, caller: Caller, path: str) -> Place:
        """Return where a path of a component is.

        Args:
            caller: The component, on whose account the folder is opened.
            path: The path, in canonical form.

        Raises:
            OslError: The path names what no file can be, or the folder cannot be opened.
            AccountExceeded: It would be one descriptor too many.
        """
        parts = parts_of(path)
        if self._mounts and parts[:1] in ((), (_MNT,)):
            mounts = self._named_by(caller.name)
            if len(parts) > 1 and parts[1] in mounts:
                return await self._mounted(caller, mounts[parts[1]], path, parts[2:])
            if mounts and len(parts) < 2:
                added = tuple(sorted(mounts)) if parts else (_MNT,)
                return Place(path, await self._own(caller), parts, added)
        return Place(path, await self._own(caller), parts)

    def own(self, caller: Caller) -> Folder:
        """Return the component's own folder, which closes when its instance ends.

        Raises:
            OslError: The folder cannot be opened.
            AccountExceeded: It would be one descriptor too many.
        """
        folder = _known(caller, "", None)
        if folder is None:
            with _held(caller, "", None) as keep:
                folder = keep(self._open_own(caller.name))
        folder.limits = self.policy.folders  # they may have changed since it was opened
        return folder

    async def _own(self, caller: Caller) -> Folder:
        if _known(caller, "", None) is None:
            await _kept(caller, "", None, lambda: self._open_own(caller.name), None)
        return self.own(caller)

    def _open_own(self, component: str) -> Folder:
        try:
            root = self.policy.root_of(component)
        except MountInvalid as error:
            raise AccessDenied("the host forbids this component's folder", "host") from error
        return Folder(root, self.policy.folders, ledgers=self._ledgers)

    async def _mounted(
        self, caller: Caller, mount: Mount, path: str, parts: tuple[str, ...]
    ) -> Place:
        limits = replace(
            self.policy.folders,
            total_bytes=mount.total_bytes or _UNBOUNDED,
            total_entries=mount.total_entries or _UNBOUNDED,
        )

        def opened() -> Folder:
            try:
                folder = self.policy.folder_of_mount(mount)
            except MountInvalid as error:
                raise AccessDenied("the host forbids this mount", "host") from error
            return Folder(
                folder,
                limits,
                ledgers=self._ledgers,
                is_read_only=mount.read_only,
                is_made=False,
                prefix=mount.place,
            )

        threads = self._threads.get(mount.name)
        if threads is None:
            threads = self._threads[mount.name] = anyio.CapacityLimiter(_THREADS)
        folder = _known(caller, mount.name, mount) or await _kept(
            caller, mount.name, mount, opened, threads
        )
        folder.limits = limits
        return Place(path, folder, parts, threads=threads)

    def readable_mounts(self, component: str) -> list[str]:
        """Return the folders of the mounts in which a component may read and list everything."""
        found = self._mounts_for(component, "filesystem:read", "filesystem:list")
        return [str(self.policy.folder_of_mount(mount)) for mount in found]

    def writable_mounts(self, component: str) -> list[tuple[str, int]]:
        """Return those in which it may change everything, each with the bytes that it may have."""
        needed = (f"filesystem:{each}" for each in ("read", "list", "write", "delete"))
        return [
            (str(self.policy.folder_of_mount(mount)), mount.total_bytes or _UNBOUNDED)
            for mount in self._mounts_for(component, *needed)
        ]

    def _mounts_for(self, component: str, *capabilities: str) -> list[Mount]:
        return [
            mount
            for mount in self._named_by(component).values()
            if not (mount.read_only and "filesystem:write" in capabilities)
            and all(
                self.guard.decide(component, each, f"{mount.place}/", argument="prefix").is_allowed
                for each in capabilities
            )
        ]

    def _named_by(self, component: str) -> dict[str, Mount]:
        grants = self.guard.grants_of(component)
        return {
            name: mount
            for name, mount in self._mounts.items()
            if any(is_named(grants, each, name) for each in grants.allow)
        }


def _known(caller: Caller, name: str, meant: object) -> Folder | None:
    known = caller.keep(_Folders, _Folders).get(name)
    return known[1] if known is not None and known[0] == meant else None


async def _kept(
    caller: Caller,
    name: str,
    meant: object,
    opened: Callable[[], Folder],
    threads: anyio.CapacityLimiter | None,
) -> Folder:
    """Open a folder on a worker thread: its disk may hang."""
    with _held(caller, name, meant) as keep:
        return keep(await to_thread.run_sync(opened, limiter=threads))


@contextlib.contextmanager
def _held(caller: Caller, name: str, meant: object) -> Generator[Callable[[Folder], Folder]]:
    """Take a descriptor from the account for a folder that the block opens and keeps."""
    holding = caller.account.hold(descriptors=1)

    def keep(folder: Folder) -> Folder:
        caller.on_close(folder.close)
        caller.on_close(holding.release)
        caller.keep(_Folders, _Folders)[name] = meant, folder
        return folder

    try:
        yield keep
    except BaseException:
        holding.release()
        raise


def is_named(grants: Grants, capability: str, mount: str) -> bool:
    """Return whether a grant of files names a mount: `/mnt/photos/**`, or `/mnt/**` for all."""
    if not capability.startswith("filesystem:"):
        return False
    for pattern in grants.allow.get(capability, ()):
        names = pattern.strip("/").split("/", 2)
        if len(names) > 1 and names[0] == _MNT and names[1] in (mount, *_EVERY):
            return True
    return False


class MountLayer:
    """The layer of the guard that opens a mount only to capabilities whose grants name it."""

    name = "mounts"

    def __init__(self, mounts: Iterable[Mount], guard: Guard) -> None:
        self._mounts = {mount.name: mount for mount in mounts}
        self._guard = guard

    def judge(self, component: str, capability: str, resource: Resource) -> Verdict | None:
        """Refuse a capability whose grants do not name the mount that another's do."""
        names = resource.text.strip("/").split("/", 2)
        if len(names) < 2 or names[0] != _MNT or names[1] not in self._mounts:
            return None
        mount, grants = self._mounts[names[1]], self._guard.grants_of(component)
        is_there = any(is_named(grants, each, mount.name) for each in grants.allow)
        if not is_there or is_named(grants, capability, mount.name):
            return None
        rule = f"no grant of {capability.replace(':', '.')} names the mount {mount.place}"
        present = grants.allow.get(capability, ())
        line = manifest_line(capability, (*present, f"{mount.place}/**"))
        return Verdict(self.name, is_allowed=False, rule=rule, line=line)

    def effort(self, component: str, capability: str) -> int:
        """Return the effort of a few comparisons."""
        del component
        return 8 if capability.startswith("filesystem:") else 1


def mount_layer(services: Services) -> MountLayer:
    """Return this block's layer of the guard."""
    return MountLayer(policy_of(services).mounts, services.get(Guard))
