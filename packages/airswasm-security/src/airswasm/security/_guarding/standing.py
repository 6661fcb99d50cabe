"""End what components hold open when the decision that it stands on changes.

The guard decides a call. A socket, an open file, a subscription or a request that waits outlives
the call, so the block that keeps it says on which capability and resource it stands. When the
grants of the component change, each is decided again, and what is denied ends at once.

Rejected: asking again at each use (a receive that waits for a year asks never), and restarting the
component (it would lose the messages in hand of one that may go on).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ("End", "Standing")

End: TypeAlias = Callable[[str], None]
"""Ends what is held, at once and without waiting; the text is the denial, for the component."""


@dataclass(frozen=True, slots=True)
class _Held:
    capability: str
    resource: str
    also: tuple[str, ...]
    end: End


class Standing:
    """The things that the components of one host hold open.

    Args:
        denial: Returns why a component may not use a capability on a resource now, or on one of
            its other names; None if it may.
    """

    def __init__(self, denial: Callable[[str, str, str, Sequence[str]], str | None]) -> None:
        self._denial = denial
        self._ids = itertools.count()
        self._held: dict[str, dict[int, _Held]] = {}

    def keep(
        self, component: str, capability: str, resource: str, end: End, also: Sequence[str] = ()
    ) -> Callable[[], None]:
        """Note what a component holds; return the function that notes its end."""
        number = next(self._ids)
        mine = self._held.setdefault(component, {})
        mine[number] = _Held(capability, resource, tuple(also), end)

        def forget() -> None:
            mine.pop(number, None)
            if not mine and self._held.get(component) is mine:
                del self._held[component]

        return forget

    def count_of(self, component: str) -> int:
        """Return how much a component holds."""
        return len(self._held.get(component, ()))

    def components(self) -> tuple[str, ...]:
        """Return the components that hold something."""
        return tuple(self._held)

    def end_denied(self, component: str) -> tuple[tuple[str, str, str], ...]:
        """End what a component holds and may hold no longer.

        Returns:
            The capability, the resource and the denial of each.
        """
        mine = self._held.get(component)
        if mine is None:
            return ()
        ended: list[tuple[str, str, str]] = []
        for number, held in list(mine.items()):
            text = self._denial(component, held.capability, held.resource, held.also)
            if text is not None and mine.pop(number, None) is not None:
                ended.append((held.capability, held.resource, text))
                held.end(text)
        if not mine and self._held.get(component) is mine:
            del self._held[component]
        return tuple(ended)
