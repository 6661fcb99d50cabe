"""`airswasm explain`: what a code means and what to do."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer

from ..session import Session, verb

__all__ = ("app",)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
@verb
def explain(
    session: Session,
    code: Annotated[str | None, typer.Argument(metavar="CODE", help="E0310, or 310.")] = None,
) -> None:
    """Explain an error code.

    Without a code, lists all of them.

    \b
    Example:
      airswasm explain E0312
    """
    from ..catalogue import ENTRIES, find_entry

    terminal = session.terminal
    if code is None:
        if terminal.as_json:
            terminal.document("codes/1", {"codes": [_document(each) for each in ENTRIES]})
        else:
            terminal.table(("code", "meaning"), [(each.code, each.title) for each in ENTRIES])
        return
    entry = find_entry(code)
    if terminal.as_json:
        terminal.document("explain/1", _document(entry))
        return
    terminal.data(f"{entry.code}: {entry.title}\n")
    terminal.data(textwrap.fill(entry.meaning, 80))
    if entry.hint:
        terminal.data("\n" + textwrap.fill(f"What to do: {entry.hint}", 80))
    terminal.data(f"\nExit code: {entry.exit_code}")


def _document(entry: object) -> dict[str, object]:
    names = ("code", "title", "meaning", "hint", "exit_code")
    return {name: getattr(entry, name) for name in names}
