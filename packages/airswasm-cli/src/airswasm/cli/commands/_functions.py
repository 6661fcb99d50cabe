"""The functions that components export, as people name, call and read them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .._control.document import Document, text, texts
from .._session.terminal import Terminal

__all__ = ("as_json", "show_functions")


def as_json(given: Sequence[str]) -> bytes:
    """Return arguments of a command line as a JSON array: what is no JSON is a text."""
    return json.dumps([_value(each) for each in given]).encode()


def show_functions(terminal: Terminal, name: str, functions: Sequence[Document]) -> None:
    """Show each function with its type, below its interface."""
    if terminal.as_json:
        terminal.document("functions/1", {"from": name, "functions": list(functions)})
        return
    if not functions:
        terminal.say(f"{name} exports no functions of its own")
    last, told = "", set[str]()
    is_first = True
    for each in functions:
        interface = text(each.get("path")).partition("#")[0]
        if interface != last or is_first:
            terminal.data(interface or "the world itself")
            last, told, is_first = interface, set[str](), False
        for definition in [one for one in texts(each.get("types")) if one not in told]:
            told.add(definition)
            terminal.data(f"  {definition}")
        only = "" if each.get("is_callable") else "   (from Python only)"
        terminal.data(f"  {text(each.get('signature'))}{only}")


def _value(given: str) -> object:
    try:
        value: object = json.loads(given, parse_constant=_refuse)
        json.dumps(value, allow_nan=False)  # 1e999 is read as infinity
    except (ValueError, RecursionError):
        return given
    return value


def _refuse(word: str) -> object:
    raise ValueError(word)
