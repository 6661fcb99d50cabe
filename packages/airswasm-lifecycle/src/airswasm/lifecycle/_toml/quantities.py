"""Byte sizes and durations as people write them: "4 MiB", "30 s"."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ("LEAST_INTERVAL", "format_bytes", "parse_bytes", "parse_seconds")

LEAST_INTERVAL = 0.001
"""Seconds below which nothing is repeated: no manifest asks for less, and no policy allows it."""

_SIZES = {
    "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
_TIMES = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_QUANTITY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([A-Za-z]+)")


def parse_bytes(value: object) -> int:
    """Parse a size: an int of bytes, or text such as `"4 MiB"`.

    Raises:
        ValueError: The value is neither; the text says what to write.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    number, factor = _split(value, _SIZES, 'a size such as "4 MiB", or a whole number of bytes')
    return int(number * factor)


def parse_seconds(value: object) -> float:
    """Parse a duration: a number of seconds, or text such as `"500 ms"`.

    Raises:
        ValueError: The value is neither; the text says what to write.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9:
        return float(value)
    number, factor = _split(value, _TIMES, 'a duration such as "30 s", or a number of seconds')
    return number * factor


def format_bytes(size_bytes: int) -> str:
    """Format a size in the largest binary unit in which it is short and exact.

    `parse_bytes` reads the same size, so that two sizes which differ are shown differently, and a
    line of a configuration that an error offers allows what was asked for.
    """
    for unit in ("GiB", "MiB", "KiB"):
        amount = f"{size_bytes / _SIZES[unit]:.6g}"
        shown = f"{amount} {unit}"
        if size_bytes >= _SIZES[unit] and "e" not in amount and parse_bytes(shown) == size_bytes:
            return shown
    return f"{size_bytes} B"


def _split(value: object, units: Mapping[str, float], wanted: str) -> tuple[float, float]:
    match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected {wanted}")
    if match[2] not in units:
        raise ValueError(f"unknown unit {match[2]!r}; units are {', '.join(units)}")
    return float(match[1]), float(units[match[2]])
