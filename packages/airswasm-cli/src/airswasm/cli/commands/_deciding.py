"""Decide what a plan asks for: all of it, less, or none, at a terminal or by options.

The answer is two lists in the words of a manifest: what is granted instead of what was asked for,
and what is denied. What neither names is granted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import typer

from .._control.document import Document, items, one_line, text
from .._session.terminal import Terminal

__all__ = ("DENY", "GRANT", "Choice", "GrantOptions", "choose", "show_wish")

GRANT = typer.Option(
    "--grant",
    metavar="CAPABILITY[=PATTERN]",
    help="Grant this and deny what no --grant names; repeatable.",
)
DENY = typer.Option(
    "--deny", metavar="CAPABILITY[=PATTERN]", help="Deny this, now and in updates; repeatable."
)
_Patterns = dict[str, tuple[str, ...]]
_MOST_TRIES = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """The answer to a plan that is approved.

    Attributes:
        narrowed: For a capability, the patterns to grant instead.
        denied: For a capability, the patterns to deny.
        remembered: The fingerprint of a key to trust from now on; empty for none.
    """

    narrowed: Mapping[str, Sequence[str]] = field(default_factory=_Patterns)
    denied: Mapping[str, Sequence[str]] = field(default_factory=_Patterns)
    remembered: str = ""

    def lines(self) -> tuple[str, str]:
        """Return both as lines of a manifest."""
        return _lines(self.narrowed), _lines(self.denied)


@dataclass(frozen=True, slots=True)
class GrantOptions:
    """`--grant` and `--deny`: each `CAPABILITY`, or `CAPABILITY=PATTERN`.

    With `grant`, what no option names is denied.
    """

    grant: Sequence[str] = ()
    deny: Sequence[str] = ()

    def choice(self, plan: Document) -> Choice:
        """Return the answer that the options give to a plan.

        Raises:
            BadParameter: An option names a capability that is not in question.
        """
        asked = {text(wish["capability"]): _patterns(wish) for wish in items(plan.get("wishes"))}
        granted = _read("--grant", self.grant, asked)
        denied = {
            name: tuple(patterns) or asked[name]
            for name, patterns in _read("--deny", self.deny, asked).items()
        }
        narrowed = {name: tuple(patterns) for name, patterns in granted.items() if patterns}
        if self.grant:
            denied |= {
                name: patterns
                for name, patterns in asked.items()
                if name not in granted and name not in denied
            }
        return Choice(narrowed, denied)


def choose(terminal: Terminal, plan: Document) -> Choice | None:
    """Ask about each capability of a plan; None to refuse the plan.

    Raises:
        AnswerNeeded: No person can answer.
    """
    narrowed, denied = _Patterns(), _Patterns()
    wishes = items(plan.get("wishes"))
    for number, wish in enumerate(wishes, 1):
        show_wish(terminal, wish, f"{number}/{len(wishes)}")
        name, asked = text(wish["capability"]), _patterns(wish)
        answer, first = _ask_one(terminal)
        match answer:
            case "n":
                less = _ask_patterns(terminal, name, asked, first)
                if less:
                    narrowed[name] = less
                else:
                    denied[name] = asked
            case "d":
                denied[name] = asked
            case "q":
                return None
            case _:
                pass
    return Choice(narrowed, denied)


def show_wish(terminal: Terminal, wish: Document, mark: str) -> None:
    """Show a capability: a sentence, the line of the manifest, and the author's reason."""
    patterns = ", ".join(f'"{one_line(each)}"' for each in _patterns(wish))
    terminal.say(f"  {mark}  {one_line(wish['sentence'])}")
    terminal.say(f"       {text(wish['capability'])} = [{patterns}]")
    if not patterns.isascii():  # letters of other alphabets that look like those of this one
        plain = patterns.encode("ascii", "backslashreplace").decode()
        terminal.say(f"       look twice, it is not all ASCII: {plain}")
    if wish.get("reason"):
        reason = one_line(wish["reason"]).replace('"', "'")
        terminal.say(f'       its author says: "{reason}"')


_ANSWERS = ("g", "grant", "n", "narrow", "d", "deny", "q", "quit")


def _ask_one(terminal: Terminal) -> tuple[str, str]:
    """Ask for one decision; `n PATTERN` has the first pattern in the same line."""
    for _ in range(_MOST_TRIES):
        typed = terminal.ask("     [g]rant, [n]arrow, [d]eny, or [q]uit?")
        answer, _, rest = typed.partition(" ")
        answer, rest = answer.lower(), rest.strip()
        if answer in _ANSWERS and (answer[0] == "n" or not rest):
            return answer[0], rest
        terminal.say("     answer g, n, d or q; n may have a pattern behind it")
    return "q", ""


def _ask_patterns(
    terminal: Terminal, name: str, asked: Sequence[str], first: str = ""
) -> tuple[str, ...]:
    """Ask for patterns within those that are asked for, until an empty line."""
    terminal.say("     one pattern a line; an empty line ends the list (none denies it)")
    patterns: list[str] = []
    while True:
        typed, first = first or terminal.ask(f"     {name} on:"), ""
        if not typed:
            return tuple(patterns)
        problem = _judge(name, typed, asked)
        if problem is None:
            patterns.append(typed)
        else:
            terminal.say(f"     {problem}")


def _judge(name: str, pattern: str, asked: Sequence[str]) -> str | None:
    """Return why a pattern does not narrow what is asked for; None if it does."""
    from airswasm.security import GrantOrigin, GrantRecord, Grants, Kinds, SecurityError
    from airswasm.wit import Blocks

    annotation = name.replace(".", ":", 1)
    kinds = Kinds(Blocks.find().capabilities.values())
    try:
        kinds.check(Grants({annotation: (pattern,)}))
        GrantRecord().deciding(
            Grants({annotation: tuple(asked)}), GrantOrigin("operator", 0.0, ""),
            narrowed={annotation: (pattern,)}, kinds=kinds,
        )  # fmt: skip
    except SecurityError as error:
        return str(error)
    return None


def _read(
    option: str, words: Sequence[str], asked: Mapping[str, object]
) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for word in words:
        name, _, pattern = word.partition("=")
        if name not in asked:
            names = ", ".join(asked) or "nothing"
            raise typer.BadParameter(f"{option} {name}: the plan asks about {names}")
        found.setdefault(name, []).extend([pattern] if pattern else [])
    return found


def _patterns(wish: Document) -> tuple[str, ...]:
    found = wish.get("patterns")
    return tuple(map(str, cast("list[object]", found))) if isinstance(found, list) else ()


def _lines(table: Mapping[str, Sequence[str]]) -> str:
    from airswasm.security import manifest_line

    return "\n".join(
        manifest_line(name.replace(".", ":", 1), patterns) for name, patterns in table.items()
    )
