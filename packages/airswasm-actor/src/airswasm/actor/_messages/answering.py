"""The coroutine behind `Request.wait`.

Coroutines live outside of the modules that are compiled: see `_running/serving.py` for the reason.
"""

from __future__ import annotations

from typing import Protocol

import anyio

__all__ = ("Answerable", "wait_answered")


class Answerable(Protocol):
    """The part of a request that waiting for it needs."""

    is_done: bool
    answered: anyio.Event | None

    def cancel(self) -> bool:
        """Give up waiting."""
        ...

    def result(self) -> object:
        """Return the answer, or raise the error that there is instead."""
        ...


async def wait_answered(request: Answerable) -> object:
    """Wait for the outcome of a request; a cancel gives the request up."""
    if not request.is_done:
        request.answered = answered = anyio.Event()
        try:
            await answered.wait()
        finally:
            request.cancel()
    return request.result()
