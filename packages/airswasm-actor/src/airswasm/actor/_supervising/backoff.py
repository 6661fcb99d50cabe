"""The delay before a restart. OTP has none; a component that fails at once needs one.

A pure function of the number of failures in a row and a random number, so that tests give the
number and simulations the seed. Jitter only ever shortens the delay: the cap is a promise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ("Backoff",)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays between restarts of one child.

    Attributes:
        growth: `immediate` does not wait, like OTP; `linear` and `exponential` grow with each
            failure in a row.
        initial: Seconds before the first restart.
        cap: Seconds that no delay exceeds.
        jitter: The part of a delay that is left to chance, 0.0 to 1.0.
        reset_after: Seconds of running after which failures are no longer in a row.
    """

    growth: Literal["immediate", "linear", "exponential"] = "immediate"
    initial: float = 0.1
    cap: float = 30.0
    jitter: float = 0.2
    reset_after: float = 60.0

    def __post_init__(self) -> None:
        if self.growth not in ("immediate", "linear", "exponential"):
            raise ValueError(f"growth is {self.growth!r}; use immediate, linear or exponential")
        if self.initial < 0 or self.cap < 0 or self.reset_after < 0:
            raise ValueError("initial, cap and reset_after are seconds and not negative")
        if not 0.0 <= self.jitter <= 1.0:
            raise ValueError(f"jitter is {self.jitter}; it is a part, from 0.0 to 1.0")

    def delay(self, failures: int, chance: float) -> float:
        """Return the seconds to wait.

        Args:
            failures: Failures of the child in a row, this one included.
            chance: A random number from 0.0 to 1.0.
        """
        if self.growth == "immediate" or failures < 1:
            return 0.0
        if self.growth == "linear":
            full = self.initial * failures
        else:
            full = self.initial * 2.0 ** min(failures - 1, 62)
        return min(self.cap, full) * (1.0 - self.jitter * chance)
