"""Store each installed file once, under the SHA-256 of its bytes.

A write goes to a temporary file beside the target, is synced, renamed, and the folder is synced:
whenever the machine stops, the file is whole or absent. `read` hashes the very bytes that it
returns, so the host runs what it verified. Ten thousand names of one artifact cost one file.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from airswasm.runtime.files import replace_file, sync_folder

from ..errors import ArtifactCorrupt, HomeUnusable

__all__ = ("ArtifactStore", "Removed")

_PIECE_BYTES = 2**20


class Removed(NamedTuple):
    """The number and the bytes of files that were removed."""

    files: int = 0
    size_bytes: int = 0


class ArtifactStore:
    """A content-addressed folder. Several processes may read it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, digest: str) -> Path:
        """Return the path for a SHA-256 (hex), whether or not the file exists."""
        return self._folder / digest[:2] / digest

    def has(self, digest: str) -> bool:
        """Return whether a file of that digest exists, without reading it."""
        return self.path(digest).is_file()

    def is_empty(self) -> bool:
        """Return whether the folder holds no file."""
        return not any(self._folder.glob("*/*"))

    def add(self, content: bytes) -> str:
        """Store bytes durably and return their SHA-256; equal content takes one file.

        Raises:
            HomeUnusable: The disk is full or the folder is not writable; no partial file remains.
        """
        digest = hashlib.sha256(content).hexdigest()
        target = self.path(digest)
        if not self._is_intact(target, content):
            try:
                self._write(target, content)
            except OSError as error:
                reason = f"cannot be written: {error.strerror}"
                raise HomeUnusable(str(target), reason) from error
        return digest

    def read(self, digest: str) -> bytes:
        """Return the bytes of that digest after checking them.

        Raises:
            ArtifactCorrupt: The file is missing or its content has changed.
        """
        path = self.path(digest)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ArtifactCorrupt(digest, str(path), f"{error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise ArtifactCorrupt(digest, str(path), "the content has changed")
        return content

    def stamp(self, digest: str) -> tuple[int, ...] | None:
        """Return what changes when a file does; None if it is not there.

        Equal stamps mean the same bytes, unless the disk itself is at fault.
        """
        try:
            status = self.path(digest).stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def sweep(self, keep: Container[str]) -> Removed:
        """Remove every file whose digest is not in `keep`, and leftovers of interrupted writes."""
        return _remove(self.beyond(keep))

    def beyond(self, keep: Container[str]) -> Iterator[Path]:
        """Yield what `sweep` would remove."""
        return (path for path in self._folder.glob("*/*") if path.name not in keep)

    def remove(self, digests: Iterable[str]) -> Removed:
        """Remove the files of these digests, as far as they are there."""
        return _remove(map(self.path, digests))

    def size(self, digest: str) -> int | None:
        """Return the bytes of the file of a digest; None if it is not there."""
        try:
            return self.path(digest).stat().st_size
        except OSError:
            return None

    def check(self, digest: str) -> int:
        """Read and hash a file in pieces, and return its bytes.

        Raises:
            ArtifactCorrupt: The file is missing or its content has changed.
        """
        path, read, found = self.path(digest), 0, hashlib.sha256()
        try:
            with path.open("rb", buffering=0) as file:
                while piece := file.read(_PIECE_BYTES):
                    found.update(piece)
                    read += len(piece)
        except OSError as error:
            raise ArtifactCorrupt(digest, str(path), f"{error.strerror}") from error
        if found.hexdigest() != digest:
            raise ArtifactCorrupt(digest, str(path), "the content has changed")
        return read

    def _is_intact(self, target: Path, content: bytes) -> bool:
        with contextlib.suppress(OSError):
            return target.stat().st_size == len(content) and target.read_bytes() == content
        return False

    def _write(self, target: Path, content: bytes) -> None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(target, content)
        sync_folder(self._folder)  # the target's folder may be new


def _remove(paths: Iterable[Path]) -> Removed:
    files, size_bytes = 0, 0
    for path in paths:
        with contextlib.suppress(OSError):
            size = path.lstat().st_size
            path.unlink()
            files, size_bytes = files + 1, size_bytes + size
            path.parent.rmdir()  # remove the folder if it is now empty
    return Removed(files, size_bytes)
