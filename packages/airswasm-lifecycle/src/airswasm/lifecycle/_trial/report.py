"""The outcome of a replay: values for people, commands and gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ("Divergence", "DivergenceKind", "ReplayReport", "StateDifference")

DivergenceKind: TypeAlias = Literal["start", "ending", "reply", "refusal", "calls", "fuel"]


@dataclass(frozen=True, slots=True)
class Divergence:
    """One way in which a version handled a message otherwise.

    Attributes:
        message: The id of the message; empty for a start.
        at: When it was recorded, in seconds since 1970.
        kind: `ending` (a reply, a refusal, a trap, a limit), `reply`, `refusal`, `calls` for what
            it asked of others, `fuel`, or `start`.
        recorded: The recorded side, as text.
        came: The version's side, as text.
    """

    message: str
    at: float
    kind: DivergenceKind
    recorded: str
    came: str


@dataclass(frozen=True, slots=True)
class StateDifference:
    """One key that has another value after the replay.

    Attributes:
        key: The key.
        running: The value that the running version leaves; None where there is none.
        candidate: The value that the new version leaves; None where there is none.
        message: The id of the message with which one of them last wrote it; empty if none did.
    """

    key: str
    running: bytes | None
    candidate: bytes | None
    message: str = ""


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """The comparison of two versions over a recording.

    Attributes:
        name: The component.
        running: The version that serves.
        candidate: The version that was tried.
        messages: Messages of the recording.
        compared: Those that could be compared.
        diverged: Those of them that the candidate handled otherwise.
        divergences: The first of the divergences; a message may have several.
        differing_keys: Keys that have another value in the end.
        differences: The first of them.
        unsure: Messages that the candidate handled otherwise, and for which it asked for what was
            not recorded: it may differ for want of that.
        incomparable: Why messages, and keys, could not be compared, and how many.
        running_fuel: Fuel of the compared messages with the running version.
        candidate_fuel: The same with the candidate.
        seconds: How long it took.
    """

    name: str
    running: str
    candidate: str
    messages: int = 0
    compared: int = 0
    diverged: int = 0
    divergences: tuple[Divergence, ...] = ()
    differing_keys: int = 0
    differences: tuple[StateDifference, ...] = ()
    unsure: int = 0
    incomparable: Mapping[str, int] = field(default_factory=dict[str, int])
    running_fuel: int = 0
    candidate_fuel: int = 0
    seconds: float = 0.0

    @property
    def has_diverged(self) -> bool:
        """Whether the candidate did anything otherwise."""
        return bool(self.diverged or self.differing_keys or self.divergences)

    @property
    def verdict(self) -> Literal["passed", "blocked", "not comparable"]:
        """The verdict of a gate."""
        if self.has_diverged:
            return "blocked"
        return "passed" if self.compared and not self.unsure else "not comparable"
