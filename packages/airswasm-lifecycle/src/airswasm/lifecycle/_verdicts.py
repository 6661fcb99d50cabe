"""Verdicts of gates on a change of version: values, with reasons as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ("GateVerdict", "Mode", "Outcome", "Reason", "Verdict")

Outcome: TypeAlias = Literal["passed", "blocked", "not comparable", "not applicable", "not tried"]
Mode: TypeAlias = Literal["blocks", "warns", "off"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason for a verdict.

    Attributes:
        code: The kind, for programs: `function-removed`, `timed-out`.
        text: The same for people, in one line.
        subject: The function, topic, message or file concerned; may be empty.
        affected: The names of those that it hits.
        detail: Further fields.
    """

    code: str
    text: str
    subject: str = ""
    affected: tuple[str, ...] = ()
    detail: Mapping[str, str | int | float | bool] = field(
        default_factory=dict[str, "str | int | float | bool"]
    )

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of one gate.

    Attributes:
        outcome: `passed`; `blocked`; `not comparable`: it could not find out; `not applicable`:
            there is nothing to find out; `not tried`: nothing has run.
        reasons: Why; a gate that passes may have something to say, too.
    """

    outcome: Outcome
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """A verdict, and what it means for the change.

    Attributes:
        gate: The gate's name.
        outcome: As in `Verdict`.
        reasons: As in `Verdict`.
        mode: `blocks`, or `warns` where the settings do not let it stop this change, or `off`.
        override: Why an operator lets the change pass all the same; empty where none does.
        seconds: How long it took.
    """

    gate: str
    outcome: Outcome
    reasons: tuple[Reason, ...] = ()
    mode: Mode = "blocks"
    override: str = ""
    seconds: float = 0.0

    @property
    def is_stopping(self) -> bool:
        """Whether the change must not happen."""
        return self.outcome == "blocked" and self.mode == "blocks" and not self.override

    @property
    def is_overridden(self) -> bool:
        """Whether it would have stopped the change, but for an operator."""
        return self.outcome == "blocked" and self.mode == "blocks" and bool(self.override)

    def __str__(self) -> str:
        """Return the verdict in one line."""
        why = f": {'; '.join(map(str, self.reasons))}" if self.reasons else ""
        return f"{self._outcome}{why}"

    @property
    def lines(self) -> tuple[str, ...]:
        """The verdict, with a line for each reason."""
        first, *rest = map(str, self.reasons or ("",))
        return (f"{self._outcome}{first and f': {first}'}", *(f"  {each}" for each in rest))

    @property
    def _outcome(self) -> str:
        note = f" (overridden: {self.override})" if self.is_overridden else ""
        if self.outcome == "blocked" and self.mode == "warns":
            note = " (only warns here)"
        return f"{self.gate}: {self.outcome}{note}"
