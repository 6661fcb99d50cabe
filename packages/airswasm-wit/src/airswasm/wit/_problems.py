"""Faults that a check found, as values: of a component, and of an installed block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ("BlockProblem", "Problem", "Rule", "shorten", "side_by_side")

Rule: TypeAlias = Literal[
    "not-a-component",
    "too-complex",
    "handler-missing",
    "export-outside-interface",
    "export-version",
    "export-incomplete",
    "export-differs",
    "import-outside-interface",
    "import-version",
    "import-not-installed",
    "import-unknown",
    "import-function-unknown",
    "import-differs",
]

_MOST_OF_A_NAME = 120
_MOST_OF_A_SIGNATURE = 300


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a component does not fit.

    Attributes:
        rule: The rule that it breaks; stable, for programs.
        subject: The interface or function, `airswasm:component/handler@0.1.0#handle-message`.
        message: The fault.
        advice: The change that mends it.
        expected: The contract's signature, where the two differ.
        found: The component's signature, where the two differ.
        provider: The distribution to install, where that is the advice.
    """

    rule: Rule
    subject: str
    message: str
    advice: str
    expected: str | None = None
    found: str | None = None
    provider: str | None = None

    def __str__(self) -> str:
        """Return one line."""
        sides = ""
        if self.shows_both:
            sides = f" (contract: `{self.expected}`, component: `{self.found}`)"
        subject = f"{shorten(self.subject)}: " if self.subject else ""
        return f"{subject}{self.message}{sides}: {self.advice}"

    @property
    def shows_both(self) -> bool:
        """Whether the signatures differ as text, and not only inside a type that they name."""
        return self.expected is not None and self.expected != self.found

    def explain(self) -> str:
        """Return several lines, with both signatures under each other where they differ."""
        subject = f"{shorten(self.subject)}: " if self.subject else ""
        lines = [f"{subject}{self.message}"]
        if self.expected is not None and self.found is not None and self.shows_both:
            lines += side_by_side(self.expected, self.found).split("\n")
        return "\n  ".join([*lines, self.advice])


@dataclass(frozen=True, slots=True)
class BlockProblem:
    """One reason why a block, or a part of it, cannot be used.

    Attributes:
        distribution: The package to update or to remove.
        reason: What is wrong.
    """

    distribution: str
    reason: str

    def __str__(self) -> str:
        return f"{self.distribution}: {self.reason}"


def side_by_side(expected: str, found: str) -> str:
    """Write two signatures under each other with a mark below the first difference."""
    ours, theirs = (shorten(text, _MOST_OF_A_SIGNATURE) for text in (expected, found))
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    if at is None:
        at = min(len(ours), len(theirs))
    return f"contract:  {ours}\ncomponent: {theirs}\n           {' ' * at}^"


def shorten(text: str, most: int = _MOST_OF_A_NAME) -> str:
    """Cut a text that is longer than `most` characters, and mark the cut."""
    return text if len(text) <= most else f"{text[:most]}…"
