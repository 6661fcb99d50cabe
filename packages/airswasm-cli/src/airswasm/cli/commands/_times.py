"""Format times and sizes for people."""

from __future__ import annotations

import re
import time

from .._control.document import number

__all__ = (
    "amount",
    "clock",
    "counted",
    "lasted",
    "moment",
    "past_moment",
    "seconds",
    "short",
    "size",
    "when",
)

_UNITS = {
    "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hou": 3600, "d": 86_400, "day": 86_400,
    "w": 7 * 86_400, "wee": 7 * 86_400,
}  # fmt: skip
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(s|sec|m|min|h|hours?|d|days?|w|weeks?)")
_MOST_DIGITS = 12


def past_moment(words: str) -> float:
    """Return the time that an option names, in seconds since 1970.

    Args:
        words: `2 h` or `30 min` ago, a date, a date with a time, or seconds since 1970.

    Raises:
        TimeMalformed: It is none of them.
    """
    from datetime import datetime

    from ..errors import TimeMalformed

    text = words.strip().removesuffix(" ago")
    ago = _duration(text)
    if ago is not None:
        return time.time() - ago
    try:
        is_seconds = text.isdecimal() and len(text) <= _MOST_DIGITS
        return float(text) if is_seconds else datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise TimeMalformed(words) from None


def when(value: object) -> str:
    """Return seconds since 1970 as local date and time."""
    if not isinstance(value, int | float):
        return "-"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(value))


def clock(value: object) -> str:
    """Seconds since 1970 as local time with milliseconds."""
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(number(value), UTC).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def lasted(value: object) -> str:
    """Return seconds as a duration."""
    if not isinstance(value, int | float):
        return "-"
    seconds = int(value)
    if seconds < 60:
        return f"{int(value * 10) / 10} s" if value < 10 else f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def short(value: object) -> str:
    """Return seconds in a unit for what is over soon; `over 10 s` for what is not known exactly."""
    if not isinstance(value, int | float):
        return "over 10 s"
    for unit, factor in (("µs", 1e6), ("ms", 1e3), ("s", 1.0)):
        shown = f"{value * factor:.3g}"
        if float(shown) < 1000:  # as it is shown: 999.9 ms are 1 s
            return f"{shown} {unit}"
    return lasted(value)


def counted(value: object, noun: str) -> str:
    """Return a number with its noun, whose plural ends with s."""
    return f"{amount(value)} {noun}{'' if value == 1 else 's'}"


def size(value: object) -> str:
    """Return bytes in a fitting unit."""
    if not isinstance(value, int | float):
        return "-"
    if value < 1024:
        return f"{int(value)} B"
    amounts = ((value / 2**shift, unit) for shift, unit in ((10, "KiB"), (20, "MiB")))
    for amount, unit in amounts:
        if round(amount, 1) < 1024:
            return f"{amount:.1f} {unit}"
    return f"{value / 2**30:.1f} GiB"


def amount(value: object) -> str:
    """Return a count with marked thousands."""
    return f"{int(number(value)):,}"


def moment(text: str) -> float:
    """Return a moment in the future as seconds since 1970.

    Args:
        text: A duration from now (`8h`, `30 min`), or a local date or time in ISO 8601.

    Raises:
        BadParameter: It is neither.
    """
    from datetime import datetime

    import typer

    left = _duration(text.strip())
    if left is not None:
        return time.time() + left
    try:
        return datetime.fromisoformat(text.strip()).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(f"{text!a} is no time; write 8h, 30 min or 2026-12-01") from None


def seconds(text: str) -> float:
    """Return a duration, `8h`, `30 min` or a number of seconds.

    Raises:
        BadParameter: It is none, or not above 0.
    """
    import typer

    found = _duration(f"{text.strip()}s") or _duration(text.strip())
    if not found:
        raise typer.BadParameter(f"{text!a} is no duration above 0; write 90, 30 min or 8h")
    return found


def _duration(text: str) -> float | None:
    """Return the seconds of `8h` or `30 min`; None for another text."""
    found = _DURATION.fullmatch(text)
    return None if found is None else float(found[1]) * _UNITS[found[2][:3]]
