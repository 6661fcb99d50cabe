"""The lines and columns at which a WIT text declares its functions.

The JSON of wasm-tools has no positions. One scan over text that wasm-tools has accepted finds them:
it skips comments, follows the braces, and notes each `name: func`. A full parser here would be a
second opinion on the grammar of WIT.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .model import Place

__all__ = ("find_declarations",)

_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<word>%?[A-Za-z][A-Za-z0-9-]*)|(?P<mark>[{}:;,()])",
    re.DOTALL,
)
_FUNCTION_WORDS = frozenset({"func", "static", "async"})


def find_declarations(texts: Mapping[str, str]) -> dict[tuple[str, str], Place]:
    """Find each function's place, by its interface's short name and its own full name.

    Args:
        texts: The source of each file by its name.
    """
    found: dict[tuple[str, str], Place] = {}
    for file, text in texts.items():
        for interface, function, at in _Scan(text).functions():
            found[interface, function] = _place(file, text, at)
    return found


def _place(file: str, text: str, at: int) -> Place:
    start = text.rfind("\n", 0, at) + 1
    return Place(file, text.count("\n", 0, at) + 1, at - start + 1)


@dataclass(slots=True)
class _Scan:
    text: str
    scopes: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def functions(self) -> Iterator[tuple[str, str, int]]:
        tokens = [match for match in _TOKEN.finditer(self.text) if match.lastgroup != "comment"]
        words = [match[0] for match in tokens] + ["", ""]
        start = 0
        for index, match in enumerate(tokens):
            if match[0] == "{":
                self._enter(words[start:index])
            if match[0] in "{};,":
                self._leave(match[0])
                start = index + 1
            elif self._begins_function(words, index, start):
                yield (*self._named(words, index), match.start())

    def _enter(self, statement: list[str]) -> None:
        kind, name = (statement[-2], statement[-1]) if len(statement) > 1 else ("", "")
        if ":" in statement and statement[-1] == "interface":
            kind, name = "interface", statement[statement.index(":") - 1]
        self.scopes.append((kind, name.removeprefix("%")))

    def _leave(self, mark: str) -> None:
        if mark == "}" and self.scopes:
            self.scopes.pop()

    def _begins_function(self, words: list[str], index: int, start: int) -> bool:
        if words[index] == "constructor" and words[index + 1] == "(":
            return bool(self.scopes) and self.scopes[-1][0] == "resource"
        return index == start and words[index + 1] == ":" and words[index + 2] in _FUNCTION_WORDS

    def _named(self, words: list[str], index: int) -> tuple[str, str]:
        interface = next((name for kind, name in self.scopes if kind == "interface"), "")
        name = words[index].removeprefix("%")
        if not self.scopes or self.scopes[-1][0] != "resource":
            return interface, name
        resource = self.scopes[-1][1]
        if name == "constructor":
            return interface, f"[constructor]{resource}"
        kind = "static" if words[index + 2] == "static" else "method"
        return interface, f"[{kind}]{resource}.{name}"
