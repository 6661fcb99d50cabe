"""The check in front of each path of wasi:filesystem."""

from __future__ import annotations

from typing import NamedTuple

from airswasm.runtime import Caller

from .._files.tree import Place, Tree
from .codes import Refused
from .open_files import Descriptor
from .paths import named_below

__all__ = ("Door", "Target")


class Target(NamedTuple):
    """A path that a guest gave, and where it is.

    Attributes:
        place: Where it is on the host.
        ending: The end of the path that says that it names a directory; see `paths`.
    """

    place: Place
    ending: str

    @property
    def path(self) -> str:
        """The path from the component's `/`, in canonical form."""
        return self.place.path


class Door:
    """Decides about paths, for all components of one host.

    Args:
        tree: Has the files, and the guard that decides.
    """

    def __init__(self, tree: Tree) -> None:
        self.guard = tree.guard
        self.tree = tree

    async def target(self, caller: Caller, base: Descriptor, path: str) -> Target:
        """Return where a path is that a guest gave relative to a directory.

        Raises:
            Refused: `base` is no directory, or the path has no safe reading.
            OslError: The folder cannot be opened.
        """
        if base.held is not None:
            raise Refused("not-directory")
        named = named_below(base.path, path)
        return Target(await self.tree.place(caller, named.path), named.ending)

    async def changeable(
        self, caller: Caller, base: Descriptor, path: str, capability: str
    ) -> Target:
        """Return where a path is, which the component may change under a capability.

        Raises:
            Refused: It may not, or nothing may, as with the root.
            OslError: The folder cannot be opened.
        """
        target = await self.target(caller, base, path)
        if target.path != "/":
            self.require(caller, capability, target.path)
        if not target.place.parts or target.place.added:  # the root, or the place of a mount
            raise Refused("busy" if capability == "filesystem:delete" else "exist")
        return target

    def require(
        self,
        caller: Caller,
        capability: str,
        path: str,
        *,
        argument: str | None = None,
        tell: bool = True,
    ) -> None:
        """Check a capability, and tell the guest's stderr what it lacks.

        Raises:
            Refused: It lacks it.
        """
        decision = self.guard.check(caller.name, capability, path, argument=argument)
        if not decision.is_allowed:
            if tell:
                caller.wasi.stderr.write(f"{decision.text}\n".encode())
            raise Refused("access")

    def may_list(self, caller: Caller, path: str) -> bool:
        """Return whether the caller may see the names in a directory.

        A guest's `readdir` asks for the hash of every entry, as its inode number; refusing one
        would hide all of them.
        """
        return self.guard.decide(caller.name, "filesystem:list", path).is_allowed
