"""The form of what a watcher gets: frames, each about one part of the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ("PARTS", "Frame", "Part", "Row")

Row: TypeAlias = tuple[object, ...]
Part: TypeAlias = Literal["host", "components", "supervisors", "traffic", "events", "receipts"]
PARTS: tuple[Part, ...] = ("host", "components", "supervisors", "traffic", "events", "receipts")


@dataclass(frozen=True, slots=True)
class Frame:
    """A step in the life of one part.

    A table (`components`, `supervisors`, `traffic`) comes whole at first, with the names of its
    columns, and then as what has changed. A stream (`events`, `receipts`) comes as rows that are
    new. `host` is a few figures.

    Attributes:
        part: The part.
        at: When, in seconds since 1970.
        columns: The names of the columns, in the first frame of a part; empty in later ones.
        rows: The rows that are new or have changed, by their keys.
        gone: The keys of the rows that are there no more.
        lines: The new rows of a stream, the oldest first.
        lost: The rows that the reader was too slow for, or for which there is no room.
        figures: The figures of `host`.
    """

    part: str
    at: float
    columns: Sequence[str] = ()
    rows: Mapping[str, Row] = field(default_factory=dict[str, Row])
    gone: Sequence[str] = ()
    lines: Sequence[Row] = ()
    lost: int = 0
    figures: Mapping[str, object] = field(default_factory=dict[str, object])
