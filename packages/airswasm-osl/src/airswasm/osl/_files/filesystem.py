"""`airswasm:component/filesystem`: whole files below a component's own `/`.

The guard in front of these functions checks the path as the guest wrote it, in its canonical form;
the functions open that same canonical form, so check and effect cannot mean two files. Worker
threads do all disk work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from airswasm.runtime import Caller, Effect, HostInterface
from airswasm.security import InvalidResource
from anyio import to_thread

from .._answers import answered, check_room
from .._effects import Effects, RunningEffect
from .._policy import OslPolicy
from .._spelling import read_path
from ..errors import Malformed
from .folder import Folder

READ_AT_MOST_BYTES = 8 * 1024 * 1024
_READ, _WRITE = "filesystem:read", "filesystem:write"
_DELETE, _LIST = "filesystem:delete", "filesystem:list"
_ENTRY_BYTES = 12  # of a `directory-entry` in the guest's memory, without its name


def folder_for(caller: Caller, policy: OslPolicy) -> Folder:
    """Return the caller's open folder, which closes when its instance ends.

    Raises:
        OslError: The folder cannot be opened.
        AccountExceeded: It would be one descriptor too many.
    """

    def opened() -> Folder:
        holding = caller.account.hold(descriptors=1)
        folder = Folder(policy.root_of(caller.name), policy.folders)
        caller.on_close(folder.close)
        caller.on_close(holding.release)
        return folder

    folder = caller.keep(Folder, opened)
    folder.limits = policy.folders  # they may have changed since it was opened
    return folder


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
    """The functions of the interface, for all components of one host."""

    def __init__(self, policy: OslPolicy, effects: Effects | None = None) -> None:
        self.policy = policy
        self._effects = effects or Effects()

    def interface(self) -> HostInterface:
        """Return the interface for guests; a guard belongs in front of it."""
        functions: dict[str, Callable[..., Awaitable[object]]] = {
            "read": self.read,
            "write": self.write,
            "append": self.append,
            "remove": self.remove,
            "create-directory": self.create_directory,
            "list-directory": self.list_directory,
            "stat": self.stat,
        }
        return HostInterface(
            "airswasm:component/filesystem@0.1.0",
            {name: answered(function) for name, function in functions.items()},
            effects=dict.fromkeys(("read", "list-directory", "stat"), Effect.READS),
        )

    async def read(self, caller: Caller, path: str, offset: int, max_bytes: int) -> bytes:
        """Return at most `max_bytes`, and no more than the guest has room for."""
        folder, path = self._at(caller, path)
        at_most_bytes = min(max_bytes, READ_AT_MOST_BYTES, caller.message_bytes)
        with self._effect(caller, _READ, path) as effect:
            content = await to_thread.run_sync(folder.read, path, min(offset, 2**62), at_most_bytes)
            effect.received(len(content))
        return content

    async def write(self, caller: Caller, path: str, content: bytes) -> None:
        """Replace the file."""
        folder, path = self._at(caller, path)
        with self._effect(caller, _WRITE, path) as effect:
            await to_thread.run_sync(folder.write, path, content)
            effect.sent(len(content))

    async def append(self, caller: Caller, path: str, content: bytes) -> None:
        """Append to the file."""
        folder, path = self._at(caller, path)
        with self._effect(caller, _WRITE, path, "append") as effect:
            await to_thread.run_sync(folder.append, path, content)
            effect.sent(len(content))

    async def remove(self, caller: Caller, path: str) -> None:
        """Remove the file or empty directory."""
        folder, path = self._at(caller, path)
        with self._effect(caller, _DELETE, path):
            await to_thread.run_sync(folder.remove, path)

    async def create_directory(self, caller: Caller, path: str) -> None:
        """Create the directory."""
        folder, path = self._at(caller, path)
        with self._effect(caller, _WRITE, path, "create-directory"):
            await to_thread.run_sync(folder.create_directory, path)

    async def list_directory(self, caller: Caller, path: str) -> object:
        """Return its entries, by name.

        Raises:
            LimitReached: The guest has no room for their names.
        """
        folder, path = self._at(caller, path)
        with self._effect(caller, _LIST, path):
            entries = await to_thread.run_sync(folder.list_directory, path)
        size_bytes = sum(_ENTRY_BYTES + len(entry.name.encode()) for entry in entries)
        check_room(caller, size_bytes, f"the list of {len(entries):,} entries of {path}")
        return entries

    async def stat(self, caller: Caller, path: str) -> object:
        """Return its metadata."""
        folder, path = self._at(caller, path)
        with self._effect(caller, _READ, path, "stat"):
            info = await to_thread.run_sync(folder.stat, path)
        return {
            "kind": info.kind,
            "size_bytes": info.size_bytes,
            "modified_ns": info.modified_ns,
        }

    def _effect(self, caller: Caller, capability: str, path: str, act: str = "") -> RunningEffect:
        return self._effects.begin(caller.name, capability, path, act)

    def _at(self, caller: Caller, path: str) -> tuple[Folder, str]:
        return folder_for(caller, self.policy), canonical_path(path)
