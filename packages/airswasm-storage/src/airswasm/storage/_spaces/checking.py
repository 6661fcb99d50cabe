"""Check an export without taking it in."""

from __future__ import annotations

from dataclasses import dataclass

from .export import ExportReader

__all__ = ("ExportCheck", "ExportSummary")


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """The content of an export.

    Attributes:
        namespace: The namespace that was exported.
        created_at: When it was, in seconds since 1970.
        entries: How many entries it has.
        size_bytes: The size of the export.
    """

    namespace: str
    created_at: float
    entries: int
    size_bytes: int


class ExportCheck:
    """Reads an export piece by piece, in constant memory, and keeps nothing of it."""

    def __init__(self) -> None:
        self._reader = ExportReader()
        self._size_bytes = 0

    def feed(self, chunk: bytes) -> None:
        """Check the next piece.

        Raises:
            ExportInvalid: Altered, or not an export.
        """
        self._size_bytes += len(chunk)
        for _ in self._reader.feed(chunk):
            pass

    def finish(self) -> ExportSummary:
        """Check that this was all of it, and return what it holds.

        Raises:
            ExportInvalid: Something is missing.
        """
        self._reader.finish()
        created_at = self._reader.created_at
        assert created_at is not None, "it has a first line"
        return ExportSummary(
            self._reader.namespace, created_at, self._reader.entries, self._size_bytes
        )
