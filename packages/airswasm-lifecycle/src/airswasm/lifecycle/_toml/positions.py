"""Find the line of each key of a TOML document.

tomlkit and tomllib know positions while they parse and then drop them. To render tomlkit's tree
piece by piece and count lines breaks on out-of-order tables, so this is a separate scanner. It runs
only on text that a real parser has accepted and therefore judges nothing: it finds keys and skips
values, in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

__all__ = ("Path", "line_of", "scan_positions")

Path = tuple[str, ...]
_DEPTH = 32
"""Parts of a key that have a line of their own: a key of 100,000 would have as many prefixes."""

_KEY_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.?)""")
_VALUE_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|' + r"'''.*?'{3,5}|" + r'"(?:[^"\\\n]|\\.)*"|'
    r"'[^'\n]*'|#[^\n]*|[\[\]{}]|\n|[^\"'#\[\]{}\n]+",
    re.DOTALL,
)


def scan_positions(text: str) -> Mapping[Path, int]:
    """Return the line (from 1) of every table and key of a valid document.

    It lists no keys inside inline tables and arrays; for those, `line_of` returns the line of the
    key that contains them.
    """
    positions: dict[Path, int] = {}
    for whole, line in _statements(text):
        path = whole[:_DEPTH]
        for length in range(1, len(path) + 1):
            positions.setdefault(path[:length], line)
        positions[path] = min(positions[path], line)
    return positions


def line_of(positions: Mapping[Path, int], path: Path) -> int:
    """Return the line of `path`, or of its nearest ancestor."""
    for length in range(len(path), 0, -1):
        if path[:length] in positions:
            return positions[path[:length]]
    return 1


def _statements(text: str) -> Iterator[tuple[Path, int]]:
    table: Path = ()
    offset, line = 0, 1
    while offset < len(text):
        end_of_line = text.find("\n", offset)
        end_of_line = len(text) if end_of_line < 0 else end_of_line
        statement = text[offset:end_of_line].strip()
        if not statement or statement.startswith("#"):
            offset, line = end_of_line + 1, line + 1
        elif statement.startswith("["):
            table, _ = _read_key(text, text.index("[", offset) + 1 + statement.startswith("[["))
            yield table, line
            offset, line = end_of_line + 1, line + 1
        else:
            key, after_key = _read_key(text, offset)
            yield table + key, line
            end = _skip_value(text, text.index("=", after_key) + 1)
            line += text.count("\n", offset, end)
            offset = end


def _read_key(text: str, offset: int) -> tuple[Path, int]:
    parts: list[str] = []
    while match := _KEY_PART.match(text, offset):
        parts.append(next(part for part in match.groups()[:3] if part is not None))
        offset = match.end()
        if not match[4]:
            break
    return tuple(parts), offset


def _skip_value(text: str, offset: int) -> int:
    depth = 0
    while match := _VALUE_TOKEN.match(text, offset):
        offset = match.end()
        piece = match[0]
        if piece in "[{":
            depth += 1
        elif piece in "]}":
            depth -= 1
        elif piece == "\n" and depth == 0:
            break
    return offset
