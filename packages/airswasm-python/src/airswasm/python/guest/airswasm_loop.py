"""An event loop for asyncio without sockets, threads and signals: coroutines and timers."""

import asyncio
import time
from asyncio import base_events


class _Selector:
    def select(self, timeout):
        if timeout is None:
            raise RuntimeError("the event loop waits for what cannot happen: nothing else runs")
        if timeout > 0:
            time.sleep(timeout)
        return ()


class Loop(base_events.BaseEventLoop):
    """Runs coroutines and timers; to wait for one is to wait in the host."""

    def __init__(self):
        super().__init__()
        self._selector = _Selector()

    def _process_events(self, events):
        return

    def _write_to_self(self):
        return


def install():
    """Make `asyncio.run` use it."""
    asyncio.events.new_event_loop = Loop
    asyncio.new_event_loop = Loop
    asyncio.runners.events.new_event_loop = Loop
