"""The parts of a running host that take changed settings over.

A block's part that holds settings says here how it takes others, by the class of their model, as it
is set up. A reload asks all parts of the changed sections first whether the new settings can hold,
and puts them into force only if all agree, so that a host never runs with half of a file.

Rejected: mutable settings that every reader looks up at each use. A part could then not refuse a
value, and could not end what a tighter value no longer allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias, TypeVar, cast

__all__ = ("Apply", "LiveSettings", "Prepare")

T = TypeVar("T")

Apply: TypeAlias = Callable[[], object]
"""Puts what was prepared into force; it does not fail. What it returns is awaited if it can be."""
Prepare: TypeAlias = Callable[[T], Apply]
"""Checks new settings, and returns what puts them into force; its error refuses them."""


class LiveSettings:
    """The functions by which the parts of one host take settings over, by the model's class."""

    def __init__(self) -> None:
        self._prepare: dict[type, list[Prepare[object]]] = {}

    def take(self, model: type[T], apply: Callable[[T], object]) -> None:
        """Call `apply` with settings that have changed; it takes any, and does not fail."""
        self.prepare(model, lambda settings: lambda: apply(settings))

    def prepare(self, model: type[T], prepare: Prepare[T]) -> None:
        """Have settings that have changed checked by `prepare`, before any is put into force."""
        self._prepare.setdefault(model, []).append(cast("Prepare[object]", prepare))

    def takes(self, model: type) -> bool:
        """Return whether any part of the host takes changes of these settings over."""
        return model in self._prepare

    def prepared(self, settings: Iterable[object]) -> list[Apply]:
        """Check settings, and return what puts all of them into force, in the order of the parts.

        Raises:
            Exception: What a part raised that refuses them.
        """
        return [prepare(each) for each in settings for prepare in self._prepare.get(type(each), ())]
