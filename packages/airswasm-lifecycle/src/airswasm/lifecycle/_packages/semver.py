"""The order of semantic versions (semver.org, section 11)."""

from __future__ import annotations

__all__ = ("precedence",)

_Part = tuple[int, int, str]


def precedence(version: str) -> tuple[tuple[int, ...], int, tuple[_Part, ...]]:
    """Return a key that sorts valid versions; build metadata does not count."""
    release, _, _ = version.partition("+")
    numbers, has_pre, pre = release.partition("-")
    parts = tuple(_part(text) for text in pre.split(".")) if has_pre else ()
    return tuple(int(number) for number in numbers.split(".")), 0 if has_pre else 1, parts


def _part(text: str) -> _Part:
    return (0, int(text), "") if text.isdecimal() else (1, 0, text)
