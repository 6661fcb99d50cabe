"""The interpreters that components of this home need, kept whatever is installed beside the host.

A package that is sources names an ABI. Where the distribution that brings that interpreter is
removed, or moves on to another ABI, what was installed with it goes on with the copy that is here.
A file begins with the SHA-256 of what follows, so that a damaged one is none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator
from pathlib import Path

from airswasm.runtime.files import replace_file

from .artifacts import Removed

__all__ = ("KeptInterpreters",)

_DIGEST_BYTES = 32


class KeptInterpreters:
    """A folder with one file for each ABI."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, abi: str) -> bytes | None:
        """Return an interpreter; None where none is kept, or it is damaged."""
        try:
            content = (self._folder / abi).read_bytes()
        except OSError:
            return None
        wasm = content[_DIGEST_BYTES:]
        return wasm if hashlib.sha256(wasm).digest() == content[:_DIGEST_BYTES] else None

    def keep(self, abi: str, wasm: bytes) -> None:
        """Keep an interpreter in the place of the one with its ABI.

        Raises:
            OSError: The disk is full or the folder is not writable.
        """
        digest, path = hashlib.sha256(wasm).digest(), self._folder / abi
        if path.is_file():
            with path.open("rb") as file:
                if file.read(_DIGEST_BYTES) == digest:
                    return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, digest, wasm)

    def beyond(self, abis: Container[str]) -> Iterator[Path]:
        """Yield the files of other ABIs than these."""
        if self._folder.is_dir():
            yield from (each for each in self._folder.iterdir() if each.name not in abis)

    def remove(self, abis: Container[str], *, dry_run: bool) -> Removed:
        """Remove the interpreters of other ABIs than these."""
        files, size_bytes = 0, 0
        for path in tuple(self.beyond(abis)):
            files, size_bytes = files + 1, size_bytes + path.stat().st_size
            if not dry_run:
                path.unlink(missing_ok=True)
        return Removed(files, size_bytes)
