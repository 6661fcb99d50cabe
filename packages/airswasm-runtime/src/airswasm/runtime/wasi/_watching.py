"""Wait for a change of something that is no pollable itself."""

from __future__ import annotations

from collections.abc import Callable

from ._io import Unwatch


class Watchers:
    """Those who wait for a change of something; its owner tells them to look again."""

    __slots__ = ("_wakes",)

    def __init__(self) -> None:
        self._wakes: dict[object, Callable[[], None]] = {}

    def changed(self) -> None:
        """Have all of them look again. Only for the loop's thread."""
        for wake in list(self._wakes.values()):
            wake()

    def watch(self, wake: Callable[[], None]) -> Unwatch:
        """Call `wake` at each change until the watch ends."""
        key = object()
        self._wakes[key] = wake
        return lambda: self._forget(key)

    def _forget(self, key: object) -> None:
        self._wakes.pop(key, None)


class When:
    """A pollable that is ready while a question is answered with yes.

    What is asked about has the watchers and not the pollable: no cycle keeps its bytes on an
    account until the garbage collector comes.
    """

    __slots__ = ("_is_ready", "_watchers")

    def __init__(self, is_ready: Callable[[], bool], watchers: Watchers) -> None:
        self._is_ready = is_ready
        self._watchers = watchers

    def is_ready(self) -> bool:
        """Return the present answer."""
        return self._is_ready()

    def watch(self, wake: Callable[[], None]) -> Unwatch:
        """Call `wake` whenever the answer may have changed, until the watch ends."""
        return self._watchers.watch(wake)
