"""The choice between the data of now and that of an earlier version, as a person reads it."""

from __future__ import annotations

import textwrap
import time
from typing import TYPE_CHECKING, cast

from .._control.document import Document, items, mapping, number, one_line, text
from ._times import counted, lasted, size

if TYPE_CHECKING:
    from .._session.terminal import Terminal

__all__ = ("ask_for_data", "shown_checkpoint", "show_data")

_FIRST, _NEXT = 2, 15
_MOST_COLUMNS = 100


def show_data(terminal: Terminal, plan: Document) -> None:
    """Show what each choice does to the data, and what stays either way."""
    data = mapping(plan.get("data"))
    version, now = text(plan["version"]), text(plan["previous_version"])
    restored, kept = _restoring(data, now), f"{version} works on the data of now"
    migrated_by = one_line(data.get("migrated_by"))
    if data.get("must_choose"):
        by = f", which {migrated_by} has migrated" if migrated_by else ", of another format"
        kept += by
    lines = [("--keep-data", kept), ("--with-data", restored)]
    waits = [
        counted(data.get(key), noun)
        for key, noun in (("waiting", "message"), ("timers", "timer"))
        if number(data.get(key))
    ]
    if waits:
        lines.append(("either way", f"{' and '.join(waits)} wait, and stay for {version}"))
    outside = [str(each) for each in _texts(data.get("outside"))]
    if outside:
        lines.append(("not undone", f"what it did elsewhere ({', '.join(outside)})"))
    for head, words in lines:
        _say(terminal, head, words)


def _restoring(data: Document, now: str) -> str:
    if not data.get("has_checkpoint"):
        return "not possible: there is no copy of that data"
    age = lasted(max(0.0, time.time() - number(data.get("taken_at"))))
    differences = [
        f"{counted(each['added'], str(each['noun']))} added, {each['changed']} changed, "
        f"{each['removed']} removed since{' and more' if each.get('is_cut') else ''}"
        for each in items(data.get("differences"))
        if any(number(each.get(key)) for key in ("added", "changed", "removed"))
    ]
    parts = [
        f"restores the copy of {age} ago ({_content(data)})",
        "; ".join(differences) or "nothing differs from it",
    ]
    handled = number(data.get("handled"))
    if handled or data.get("handled_is_least"):
        least = "at least " if data.get("handled_is_least") else ""
        lost = f"{least}{counted(handled, 'message')} handled since, whose effect on data is lost"
        parts.append(lost)
    unkept = [str(each) for each in _texts(data.get("unkept"))]
    if unkept:
        parts.append(f"what {', '.join(unkept)} keeps stays as it is")
    return f"{'; '.join(parts)}. The data of now is kept for {now}"


def _content(data: Document) -> str:
    counts = mapping(data.get("content"))
    things = ", ".join(counted(count, noun) for noun, count in counts.items() if number(count))
    return f"{size(data.get('size_bytes'))}{f': {things}' if things else ''}"


def shown_checkpoint(checkpoint: object) -> str:
    """Return the size and the age of a version's checkpoint, for `info`."""
    found = mapping(checkpoint)
    if not found:
        return ""
    age = lasted(max(0.0, time.time() - number(found.get("taken_at"))))
    return f"its data of {age} ago, {_content(found)}"


def ask_for_data(terminal: Terminal, *, has_checkpoint: bool) -> str:
    """Ask which data the version gets, of what there is; an empty answer is neither.

    Raises:
        AnswerNeeded: No person can answer.
    """
    choices: tuple[str, ...]
    if has_checkpoint:
        question = "Keep the data of now, or restore that of then? [keep/restore/N]"
        choices, options = ("keep", "restore"), "--keep-data, --with-data"
    else:
        question, choices, options = "Keep the data of now? [keep/N]", ("keep",), "--keep-data"
    answer = terminal.ask(question, options=options).lower()
    return next((each for each in choices if answer and each.startswith(answer)), "")


def _say(terminal: Terminal, head: str, words: str) -> None:
    width = max(40, min(terminal.columns, _MOST_COLUMNS))
    first = " " * _FIRST + head.ljust(_NEXT - _FIRST)
    for line in textwrap.wrap(
        words, width, initial_indent=first, subsequent_indent=" " * _NEXT,
        break_long_words=False, break_on_hyphens=False,
    ):  # fmt: skip
        terminal.say(line)


def _texts(value: object) -> list[object]:
    return list(cast("list[object]", value)) if isinstance(value, list | tuple) else []
