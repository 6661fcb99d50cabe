"""The part of a version's record that is about the copy of its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

__all__ = ("Checkpoints", "DataCheckpoint")

Checkpoints: TypeAlias = Literal["migrations", "always", "never"]
"""The updates before which data is copied."""


@dataclass(frozen=True, slots=True)
class DataCheckpoint:
    """A copy of a component's data, taken before another version worked on it.

    Attributes:
        label: Its name in the blocks that keep it.
        taken_at: Seconds since 1970.
        size_bytes: Its size.
        content: How many things it has, by their noun: `key`, `file`.
        data_format: The version whose `migrate` made that data what it is, empty for none; None if
            the record is of a time before this was kept.
    """

    label: str
    taken_at: float
    size_bytes: int = 0
    content: Mapping[str, int] = field(default_factory=dict[str, int])
    data_format: str | None = None

    def to_document(self) -> dict[str, object]:
        """Return it in its stored form."""
        document: dict[str, object] = {
            "label": self.label,
            "taken_at": self.taken_at,
            "bytes": self.size_bytes,
            "content": dict(self.content),
        }
        if self.data_format is not None:
            document["data_format"] = self.data_format
        return document

    @classmethod
    def from_document(cls, document: object) -> DataCheckpoint | None:
        """Read the stored form; None stands for no checkpoint.

        Raises:
            KeyError, TypeError, ValueError: It is malformed.
        """
        if document is None:
            return None
        found = cast("Mapping[str, object]", document)
        content = cast("Mapping[str, object]", found["content"])
        data_format = found.get("data_format")
        return cls(
            str(found["label"]),
            float(str(found["taken_at"])),
            int(str(found["bytes"])),
            {str(noun): int(str(count)) for noun, count in content.items()},
            None if data_format is None else str(data_format),
        )
