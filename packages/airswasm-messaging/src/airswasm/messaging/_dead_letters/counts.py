"""The books of the dead letters."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("DeadLetterCounts",)


@dataclass(frozen=True, slots=True)
class DeadLetterCounts:
    """The books of the dead letters since the host started.

    `found + noted` is the sum of all others but `size_bytes`.

    Attributes:
        found: Letters that were there when the store was opened.
        noted: Messages that died since then.
        stored: Letters that are on the disk.
        waiting: Letters that wait in memory to be written.
        size_bytes: What these two take.
        dropped: Letters that gave way to newer ones, or became too old.
        lost: Of those that gave way, letters that a full or broken disk had refused before.
        discarded: Letters that an operator dropped.
        replayed: Letters whose message was accepted again.
        forgotten: Letters of purged names.
        failure: Why letters cannot be written at the moment; empty if they can.
    """

    found: int = 0
    noted: int = 0
    stored: int = 0
    waiting: int = 0
    size_bytes: int = 0
    dropped: int = 0
    lost: int = 0
    discarded: int = 0
    replayed: int = 0
    forgotten: int = 0
    failure: str = ""
