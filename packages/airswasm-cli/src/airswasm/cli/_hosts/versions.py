"""Operations on versions, their files and their history, by a `System` of this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol

from .._control.document import Document
from .stored_host import to_document

if TYPE_CHECKING:
    from airswasm.lifecycle import System

__all__ = ("LocalVersions", "VersionHost")


class VersionHost(Protocol):
    """A home's versions."""

    async def all_history(
        self, since: float | None = None, recent: int = 100
    ) -> AsyncIterator[Document]:
        """Return what happened on this host, newest last."""
        ...

    async def history(
        self, name: str, since: float | None = None, recent: int = 100
    ) -> AsyncIterator[Document]:
        """Return what happened to a component, newest last."""
        ...

    async def artifacts(self) -> Sequence[Document]:
        """Return the stored files, with the versions that need them."""
        ...

    async def verify_artifacts(self) -> AsyncIterator[Document]:
        """Read and hash every stored file that a version needs."""
        ...

    async def clean_artifacts(self, dry_run: bool = False) -> Document:
        """Remove the versions and the files that no rule keeps."""
        ...

    async def pin_version(self, name: str, version: str) -> Document:
        """Keep a retained version until it is unpinned."""
        ...

    async def unpin_version(self, name: str, version: str) -> Document:
        """Leave a version to the rules of retention again."""
        ...


class LocalVersions:
    """The versions of a `System`, in documents.

    Args:
        system: The open system.
    """

    def __init__(self, system: System) -> None:
        self._with = system

    async def all_history(
        self, since: float | None = None, recent: int = 100
    ) -> AsyncIterator[Document]:
        """See `VersionHost`."""
        return self._told(None, since, recent)

    async def history(
        self, name: str, since: float | None = None, recent: int = 100
    ) -> AsyncIterator[Document]:
        """See `VersionHost`."""
        if not await self._with.history.read(name, last=1):
            self._with.component_status(name)
        return self._told(name, since, recent)

    async def artifacts(self) -> Sequence[Document]:
        """See `VersionHost`."""
        return [to_document(each) for each in await self._with.artifacts.list()]

    async def verify_artifacts(self) -> AsyncIterator[Document]:
        """See `VersionHost`."""
        return self._checked()

    async def clean_artifacts(self, dry_run: bool = False) -> Document:
        """See `VersionHost`."""
        return to_document(await self._with.artifacts.gc(dry_run=dry_run))

    async def pin_version(self, name: str, version: str) -> Document:
        """See `VersionHost`."""
        await self._with.artifacts.pin(name, version)
        return to_document(self._with.info(name))

    async def unpin_version(self, name: str, version: str) -> Document:
        """See `VersionHost`."""
        await self._with.artifacts.unpin(name, version)
        return to_document(self._with.info(name))

    async def _told(
        self, name: str | None, since: float | None, recent: int
    ) -> AsyncIterator[Document]:
        for each in await self._with.history.read(name, since=since, last=int(recent)):
            yield to_document(each)

    async def _checked(self) -> AsyncIterator[Document]:
        async with aclosing(self._with.artifacts.verify()) as checks:
            async for each in checks:
                yield to_document(each)
