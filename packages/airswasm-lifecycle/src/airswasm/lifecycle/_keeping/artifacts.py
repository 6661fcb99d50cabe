"""The stored files of installed packages, as an operator uses them: list, verify, clean up, pin."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import anyio.to_thread
from airswasm.runtime import Engine

from .._home.artifacts import ArtifactStore, Removed
from .._hosting.interpreted import Interpreters
from .._packages.manifest import MANIFEST_NAME
from .._packages.package import SIGNATURE_NAME
from .._registry.ledger import Ledger
from .._registry.registry import ComponentRecord, Registry, VersionRecord
from ..errors import ArtifactCorrupt, HostOffline
from .retaining import Retaining

__all__ = ("Artifact", "ArtifactCheck", "ArtifactUse", "Artifacts", "CleanUp")


@dataclass(frozen=True, slots=True)
class ArtifactUse:
    """A version that needs a stored file."""

    name: str
    version: str
    path: str
    """Its path in the package."""
    is_active: bool


@dataclass(frozen=True, slots=True)
class Artifact:
    """One stored file, under the SHA-256 of its bytes."""

    digest: str
    kind: str
    """`component`, `manifest`, `signature`, `file`; `unneeded` if no version needs it."""
    size_bytes: int | None
    """None if it is missing."""
    since: float | None
    """When the first version that needs it was installed, seconds since 1970; None if none does."""
    needed_by: tuple[ArtifactUse, ...]


@dataclass(frozen=True, slots=True)
class ArtifactCheck:
    """One file that was read and hashed.

    Attributes:
        digest: Its SHA-256, as recorded.
        kind: See `Artifact`.
        size_bytes: Its bytes; 0 if it is missing.
        number: Its place among those that are checked, from 1.
        files: How many these are.
        problem: What is wrong; empty if it is in order.
        needed_by: The versions that lack it if it is damaged; empty otherwise.
        mend: How each name gets it back, as commands; empty if it is in order.
    """

    digest: str
    kind: str
    size_bytes: int
    number: int
    files: int
    problem: str = ""
    needed_by: tuple[ArtifactUse, ...] = ()
    mend: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CleanUp:
    """The effect of a clean-up, done or planned.

    Attributes:
        versions: The versions that no rule keeps any more, as `NAME VERSION`.
        files: Stored files that nothing needs.
        size_bytes: The bytes of these.
        compiled: Entries of the compile cache whose component is gone.
        compiled_bytes: The bytes of these.
        is_dry_run: Whether all of it is still there.
    """

    versions: tuple[str, ...]
    files: int
    size_bytes: int
    compiled: int
    compiled_bytes: int
    is_dry_run: bool = False


class Artifacts:
    """The stored files of a home; `System.artifacts`.

    Args:
        registry: What is installed.
        store: The files.
        changes: What it takes to change something; None where the home was opened read-only.
    """

    def __init__(
        self, registry: Registry, store: ArtifactStore, changes: ArtifactChanges | None = None
    ) -> None:
        self._registry, self._store, self._changes = registry, store, changes

    async def list(self) -> tuple[Artifact, ...]:
        """Return every file that is stored or should be, by digest."""
        records = tuple(self._registry)
        return await anyio.to_thread.run_sync(self._list, records)

    async def verify(self) -> AsyncGenerator[ArtifactCheck]:
        """Read and hash every file that a version needs, in pieces, and iterate over the outcome.

        A file whose last version leaves meanwhile is passed over.
        """
        needed = await anyio.to_thread.run_sync(_needed, tuple(self._registry))
        for number, (digest, uses) in enumerate(needed.items(), 1):
            problem, size = "", 0
            try:
                size = await anyio.to_thread.run_sync(self._store.check, digest)
            except ArtifactCorrupt as error:
                if digest not in self._registry.digests():
                    continue
                problem = error.reason
            shown = tuple(use for use, _ in uses)
            kind = _kind(digest, uses)
            if not problem:
                yield ArtifactCheck(digest, kind, size, number, len(needed))
                continue
            mend = tuple(dict.fromkeys(_mend(use, version) for use, version in uses))
            yield ArtifactCheck(digest, kind, size, number, len(needed), problem, shown, mend)

    async def gc(self, *, dry_run: bool = False) -> CleanUp:
        """Remove what no rule keeps: versions, stored files, and compiled code of gone components.

        It is safe beside components that run and beside installs.

        Args:
            dry_run: Say what would be removed, and remove nothing.

        Raises:
            HostOffline: The home was opened read-only.
            StorageError, AuditUnavailable: Nothing, or a part of it, was removed.
        """
        if self._changes is None:
            raise HostOffline("artifacts gc")
        return await (self._changes.look() if dry_run else self._changes.clean())

    async def pin(self, name: str, version: str) -> None:
        """Keep a retained version of a component until it is unpinned.

        Raises:
            HostOffline: The home was opened read-only.
            NotInstalled, VersionNotRetained: There is no such version.
        """
        await self._set_pin(name, version, is_pinned=True)

    async def unpin(self, name: str, version: str) -> None:
        """Leave a version to the rules again: the next clean-up may remove it.

        Raises:
            HostOffline: The home was opened read-only.
            NotInstalled, VersionNotRetained: There is no such version.
        """
        await self._set_pin(name, version, is_pinned=False)

    async def _set_pin(self, name: str, version: str, *, is_pinned: bool) -> None:
        if self._changes is None:
            raise HostOffline("artifacts pin" if is_pinned else "artifacts unpin")
        async with self._changes.alone(name):
            await self._changes.ledger.set_pin(name, version, is_pinned=is_pinned)

    def _list(self, records: Sequence[ComponentRecord]) -> tuple[Artifact, ...]:
        needed = _needed(records)
        found = [
            Artifact(
                digest, _kind(digest, uses), self._store.size(digest),
                min(version.installed_at for _, version in uses), tuple(use for use, _ in uses),
            )
            for digest, uses in needed.items()
        ]  # fmt: skip
        for path in self._store.beyond(needed):
            size = self._store.size(path.name)
            found.append(Artifact(path.name, "unneeded", size, None, ()))
        return tuple(sorted(found, key=lambda each: each.digest))


@dataclass(frozen=True, slots=True)
class ArtifactChanges:
    """The parts of an open home that a change of its stored files takes."""

    registry: Registry
    store: ArtifactStore
    ledger: Ledger
    retaining: Retaining
    engine: Engine
    interpreters: Interpreters
    alone: Callable[[str], AbstractAsyncContextManager[None]]

    async def clean(self) -> CleanUp:
        """Remove what `look` tells of."""
        done = await self.retaining.drop_expired()
        gone = tuple(f"{name} {each}" for name, versions in done.items() for each in versions)
        removed = await self.ledger.sweep_all()
        kept = [version for each in self.registry for version in each.versions]
        return await self._trimmed(gone, removed, kept, dry_run=False)

    async def look(self) -> CleanUp:
        """Return what a clean-up would remove now."""
        records = tuple(self.registry)
        gone = {each.name: await self.retaining.expired(each.name) for each in records}
        kept = tuple(
            version
            for each in records
            for version in each.versions
            if version.version not in gone[each.name]
        )
        digests = {digest for version in kept for digest in version.files.values()}
        removed = await anyio.to_thread.run_sync(self._beyond, digests)
        listed = tuple(f"{name} {each}" for name, versions in gone.items() for each in versions)
        return await self._trimmed(listed, removed, kept, dry_run=True)

    async def _trimmed(
        self, gone: tuple[str, ...], removed: Removed, kept: Iterable[VersionRecord], *,
        dry_run: bool,
    ) -> CleanUp:  # fmt: skip
        """Trim what is compiled, and the interpreters, to what some versions need."""
        digests = dict.fromkeys(each.wasm_digest for each in kept)
        compiled = await self.engine.trim_cache(
            self.interpreters.wasm_of(self._read(digests)), dry_run=dry_run
        )
        more = await anyio.to_thread.run_sync(
            lambda: self.interpreters.keep_only(self._read(digests), dry_run=dry_run)
        )
        files, size_bytes = removed.files + more.files, removed.size_bytes + more.size_bytes
        return CleanUp(gone, files, size_bytes, *compiled, is_dry_run=dry_run)

    def _beyond(self, digests: set[str]) -> Removed:
        sizes = [self.store.size(path.name) or 0 for path in self.store.beyond(digests)]
        return Removed(len(sizes), sum(sizes))

    def _read(self, digests: dict[str, None]) -> Iterator[bytes]:
        for digest in digests:
            try:
                yield self.store.path(digest).read_bytes()
            except OSError:  # `verify` tells of it
                continue


_Uses = list[tuple[ArtifactUse, VersionRecord]]


def _needed(records: Sequence[ComponentRecord]) -> dict[str, _Uses]:
    found: dict[str, _Uses] = {}
    for record in records:
        for version in record.versions:
            for path, digest in version.files.items():
                is_active = version.version == record.active
                use = ArtifactUse(record.name, version.version, path, is_active)
                found.setdefault(digest, []).append((use, version))
    return found


def _kind(digest: str, uses: _Uses) -> str:
    use, version = uses[0]
    known = {MANIFEST_NAME: "manifest", SIGNATURE_NAME: "signature"}
    return known.get(use.path, "component" if version.wasm_digest == digest else "file")


def _mend(use: ArtifactUse, version: VersionRecord) -> str:
    """Return how a name gets a lost file back; an install of the same package restores it."""
    if not version.source:
        return f"install the package of {use.name} {use.version} again: airswasm install FILE"
    at = f" (it was {version.pin})" if version.pin else ""
    return f"airswasm install {version.source}{at}"
