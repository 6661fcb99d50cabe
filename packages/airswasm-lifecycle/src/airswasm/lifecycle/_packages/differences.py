"""Compare two manifests and tell which differences need the operator's approval.

An update that asks for more than its predecessor is a question to the operator. `security` compares
the capabilities; this module compares every other key. The rule errs towards asking: a change
counts as a raise unless this table proves that it can only mean less. A key that a later version
adds to the manifest therefore needs approval without a change here.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from .._toml.quantities import format_bytes
from .manifest import Manifest

__all__ = ("Difference", "differences")

_SECTIONS = (
    "limits", "supervision", "health", "codecs", "delivery", "environment", "config",
)  # fmt: skip
_SIZES = frozenset(
    f"limits.{each}"
    for each in (
        "memory",
        "host_memory",
        "mailbox_bytes",
        "message_bytes",
        "storage",
        "host_call",
        "rates.bytes",
    )
) | {"delivery.size"}
_SHOWN_CHARS = 120
_RESTARTS = ("temporary", "transient", "permanent")
_GROWTHS = ("exponential", "linear", "immediate")
_ABSENT = object()
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that an update changes."""

    key: str
    """The key as in Component.toml, with its table: `limits.memory`."""
    before: str
    """The installed version's value, as text for people; `not set` if it has none."""
    after: str
    is_raise: bool
    """Whether the new version may get more through this change, so that it needs approval."""


def differences(before: Manifest | None, after: Manifest) -> tuple[Difference, ...]:
    """Return the keys that `after` sets differently from `before`, without capabilities, sorted.

    Args:
        before: The installed version's manifest; None when it is unreadable, and then every key
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
    elif key not in _SECTIONS:  # an absent section has no keys
        yield key, value


def _part(name: str) -> str:
    """Write a key as TOML does, so that `"a.b"` differs from `b` in `a`."""
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _identity(value: object) -> str | None:
    """Return a value's identity: Python takes 1, 1.0 and true for equal, a component does not."""
    return None if value is _ABSENT else json.dumps(value, sort_keys=True, default=str)


def _never(_before: object, _after: object) -> bool:
    return False


def _is_lower(before: object, after: object) -> bool:
    """Return whether a number fell; None is the host's default, which has no order to a number."""
    return _number(after) <= _number(before)


def _is_higher(before: object, after: object) -> bool:
    return _number(after) >= _number(before)


def _number(value: object) -> float:
    """Return the number, or NaN, which compares false with everything and so counts as a raise."""
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
    """Return whether an interval became longer; none at all costs the host least."""
    return after is _ABSENT or after is None or _is_higher(before, after)


def _is_shorter(before: object, after: object) -> bool:
    """Return whether a time that each check may take fell; without checks there is none."""
    return after is _ABSENT or _is_lower(before, after)


def _always(_before: object, _after: object) -> bool:
    return True


_MEANS_LESS: Mapping[str, Callable[[object, object], bool]] = {
    **dict.fromkeys(
        (
            "limits.memory", "limits.host_memory", "limits.memories", "limits.tables",
            "limits.table_elements", "limits.instances", "limits.host_call",
            "limits.fuel", "limits.timeout", "limits.mailbox",
            "limits.mailbox_bytes", "limits.message_bytes", "limits.storage",
            "limits.storage_keys",
            "limits.rates.messages",
            "limits.rates.logs", "limits.weight",
            "supervision.intensity", "supervision.shutdown",
        ),
        _is_lower,
    ),
    "limits.mailbox_full": _always,  # the same room, filled in another way
    "supervision.restart": _is_earlier_in(*_RESTARTS),
    "supervision.period": _is_higher,
    "supervision.backoff.growth": _is_earlier_in(*_GROWTHS),
    "supervision.backoff.initial": _is_higher,
    "supervision.backoff.maximum": _is_higher,
    "supervision.revive": _is_rarer,
    "health.interval": _is_rarer,
    "health.timeout": _is_shorter,
    "health.failures": _always,  # how many restarts there may be is the supervision's
    "codecs.accepts": _always,  # configuration that it reads, not a permission
    "codecs.prefers": _always,
}  # fmt: skip
"""Keys with a rule that recognises a reduction; every other change counts as a raise."""


def _shown(key: str, value: object) -> str:
    if value is _ABSENT:
        return "not set"
    if value is None:
        return "never" if key == "supervision.revive" else "the host's default"
    if key in _SIZES and isinstance(value, int):
        return format_bytes(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"
