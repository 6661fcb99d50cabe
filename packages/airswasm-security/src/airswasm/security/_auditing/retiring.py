"""The oldest files of a log go: after a line that says so, and once that line is on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from airswasm.runtime.files import sync_folder

from ..errors import AuditBroken
from .files import first_line, rotated_files
from .lines import AuditEvent, AuditHead, decode, line_number
from .tally import retired_event

__all__ = ("Retiring", "sync_copy")


class Retiring:
    """The files that go, each with the line that says so.

    Args:
        path: The log.
        keep_files: Number of rotated files to keep, which may change; None for all.
    """

    def __init__(self, path: Path, keep_files: int | None) -> None:
        self._path, self.keep_files = path, keep_files
        self._going: list[tuple[int, Path]] = []

    def due(self) -> Iterator[tuple[Path, AuditEvent]]:
        """Iterate over what is to go now, each with the event of its line."""
        if self.keep_files is None:
            return
        going = {path for _, path in self._going}
        files = rotated_files(self._path)
        surplus = max(0, len(files) - self.keep_files)
        for old, after in zip(files[:surplus], (*files, self._path)[1:], strict=False):
            if old in going:
                continue
            try:
                event = _retirement(old, after)
            except AuditBroken:  # an altered file is evidence, and stays
                continue
            yield old, event

    def add(self, line: int, path: Path) -> None:
        """Note that a line says that a file goes."""
        self._going.append((line, path))

    def covered(self, line: int) -> list[Path]:
        """Return the files whose lines are on the disk, when a line is."""
        return [path for number, path in self._going if number <= line]

    def forget(self, gone: Sequence[Path]) -> None:
        """Forget files that are removed."""
        self._going = [each for each in self._going if each[1] not in gone]

    def finish(self, descriptor: int) -> None:
        """Wait for the disk, and remove all of them."""
        if self._going:
            os.fsync(descriptor)
            _remove([path for _, path in self._going])
            self._going.clear()
        sync_folder(self._path.parent)


def _retirement(old: Path, after: Path) -> AuditEvent:
    following = first_line(after)
    last = AuditHead(line_number(following, after) - 1, str(decode(after, 1, following)["prev"]))
    return retired_event(line_number(first_line(old), old), last, old)


def sync_copy(descriptor: int, path: Path, size: int, retired: Sequence[Path]) -> None:
    """Wait for the disk; then the files can go whose line is there.

    Raises:
        OSError: The disk refuses, or another program has moved, removed or cut the file.
    """
    try:
        os.fsync(descriptor)
        found = os.fstat(descriptor)
        if not os.path.samestat(found, path.stat()) or found.st_size < size:
            raise OSError(None, "another program has moved, removed or cut the file")
    finally:
        os.close(descriptor)
    _remove(retired)


def _remove(files: Sequence[Path]) -> None:
    for path in files:
        path.unlink(missing_ok=True)
    if files:
        sync_folder(files[0].parent)
