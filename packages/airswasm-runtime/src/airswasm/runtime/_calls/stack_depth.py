"""Whether Python has frames left for the callbacks that a guest makes.

A callback that cannot begin, because the recursion limit is reached, gives the
engine no answer, and the engine aborts the process. So this is asked before.
"""

from __future__ import annotations

from collections.abc import Callable


def _no_more() -> None:
    return


def _frames_left(number: int) -> Callable[[], None]:
    """Return a function that raises `RecursionError` unless so many more frames fit."""
    check = _no_more
    for _ in range(number):

        def deeper(below: Callable[[], None] = check) -> None:
            below()

        check = deeper
    return check


check_depth = _frames_left(5)
"""Before a guest is entered: a callback that cannot begin aborts the process."""
check_depth_to_instantiate = _frames_left(12)
"""The same with room for what comes before."""
