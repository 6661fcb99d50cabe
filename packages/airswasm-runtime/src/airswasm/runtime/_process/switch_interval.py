"""Shorter turns at the interpreter's lock, where guests keep other threads waiting for it.

A thread that wants the lock gets it after 5 ms at the earliest, and beside four
busy Python threads after some 20. What has to happen in Python once a computing
guest has reached its deadline takes three such waits, one after the other: a
deadline of 50 ms was reported after 135. So the turns are cut for as long as a guest
computes, which costs busy threads some 4 % of what they get done. A host that has chosen
shorter turns keeps them.

A guest for which the host works keeps the event loop's thread busy in Python. That thread
lets go of the lock once in each turn of the loop, after `host_slice`, and takes it again
before a waiting thread is awake, which begins its wait anew. So the interval has to be
shorter than the slice: with a longer one, a hop to a thread took up to a second on a quiet
machine. A host of components has the short turns for as long as it is open
(`EngineConfig.short_switches`).
"""

from __future__ import annotations

import sys
from threading import Lock
from types import TracebackType

SWITCH_INTERVAL = 0.0001
"""Seconds; half of the shortest `host_slice`."""


class ShortSwitches:
    """A context, entered as often as one likes, in any thread; one for the process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._entered = 0
        self._usual = 0.0

    def __enter__(self) -> None:
        with self._lock:
            self._entered += 1
            if self._entered == 1:
                usual = sys.getswitchinterval()
                self._usual = usual if usual > SWITCH_INTERVAL else 0.0
                if self._usual:
                    sys.setswitchinterval(SWITCH_INTERVAL)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._entered -= 1
            # unless the program has chosen another meanwhile
            is_ours = abs(sys.getswitchinterval() - SWITCH_INTERVAL) < 1e-6
            if not self._entered and self._usual and is_ours:
                sys.setswitchinterval(self._usual)


short_switches = ShortSwitches()
