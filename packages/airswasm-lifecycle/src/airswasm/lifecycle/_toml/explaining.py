"""Phrase pydantic's findings for a TOML author: file, line, key, and what to write."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from ..errors import ManifestProblem
from .positions import Path as KeyPath
from .positions import line_of

if typing.TYPE_CHECKING:
    from pydantic import ValidationError

_FEW = 20
_LONGEST_VALUE = 80
_LONGEST_WORD = 64
"""A key that is longer was not meant to be a known one, and comparing it takes long."""
MOST_FINDINGS = 50
"""Problems that are told, with a suggestion each; a file may hold ten thousand."""

__all__ = ("MOST_FINDINGS", "did_you_mean", "explain", "explain_problems", "locate", "model_in")


def explain_problems(
    error: ValidationError, root: type, positions: Mapping[KeyPath, int], file: str
) -> Sequence[ManifestProblem]:
    """Return every finding with its place in the file."""
    return locate(explain(error, root), positions, file)


def locate(
    findings: Iterable[tuple[KeyPath, str]], positions: Mapping[KeyPath, int], file: str
) -> Sequence[ManifestProblem]:
    """Give each finding its line, and sort them by it."""
    problems = {
        ManifestProblem(file, line_of(positions, path), ".".join(path), text)
        for path, text in findings
    }
    return sorted(problems, key=lambda problem: (problem.line, problem.key))


def explain(error: ValidationError, root: type) -> Iterable[tuple[KeyPath, str]]:
    """Says for each finding which key it is about and what is wrong with it."""
    for detail in error.errors(include_url=False)[:MOST_FINDINGS]:
        path = tuple(part for part in detail["loc"] if isinstance(part, str))
        kind, value = detail["type"], detail["input"]
        context = detail.get("ctx", {})
        if kind in ("unexpected_keyword_argument", "extra_forbidden"):
            yield path, f"unknown key{did_you_mean(path[-1], _keys_at(root, path[:-1]))}"
        elif kind in ("missing", "missing_argument"):
            yield path, "is missing"
        elif kind == "value_error":
            text = str(context["error"])
            key = text.partition(" ")[0]
            if isinstance(value, Mapping) and key in value:  # a table's rule begins with its key
                path, value = (*path, key), typing.cast("Mapping[str, object]", value)[key]
            is_whole = isinstance(value, Mapping | list)  # the rule says which part it is about
            shown = _shown(typing.cast("object", value))
            yield path, text if is_whole or shown in text else f"{text}, not {shown}"
        elif kind == "literal_error":
            yield path, f"{_shown(value)} is none of {context['expected']}"
        elif kind in ("dataclass_type", "dataclass_exact_type", "dict_type"):
            yield path, "expected a table"
        else:
            expected = detail["msg"].removeprefix("Input should be ")
            yield path, f"expected {expected}, not {_shown(value)}"


def _shown(value: object) -> str:
    """Return a value as it was written, of a length that one can read."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Name the known word closest to `word`, or all known words if they are few."""
    candidates = sorted(known)
    if len(word) > _LONGEST_WORD:
        return ""
    matches = get_close_matches(word, candidates, n=1, cutoff=0.5)
    if matches:
        return f"; did you mean `{matches[0]}`?"
    return f"; known are {', '.join(candidates)}" if 0 < len(candidates) <= _FEW else ""


def _keys_at(root: type, path: KeyPath) -> Sequence[str]:
    section: object = root
    for part in path:
        section = model_in(typing.get_type_hints(section).get(part))
        if section is None:
            return ()
    return [each.name for each in dataclasses.fields(typing.cast("type[_Section]", section))]


def model_in(hint: object) -> type | None:
    """Return the dataclass that a type is, or is a collection of."""
    choices = typing.get_args(hint) or (hint,)
    for choice in choices:
        if isinstance(choice, type) and dataclasses.is_dataclass(choice):
            return choice
    return None


@dataclasses.dataclass
class _Section:
    """A stand-in for any section, for type checkers."""
