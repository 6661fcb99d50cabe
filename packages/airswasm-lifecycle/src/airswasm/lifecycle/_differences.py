"""How one manifest differs from another, and which of the differences the owner may not decide.

An update that asks for more than its predecessor is a question to the operator. Capabilities are
compared by `security`; everything else that a manifest sets is compared here. The rule errs
towards asking: a change is a raise unless this table knows that it can only mean less. So a key
that a later version adds to the manifest is asked about before anyone has thought of it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from ._quantities import format_bytes
from .manifest import Manifest

__all__ = ("Difference", "differences")

_SECTIONS = ("limits", "supervision", "health", "codecs", "environment", "config")
_SIZES = frozenset(
    {"limits.memory", "limits.host_memory", "limits.mailbox_bytes", "limits.storage"}
)
_SHOWN_CHARS = 120
_RESTARTS = ("temporary", "transient", "permanent")
_GROWTHS = ("exponential", "linear", "immediate")
_ABSENT = object()
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that an update changes."""

    key: str
    """As in Component.toml, with its table: `limits.memory`."""
    before: str
    """The value of the installed version, for people; `not set` if it has none."""
    after: str
    is_raise: bool
    """Whether the new version may get more by it, so that it has to be approved."""


def differences(before: Manifest | None, after: Manifest) -> tuple[Difference, ...]:
    """Return what `after` sets otherwise than `before`, capabilities left out, by key.

    Args:
        before: The installed version's manifest; None when it cannot be read, and then every key
            that `after` sets is a difference.
        after: The new version's manifest.
    """
    old, new = dict(_settings(before) if before else ()), dict(_settings(after))
    return tuple(
        _difference(key, old.get(key, _ABSENT), new.get(key, _ABSENT))
        for key in sorted(old.keys() | new.keys())
        if _identity(old.get(key, _ABSENT)) != _identity(new.get(key, _ABSENT))
    )


def _difference(key: str, before: object, after: object) -> Difference:
    is_less = _MEANS_LESS.get(key, _never)
    return Difference(key, _shown(key, before), _shown(key, after), not is_less(before, after))


def _settings(manifest: Manifest) -> Iterator[tuple[str, object]]:
    for section in _SECTIONS:
        yield from _leaves(section, getattr(manifest, section))


def _leaves(key: str, value: object) -> Iterator[tuple[str, object]]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for each in dataclasses.fields(value):
            yield from _leaves(f"{key}.{each.name}", getattr(value, each.name))
    elif isinstance(value, Mapping) and (value or key in _SECTIONS):
        for name, inner in cast("Mapping[str, object]", value).items():
            yield from _leaves(f"{key}.{_part(name)}", inner)
    elif key not in _SECTIONS:  # where a whole section is absent there is no key of it
        yield key, value


def _part(name: str) -> str:
    """A key as TOML writes it, so that `"a.b"` is never taken for `b` in `a`."""
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _identity(value: object) -> str | None:
    """Python takes 1, 1.0 and true for equal; a component does not."""
    return None if value is _ABSENT else json.dumps(value, sort_keys=True, default=str)


def _never(_before: object, _after: object) -> bool:
    return False


def _is_lower(before: object, after: object) -> bool:
    """Between None, the host's default, and a number there is no telling."""
    return _number(after) <= _number(before)


def _is_higher(before: object, after: object) -> bool:
    return _number(after) >= _number(before)


def _number(value: object) -> float:
    """NaN compares false with everything: a raise."""
    words = {"brutal_kill": 0.0, "infinity": math.inf}
    if isinstance(value, str):
        return words.get(value, math.nan)
    return float(value) if isinstance(value, int | float) else math.nan


def _is_earlier_in(*order: str) -> Callable[[object, object], bool]:
    def is_earlier(before: object, after: object) -> bool:
        return (
            before in order
            and after in order
            and order.index(str(after)) <= order.index(str(before))
        )

    return is_earlier


def _is_rarer(before: object, after: object) -> bool:
    """Not asking at all costs the host less than asking."""
    return after is _ABSENT or _is_higher(before, after)


def _always(_before: object, _after: object) -> bool:
    return True


_MEANS_LESS: Mapping[str, Callable[[object, object], bool]] = {
    **dict.fromkeys(
        (
            "limits.memory", "limits.host_memory", "limits.fuel", "limits.timeout",
            "limits.mailbox", "limits.mailbox_bytes", "limits.storage", "limits.rates.messages",
            "limits.rates.logs", "supervision.intensity", "supervision.shutdown",
        ),
        _is_lower,
    ),
    "supervision.restart": _is_earlier_in(*_RESTARTS),
    "supervision.period": _is_higher,
    "supervision.backoff.growth": _is_earlier_in(*_GROWTHS),
    "supervision.backoff.initial": _is_higher,
    "supervision.backoff.maximum": _is_higher,
    "health.interval": _is_rarer,
    "codecs.accepts": _always,  # what it reads, not what it may do
}  # fmt: skip
"""Keys whose change can be told to mean no more than before; every other change is a raise."""


def _shown(key: str, value: object) -> str:
    if value is _ABSENT:
        return "not set"
    if value is None:
        return "the host's default"
    if key in _SIZES and isinstance(value, int):
        return format_bytes(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"
