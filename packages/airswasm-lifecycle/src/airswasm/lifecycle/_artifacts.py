"""Installed files, each stored once under the SHA-256 of its bytes.

A file is written beside its place, synced, renamed, and its folder synced: it
is there whole or not at all, whenever the machine stops. What it is read for
is checked on the way: `read` hashes the very bytes that it returns, so what
runs is what was verified. Ten thousand names of one artifact cost one file.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection
from pathlib import Path

from airswasm.runtime.files import replace_file, sync_folder

from .errors import ArtifactCorrupt, HomeUnusable

__all__ = ("ArtifactStore",)


class ArtifactStore:
    """A content-addressed folder. Several processes may read it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, digest: str) -> Path:
        """Where the file of that SHA-256 (hex) is, whether it exists or not."""
        return self._folder / digest[:2] / digest

    def has(self, digest: str) -> bool:
        """Whether a file of that digest was stored; does not read it."""
        return self.path(digest).is_file()

    def is_empty(self) -> bool:
        """Whether nothing was ever stored, or nothing is left."""
        return not any(self._folder.glob("*/*"))

    def add(self, content: bytes) -> str:
        """Stores bytes durably and returns their SHA-256; storing twice is one file.

        Raises:
            HomeUnusable: the disk is full or the folder cannot be written; nothing is left.
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
        """Returns the bytes of that digest, checked.

        Raises:
            ArtifactCorrupt: the file is missing or is not what was stored.
        """
        path = self.path(digest)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ArtifactCorrupt(digest, str(path), f"{error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise ArtifactCorrupt(digest, str(path), "the content has changed")
        return content

    def sweep(self, keep: Collection[str]) -> int:
        """Removes what is not in `keep`, and leftovers of interrupted writes.

        Returns:
            How many files were removed.
        """
        removed = 0
        for path in self._folder.glob("*/*"):
            if path.name not in keep:
                with contextlib.suppress(OSError):
                    path.unlink()
                    removed += 1
                    path.parent.rmdir()  # where it was the last one
        return removed

    def _is_intact(self, target: Path, content: bytes) -> bool:
        with contextlib.suppress(OSError):
            return target.stat().st_size == len(content) and target.read_bytes() == content
        return False

    def _write(self, target: Path, content: bytes) -> None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(target, content)
        sync_folder(self._folder)  # where the target's own may be new
