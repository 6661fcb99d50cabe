"""`airswasm explain`: the meaning of an error code, and the remedy."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Mapping
from typing import Annotated

from airswasm.wit import ErrorCode

from .._session.options import Word
from .._session.session import Session
from ..errors import UnknownCode

__all__ = ("explain", "find_code")


def explain(
    session: Session,
    code: Annotated[str | None, Word("CODE", "E0310, or 310.")] = None,
) -> None:
    """Explain an error code.

    Without a code, lists all codes.

    \b
    Example:
      airswasm explain E0312
    """
    from airswasm.wit import Blocks

    terminal = session.terminal
    codes = Blocks.find().error_codes()
    if code is None:
        if terminal.as_json:
            terminal.document("codes/1", {"codes": [_document(each) for each in codes.values()]})
        else:
            rows = [(each.code, each.title) for each in codes.values()]
            terminal.table(("code", "meaning"), rows)
        return
    entry = find_code(code, codes)
    if terminal.as_json:
        terminal.document("explain/1", _document(entry))
        return
    terminal.data(f"{entry.code}: {entry.title}\n")
    terminal.data(textwrap.fill(entry.meaning, 80))
    if entry.hint:
        terminal.data("\n" + textwrap.fill(f"Remedy: {entry.hint}", 80))
    terminal.data(f"\nExit code: {int(entry.exit_status)}")


def find_code(text: str, codes: Mapping[str, ErrorCode]) -> ErrorCode:
    """Return the error code for `E0312`, `e312` or `312`.

    Raises:
        UnknownCode: There is no such code; the error suggests the closest.
    """
    wanted = text.strip().upper()
    number = wanted.removeprefix("E")
    code = codes.get(wanted) or codes.get(f"E{number.zfill(4)}")
    if code is None:
        close = difflib.get_close_matches(wanted, codes, n=1)
        raise UnknownCode(text, close[0] if close else None)
    return code


def _document(code: ErrorCode) -> dict[str, object]:
    return {
        "code": code.code,
        "title": code.title,
        "meaning": code.meaning,
        "hint": code.hint,
        "exit_code": int(code.exit_status),
    }
