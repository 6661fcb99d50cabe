"""The number of a manifest that each key of the host's policy bounds.

One table, so that the check of an install, the hold on an installed component and the tests read
the same. A test walks every number of the manifest's model: one without a row here, or without a
reason in that test, fails it.

Rejected: bounds in the manifest's own model. They would be the same on every host, and an operator
could neither tighten nor raise them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from .._toml.quantities import format_bytes

if TYPE_CHECKING:
    from .._packages.manifest import Manifest

__all__ = ("CAPS", "Cap", "Excess", "excesses", "hold")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cap:
    """A bound on one number of a manifest.

    Attributes:
        key: The key in Component.toml, with its table.
        setting: The key in config.toml that is the bound, with its table.
        is_least: Whether the bound is the least, and not the most.
        is_size: Whether the number counts bytes.
        times: Another key, by which the number is multiplied before it is compared.
        each: The least that a manifest may have, where that is multiplied.
        unset: The value if a manifest does not ask: `fixed` for a default of the engine or of
            messaging, which the bound must hold, too; `policy` for one that the policy sets.
    """

    key: str
    setting: str
    is_least: bool = False
    is_size: bool = False
    times: str = ""
    each: int = 1
    unset: Literal["fixed", "policy"] = "policy"


CAPS = (
    Cap("limits.memory", "limits.memory", is_size=True, times="limits.memories", each=512 * 2**10),
    Cap("limits.host_memory", "limits.host_memory", is_size=True, unset="fixed"),
    Cap("limits.storage", "limits.storage", is_size=True),
    Cap("limits.storage_keys", "limits.storage_keys"),
    Cap("limits.mailbox_bytes", "limits.mailbox_bytes", is_size=True),
    Cap("limits.message_bytes", "limits.message_bytes", is_size=True),
    Cap("limits.host_call", "limits.host_call", is_size=True),
    Cap("limits.mailbox", "limits.mailbox"),
    Cap("limits.timeout", "limits.timeout"),
    Cap("limits.fuel", "limits.fuel", unset="fixed"),
    Cap("limits.weight", "limits.weight"),
    Cap("limits.table_elements", "limits.table_elements", times="limits.tables"),
    Cap("limits.rates.messages", "limits.messages", unset="fixed"),
    Cap("limits.rates.bytes", "limits.sent_bytes", is_size=True),
    Cap("limits.rates.logs", "limits.logs"),
    Cap("supervision.intensity", "supervision.intensity"),
    Cap("supervision.period", "supervision.period", is_least=True),
    Cap("supervision.backoff.initial", "supervision.backoff", is_least=True),
    Cap("supervision.backoff.maximum", "supervision.longest_backoff"),
    Cap("supervision.shutdown", "supervision.shutdown"),
    Cap("supervision.revive", "supervision.revive", is_least=True),
    Cap("health.interval", "health.interval", is_least=True),
    Cap("health.timeout", "health.timeout"),
)


@dataclass(frozen=True, slots=True)
class Excess:
    """A number of a manifest that the policy does not allow; values are written as in TOML."""

    key: str
    wanted: str
    allowed: str
    setting: str
    is_least: bool

    def __str__(self) -> str:
        return (
            f"{self.key} is {self.allowed} instead of {self.wanted}: "
            f"{self.setting} in config.toml is the {'least' if self.is_least else 'most'}"
        )


def excesses(manifest: Manifest, policy: object) -> Iterator[Excess]:
    """Yield the numbers that a manifest asks for and the policy does not allow."""
    for cap in CAPS:
        wanted, bound = _asked(manifest, cap), _bound(policy, cap)
        if wanted is not None and _is_beyond(cap, wanted, bound):
            yield Excess(
                cap.key, _shown(cap, wanted), _shown(cap, bound), cap.setting, cap.is_least
            )


def hold(manifest: Manifest, policy: object) -> tuple[Manifest, tuple[Excess, ...]]:
    """Return a manifest within the policy, and the numbers that it asked for beyond it."""
    beyond = tuple(excesses(manifest, policy))
    keys = {each.key for each in beyond}
    for cap in CAPS:
        bound = _bound(policy, cap)
        default = _fixed_default(manifest, cap)
        if cap.key in keys:
            manifest = _held(manifest, cap, bound)
        elif default is not None and _is_beyond(cap, default, bound):
            manifest = _with(manifest, cap.key, bound)
    return manifest, beyond


def _held(manifest: Manifest, cap: Cap, bound: float) -> Manifest:
    if not cap.times:
        return _with(manifest, cap.key, bound)
    most = int(bound) // cap.each
    times = min(int(_value(manifest, cap.times) or 1), most)
    return _with(_with(manifest, cap.times, times), cap.key, int(bound) // times)


def _is_beyond(cap: Cap, value: float, bound: float) -> bool:
    return not (value >= bound if cap.is_least else value <= bound)


def _asked(manifest: Manifest, cap: Cap) -> float | None:
    value = _value(manifest, cap.key)
    if value is None or not cap.times:
        return value
    return value * (_value(manifest, cap.times) or 1)


def _value(manifest: Manifest, key: str) -> float | None:
    """Return a number of a manifest; None if it does not ask for one."""
    found: object = manifest
    for name in key.split("."):
        found = getattr(found, name, None)
    if key == "supervision.backoff.initial" and manifest.supervision.backoff.growth == "immediate":
        return 0.0
    if isinstance(found, str):
        return {"brutal_kill": 0.0, "infinity": math.inf}[found]
    assert found is None or isinstance(found, int | float)
    return found


def _fixed_default(manifest: Manifest, cap: Cap) -> float | None:
    """Return the default of a number that a manifest leaves open, where the policy sets none."""
    if cap.unset == "policy" or _value(manifest, cap.key) is not None:
        return None
    # Here: to show settings needs neither.
    from airswasm.messaging import Rate
    from airswasm.runtime import Limits

    if cap.key == "limits.rates.messages":
        return round(Rate().per_second)
    default = Limits()
    if cap.key == "limits.fuel":
        return default.fuel
    return max(manifest.limits.memory, default.host_memory_bytes)


def _bound(policy: object, cap: Cap) -> float:
    section, _, name = cap.setting.partition(".")
    bound: float = getattr(getattr(policy, section), name)
    return bound


def _with(manifest: Manifest, key: str, value: float) -> Manifest:
    """Return a manifest that has another number."""
    if key == "supervision.backoff.initial":
        supervision = manifest.supervision
        growth = supervision.backoff.growth
        backoff = dataclasses.replace(
            supervision.backoff,
            growth="linear" if growth == "immediate" else growth,
            initial=value,
            maximum=max(value, supervision.backoff.maximum),
        )
        return _replaced(manifest, ["supervision", "backoff"], backoff)
    return _replaced(manifest, key.split("."), value)


def _replaced(section: T, path: list[str], value: object) -> T:
    name, *rest = path
    inner = _replaced(getattr(section, name), rest, value) if rest else value
    return dataclasses.replace(section, **{name: inner})  # type: ignore[type-var]


def _shown(cap: Cap, value: float) -> str:
    """Write a number as TOML does."""
    if cap.is_size and not (size := format_bytes(int(value))).endswith(" B"):
        return f'"{size}"'
    return f"{int(value):_}" if float(value).is_integer() else repr(value)
