"""The bounds of timers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("TimerSettings",)


@dataclass(frozen=True, slots=True)
class TimerSettings:
    """`[timers]`: messages that components send at a later time.

    Attributes:
        most: Timers that one component may have.
        size: Bytes of their messages together, for one component.
        shortest: Seconds of the shortest interval of a timer that repeats.
    """

    most: int = 100
    size: int = 1024 * 1024
    shortest: float = 0.1

    def __post_init__(self) -> None:
        if self.most < 0 or self.size < 0 or not self.shortest >= 0.001:
            raise ValueError("most and size are not below 0, and shortest is at least 0.001")
