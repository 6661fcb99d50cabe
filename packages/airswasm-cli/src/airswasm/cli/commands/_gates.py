"""The verdicts of the gates on a change of version, as a person reads them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Annotated

import typer

from .._control.document import Document, items, one_line, text
from .._session.terminal import Terminal

__all__ = (
    "OVERRIDE",
    "REASON",
    "OverrideGates",
    "Why",
    "check_verdicts",
    "overridden",
    "overrides_of",
    "show_verdicts",
)

OVERRIDE = typer.Option(
    "--override", metavar="GATE",
    help="Let it pass this gate whatever it finds; needs --reason. May be repeated.",
)  # fmt: skip
REASON = typer.Option("--reason", metavar="TEXT", help="The reason of --override, for the record.")
OverrideGates = Annotated[list[str] | None, OVERRIDE]
Why = Annotated[str | None, REASON]


def overrides_of(gates: list[str] | None, reason: str | None) -> dict[str, str]:
    """Return the gates to override with the reason.

    Raises:
        BadParameter: One of the two options is missing, or names no single gate.
    """
    if any(not each.strip() or "," in each for each in gates or ()):
        raise typer.BadParameter("--override names one gate; repeat it for another one")
    if gates and not (reason or "").strip():
        raise typer.BadParameter("--override needs a reason: --reason TEXT")
    if reason is not None and not gates:
        raise typer.BadParameter("--reason is the reason of --override GATE")
    return dict.fromkeys(gates or (), reason or "")


def show_verdicts(terminal: Terminal, document: Document) -> None:
    """Show the verdicts in a plan, or in the result of a change."""
    verdicts = items(document.get("verdicts"))
    width = max(40, min(terminal.columns, 100))
    longest = max((len(text(each["gate"])) for each in verdicts), default=0)
    for number, each in enumerate(verdicts):
        first = f"  {'gates' * (not number):13}{text(each['gate']).ljust(longest)}  "
        lines = textwrap.wrap(
            _words(each), width, initial_indent=first, subsequent_indent=" " * len(first),
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
        for line in lines:
            terminal.say(line)


def overridden(plan: Document, overrides: Mapping[str, str]) -> Document:
    """Return a plan whose verdicts say what an operator overrides.

    Raises:
        GateUnknown: There is no such gate.
    """
    from airswasm.lifecycle import GateUnknown

    verdicts = items(plan.get("verdicts"))
    known = [text(each["gate"]) for each in verdicts]
    for gate in overrides:
        if gate not in known:
            raise GateUnknown(gate, known)
    changed = [{**each, "override": overrides.get(text(each["gate"]), "")} for each in verdicts]
    return {**plan, "verdicts": changed}


def check_verdicts(plan: Document) -> None:
    """Raise if a gate stops the change that a plan describes.

    Raises:
        WouldBeBlocked: One does.
    """
    from ..errors import WouldBeBlocked

    stopping = [
        text(each["gate"])
        for each in items(plan.get("verdicts"))
        if each["outcome"] == "blocked" and each["mode"] == "blocks" and not each["override"]
    ]
    if stopping:
        raise WouldBeBlocked(text(plan["name"]), text(plan["version"]), stopping)


def _words(verdict: Document) -> str:
    outcome, override = text(verdict["outcome"]), one_line(verdict.get("override"))
    if outcome == "blocked" and verdict.get("mode") == "warns":
        outcome += " (only warns here)"
    elif outcome == "blocked" and override:
        outcome += f" (overridden: {override})"
    reasons = "; ".join(one_line(each.get("text")) for each in items(verdict.get("reasons")))
    return f"{outcome}: {reasons}" if reasons else outcome
