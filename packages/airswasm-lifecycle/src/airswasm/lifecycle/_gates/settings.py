"""`[updates]` of config.toml."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import get_args

from .._registry.checkpoint import Checkpoints
from .._toml.explaining import did_you_mean
from ..errors import ManifestProblem

__all__ = ("UpdateSettings", "gate_problems")


@dataclass(frozen=True, slots=True)
class UpdateSettings:
    """`[updates]`: what a new version has to pass before it takes over.

    Attributes:
        warn: Gates that only warn; all others block an update.
        off: Gates that are not asked at all.
        rollback_block: Gates that block a rollback, too; all others only warn of it.
        gate_timeout: Seconds for each gate; one that takes longer blocks.
        timeouts: Seconds for single gates, by name: `{ replay = 600 }`.
        health_checks: Health checks in a row that a new version has to pass.
        checkpoints: When to copy a component's data before another version works on it, so that a
            rollback can restore it: at `migrations`, which change its format; `always`; or
            `never`, and then a failed migration leaves what it has written, too.
    """

    warn: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    rollback_block: tuple[str, ...] = ("health",)
    gate_timeout: float = 60.0
    timeouts: dict[str, float] = field(default_factory=dict[str, float])
    health_checks: int = 3
    checkpoints: Checkpoints = "migrations"

    def __post_init__(self) -> None:
        for seconds in (self.gate_timeout, *self.timeouts.values()):
            if not 0.001 <= seconds <= 86_400:
                raise ValueError("a gate has from a millisecond to a day")
        if not 1 <= self.health_checks <= 100:
            raise ValueError("health_checks must be from 1 to 100")
        if self.checkpoints not in get_args(Checkpoints):
            raise ValueError("checkpoints must be 'migrations', 'always' or 'never'")

    def named(self) -> dict[str, tuple[str, ...]]:
        """Return the gates that each key names."""
        return {
            "warn": self.warn,
            "off": self.off,
            "rollback_block": self.rollback_block,
            "timeouts": tuple(self.timeouts),
        }

    def timeout_of(self, gate: str) -> float:
        """Return the seconds that a gate has."""
        return self.timeouts.get(gate, self.gate_timeout)


def gate_problems(
    settings: UpdateSettings, known: Iterable[str], file: str
) -> Sequence[ManifestProblem]:
    """Return what is wrong with the gates that `[updates]` names; no host starts with that.

    A default may name a gate of a block that is not there.
    """
    names, defaults = sorted(known), UpdateSettings().named()
    return [
        ManifestProblem(file, 0, f"updates.{key}", f"no gate {name!r}{did_you_mean(name, names)}")
        for key, named in settings.named().items()
        for name in named
        if name not in names and name not in defaults[key]
    ]
