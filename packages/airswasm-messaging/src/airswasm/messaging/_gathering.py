"""The outcome of a guest's call that consists of several, some of which wait for the disk."""

from __future__ import annotations

from collections.abc import Callable

from airswasm.actor import Accepted
from airswasm.runtime import Case, Err, Ok, Pending

from ._refusals import refusal_of

__all__ = ("Gathering", "outcome_of_write")


def outcome_of_write(error: BaseException | None, value: object = None) -> Ok[object] | Err[Case]:
    """Return a call's outcome when its message is on the disk, or is not."""
    if error is None:
        return Ok(value)
    return Err(refusal_of(error) or Case("rate-limited", "the message was not written"))


class Gathering:
    """Collects outcomes in order; complete when all of them are there.

    Args:
        finish: Makes the call's outcome of them.
    """

    def __init__(self, finish: Callable[[list[object]], object]) -> None:
        self._finish = finish
        self._outcomes: list[object] = []
        self._left = 1
        self._pending: Pending | None = None

    def note(self, outcome: object) -> None:
        """Add an outcome that is there already."""
        self._outcomes.append(outcome)

    def expect(self) -> Accepted:
        """Leave a place for the outcome of a write; return what is to be called with it."""
        place = len(self._outcomes)
        self._outcomes.append(None)
        self._left += 1

        def end(error: BaseException | None) -> None:
            self._outcomes[place] = outcome_of_write(error)
            self._left -= 1
            if not self._left and self._pending is not None:
                self._pending.resolve(self._finish(self._outcomes))

        return end

    def give_up(self, outcome: object) -> None:
        """Note that the last place that was left has this outcome: its write was not begun."""
        self._outcomes[-1] = outcome
        self._left -= 1

    def result(self) -> object:
        """Return the call's outcome, or what the guest waits for until it is there."""
        self._left -= 1
        if not self._left:
            return self._finish(self._outcomes)
        self._pending = Pending()
        return self._pending
