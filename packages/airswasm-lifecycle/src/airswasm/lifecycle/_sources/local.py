"""Read a package from this machine: a folder, a `.airswasm` file, or standard input."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import anyio.to_thread
from airswasm.security import file_source

from .._packages.archive import ArchiveLimits
from .._packages.package import archive_of
from ..errors import PackageInvalid, SourceTooLarge
from .settings import SourceSettings
from .source import Arrived, Fetched
from .trees import STDIN, FetchedTree, read_folder

__all__ = ("STDIN", "PathSource")

_PIECE = 2**20
_PIPE = "pipe a package into it: `airswasm install - --yes < hello-0.1.0.airswasm`"


class PathSource:
    """The kind `path`.

    Args:
        settings: What an operator allows.
    """

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings

    def canonical(self, text: str) -> str:
        """See `PackageSource`; a path is absolute."""
        return text if text == STDIN else _real(text)

    def pinned(self, text: str, pin: str) -> str:
        """See `PackageSource`; a path has no pins."""
        del pin
        return self.canonical(text)

    async def fetch(self, text: str, arrived: Arrived) -> Fetched:
        """See `PackageSource`."""
        if text == STDIN:
            # A thread that waits for a pipe cannot be ended: leave it behind.
            content = await anyio.to_thread.run_sync(self._read_stdin, abandon_on_cancel=True)
        else:
            content = await anyio.to_thread.run_sync(self._read, Path(text))
        arrived(len(content))
        place = "" if text == STDIN else await anyio.to_thread.run_sync(_place, text, content)
        return Fetched(content, self.canonical(text), place=place)

    async def fetch_tree(self, text: str, arrived: Arrived) -> FetchedTree:
        """See `TreeSource`; the folder of a project."""
        files = await anyio.to_thread.run_sync(read_folder, text, self._settings.most_bytes)
        arrived(sum(len(each.content) for each in files.values()))
        return FetchedTree(files, self.canonical(text))

    def _read(self, path: Path) -> bytes:
        limits = ArchiveLimits(total_bytes=self._settings.most_bytes)
        return archive_of(path, limits=limits)

    def _read_stdin(self) -> bytes:
        if sys.stdin.isatty():
            reason = "standard input is a terminal, and has no package"
            raise PackageInvalid(STDIN, reason, hint=_PIPE)
        content = bytearray()
        while piece := sys.stdin.buffer.read(_PIECE):
            content += piece
            if len(content) > self._settings.most_bytes:
                raise SourceTooLarge(
                    STDIN, "sources.most_bytes", f"{self._settings.most_bytes:,} bytes"
                )
        if not content:
            raise PackageInvalid(STDIN, "standard input is empty", hint=_PIPE)
        return bytes(content)


def _real(text: str) -> str:
    try:
        return str(Path(text).resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links; a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise PackageInvalid(text, f"cannot be read: {reason}", is_there=False) from error


def _place(given: str, content: bytes) -> str:
    """Return the text by which `[trust] sources` may trust a file, or a folder that was packed."""
    is_folder = Path(given).is_dir()
    members = zipfile.ZipFile(io.BytesIO(content)).namelist() if is_folder else ()
    return file_source(given, members)
