"""Store the files of installed packages: stage, read back, verify again, sweep.

Reading back trusts nothing: it hashes every file, verifies the signature over all of them, and
compares the statement with the recorded package. Ten thousand names of one package are read and
verified once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Mapping

import anyio
import anyio.to_thread
from airswasm.security import VerifiedStatement, verify

from .._home.artifacts import ArtifactStore, Removed
from .._packages.manifest import MANIFEST_NAME, Manifest
from .._packages.package import SIGNATURE_NAME, Package
from ..errors import ArtifactCorrupt, RegistryCorrupt
from .info import read_manifest
from .registry import ComponentRecord, VersionRecord

__all__ = ("StoredPackages",)

_Verified = tuple[Manifest, VerifiedStatement | None]
_Stamps = tuple[tuple[int, ...] | None, ...]


class StoredPackages:
    """The files of every retained version."""

    def __init__(self, artifacts: ArtifactStore, checkpoint: Callable[[str], None]) -> None:
        self.artifacts = artifacts
        self._checkpoint = checkpoint
        self._verified: dict[tuple[str, str | None], tuple[_Verified, _Stamps]] = {}
        self._verifying: dict[tuple[str, str | None], anyio.Lock] = {}
        self._manifests: dict[str, Manifest] = {}

    async def stage(self, package: Package) -> None:
        """Store every file of a package durably; no record refers to them yet.

        This process verified the package when it read it, so its first start needs no second
        verification: the files are content-addressed, and the loader hashes the wasm that runs.

        Raises:
            HomeUnusable: A file is not writable.
        """
        await anyio.to_thread.run_sync(self._stage, package)
        if (package.signature is None) == (package.verified is None):
            key = (package.digests[MANIFEST_NAME], package.digests.get(SIGNATURE_NAME))
            verified = package.manifest, package.verified
            self._verified[key] = verified, self._stamps(package.digests)

    async def verified(self, record: ComponentRecord, version: VersionRecord) -> _Verified:
        """Return the manifest of an installed version and its signed statement.

        Files that changed since the last time are read and verified again.

        Raises:
            ArtifactCorrupt: A file is missing or changed.
            SecurityError: The signature does not hold.
            RegistryCorrupt: It is the package of another component.
        """
        key = (version.files[MANIFEST_NAME], version.files.get(SIGNATURE_NAME))
        known = self._unchanged(key, version)
        if known is None:
            async with self._verifying.setdefault(key, anyio.Lock()):
                known = self._unchanged(key, version)
                if known is None:
                    known = await anyio.to_thread.run_sync(self.verify_now, record, version)
            self._verifying.pop(key, None)
        return known

    def verify_now(self, record: ComponentRecord, version: VersionRecord) -> _Verified:
        """Return the same as `verified`, where nothing may be awaited."""
        key = (version.files[MANIFEST_NAME], version.files.get(SIGNATURE_NAME))
        known = self._unchanged(key, version)
        if known is None:
            stamps = self._stamps(version.files)  # before, lest a change between them is missed
            known = self._verify(record, version)
            self._verified[key] = known, stamps
        return known

    def _unchanged(self, key: tuple[str, str | None], version: VersionRecord) -> _Verified | None:
        found = self._verified.get(key)
        return found[0] if found is not None and found[1] == self._stamps(version.files) else None

    def _stamps(self, files: Mapping[str, str]) -> _Stamps:
        return tuple(self.artifacts.stamp(files[path]) for path in sorted(files))

    def files(self, version: VersionRecord) -> dict[str, bytes]:
        """Return the files of a version, without its signature.

        Raises:
            ArtifactCorrupt: A file is missing or changed.
        """
        named = {path: each for path, each in version.files.items() if path != SIGNATURE_NAME}
        return {path: self.artifacts.read(digest) for path, digest in named.items()}

    async def is_whole(self, version: VersionRecord) -> bool:
        """Return whether every file of a version is on the disk as it was installed."""
        return await anyio.to_thread.run_sync(self._is_whole, version)

    def manifest(self, record: ComponentRecord) -> Manifest:
        """Return the active version's manifest for display; hashed, not verified further.

        Raises:
            ArtifactCorrupt: It is missing or changed.
        """
        digest = record.active_version.files[MANIFEST_NAME]
        known = self._manifests.get(digest)
        if known is None:
            known = self._manifests[digest] = read_manifest(self.artifacts, record)
        return known

    async def remove(self, digests: Collection[str]) -> Removed:
        """Remove files, on disk and in memory."""
        for digest in digests:
            self._manifests.pop(digest, None)
        if digests:
            self._verified = {k: each for k, each in self._verified.items() if k[0] not in digests}
        return await anyio.to_thread.run_sync(self.artifacts.remove, digests)

    async def sweep(self, keep: Container[str]) -> Removed:
        """Remove every file on the disk that is not to be kept."""
        return await anyio.to_thread.run_sync(self.artifacts.sweep, keep)

    def size_of(self, version: VersionRecord) -> int:
        """Return the bytes of a version's files that are there."""
        return sum(self.artifacts.size(each) or 0 for each in version.files.values())

    def _is_whole(self, version: VersionRecord) -> bool:
        try:
            for digest in version.files.values():
                self.artifacts.read(digest)
        except ArtifactCorrupt:
            return False
        return True

    def _stage(self, package: Package) -> None:
        for path in sorted(package.files):
            self._checkpoint(f"stage.{path}")
            self.artifacts.add(package.files[path])
        if package.signature is not None:
            self.artifacts.add(package.signature)
        self._checkpoint("staged")

    def _verify(self, record: ComponentRecord, version: VersionRecord) -> _Verified:
        files = {path: self.artifacts.read(digest) for path, digest in version.files.items()}
        envelope = files.get(SIGNATURE_NAME)
        verified = verify(envelope, files) if envelope is not None else None
        if verified is not None and verified.statement.name != record.package_name:
            raise RegistryCorrupt(record.name, "it refers to the package of another component")
        file = f"{record.name}/{MANIFEST_NAME}"
        return Manifest.parse(files[MANIFEST_NAME], file=file), verified
