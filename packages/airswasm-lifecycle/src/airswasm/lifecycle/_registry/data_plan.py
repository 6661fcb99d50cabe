"""The effect of a rollback on the data of a component, for the operator who decides about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ("DataChoice", "DataDifference", "DataPlan")

DataChoice: TypeAlias = Literal["keep", "restore"]
"""The data of now, or that of the version to which a rollback returns."""


@dataclass(frozen=True, slots=True)
class DataDifference:
    """The difference between the data of now and a checkpoint, for one kind of thing.

    Attributes:
        noun: The kind: `key`, `file`.
        added: Things that are new; restoring the data removes them.
        changed: Things that changed; restoring the data changes them back.
        removed: Things that are gone; restoring the data brings them back.
        is_cut: Whether there are more, which were not counted.
    """

    noun: str
    added: int
    changed: int
    removed: int
    is_cut: bool


@dataclass(frozen=True, slots=True)
class DataPlan:
    """The choice between the data of now and that of a checkpoint.

    Attributes:
        version: The version to return to.
        must_choose: Whether it goes behind a migration: without a choice it is refused.
        migrated_by: The version whose `migrate` made the data what it is; empty for none.
        has_checkpoint: Whether the data of that version is there.
        taken_at: When it was copied, in seconds since 1970.
        size_bytes: Its size.
        content: How many things it has, by their noun: `key`, `file`.
        differences: Of the data of now from it.
        unkept: Blocks that have nothing of it: what they keep stays as it is.
        handled: Messages that were handled since, and whose effect on the data would be lost.
        handled_is_least: Whether there may have been more: the component was started since.
        waiting: Messages that wait, and stay: the version that runs next gets them.
        timers: Timers that are set, and stay.
        outside: Capabilities by which it may have acted elsewhere; no rollback undoes that.
    """

    version: str
    must_choose: bool
    migrated_by: str
    has_checkpoint: bool
    taken_at: float | None = None
    size_bytes: int = 0
    content: Mapping[str, int] = field(default_factory=dict[str, int])
    differences: tuple[DataDifference, ...] = ()
    unkept: tuple[str, ...] = ()
    handled: int = 0
    handled_is_least: bool = False
    waiting: int = 0
    timers: int = 0
    outside: tuple[str, ...] = ()
