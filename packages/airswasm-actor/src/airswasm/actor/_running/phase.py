"""The states of an actor's life, and the words for its ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ("REPLACED", "Down", "Exit", "Phase")

REPLACED = "replaced"
"""The reason of an incarnation's end that was a sender's fault: no restart is counted for it."""


class Phase(StrEnum):
    """The phases of an actor's life. Messages are delivered only while it is `RUNNING`."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of an incarnation.

    Attributes:
        reason: `normal`, `shutdown`, `crash`, `killed` or `replaced`.
        cause: The error, after a crash.
    """

    reason: str
    cause: BaseException | None = None

    @property
    def is_abnormal(self) -> bool:
        """Whether a `transient` child is restarted after it."""
        return self.reason not in ("normal", "shutdown")


@dataclass(frozen=True, slots=True)
class Down:
    """The news that an actor has ended for good (not: restarted).

    Attributes:
        name: The actor's name.
        reason: `normal`, `shutdown`, `crash` or `killed`.
        cause: The error, after a crash.
    """

    name: str
    reason: str
    cause: BaseException | None = None
