"""Incarnations that run beside the hosted ones: candidates, and versions on trial.

No supervisor owns them, but the host works on their account: what they take counts for their
component, and where memory is short they give first, because no message waits for them. The task
that calls one gets the error, and the change that it belongs to ends.

Rejected: to compare each with the hosted components. The version that serves would have to end
because a larger one is being tried beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

import anyio

from ..errors import TriedEndedForMemory

__all__ = ("Beside", "Visit")


class Visit:
    """One incarnation beside the hosted ones, from `Beside.enter` to `leave`."""

    __slots__ = ("_beside", "_ended", "_scopes", "name", "taken_bytes", "version")

    def __init__(
        self, beside: Beside, name: str, version: str, taken_bytes: Callable[[], int]
    ) -> None:
        self.name, self.version, self.taken_bytes = name, version, taken_bytes
        self._beside = beside
        self._scopes = set[anyio.CancelScope]()
        self._ended: TriedEndedForMemory | None = None

    @contextmanager
    def calling(self) -> Generator[None]:
        """Let the block, which calls the incarnation, be ended.

        Raises:
            TriedEndedForMemory: It has been ended, in the block or before.
        """
        if self._ended is not None:
            raise self._ended
        with anyio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.discard(scope)
        if self._ended is not None:
            raise self._ended

    def end(self, error: TriedEndedForMemory) -> None:
        """Let no call of it go on, and none begin."""
        self._ended = error
        for scope in self._scopes:
            scope.cancel()

    def leave(self) -> None:
        """End the visit: nothing of it takes memory any more, or it is hosted from now on."""
        self._beside.visits.pop(self, None)


class Beside:
    """All visits of one host.

    Attributes:
        visits: They, in the order of their beginning; a set that keeps it.
    """

    def __init__(self) -> None:
        self.visits: dict[Visit, None] = {}

    def enter(self, name: str, version: str, taken_bytes: Callable[[], int]) -> Visit:
        """Begin a visit.

        Args:
            name: The component, on whose account it runs.
            version: Its version.
            taken_bytes: Returns what it takes now.
        """
        visit = Visit(self, name, version, taken_bytes)
        self.visits[visit] = None
        return visit

    def taken_bytes(self) -> Mapping[str, int]:
        """Return what the visits of each component take."""
        taken = Counter[str]()
        for each in self.visits:
            taken[each.name] += each.taken_bytes()
        return taken

    def end(self, name: str, most_bytes: int) -> tuple[TriedEndedForMemory, ...]:
        """End all visits of a component, because all components together took too much.

        Args:
            name: The component.
            most_bytes: What they may take.

        Returns:
            What the tasks get that call one.
        """
        errors: list[TriedEndedForMemory] = []
        for each in [visit for visit in self.visits if visit.name == name]:
            error = TriedEndedForMemory(name, each.version, each.taken_bytes(), most_bytes)
            each.end(error)
            errors.append(error)
        return tuple(errors)
