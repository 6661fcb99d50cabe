"""Turn a provider's result into the guest's answer: `Ok`, or `Err` with the contract's case."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine

from airswasm.runtime import AccountExceeded, Caller, Err, Ok

from .errors import LimitReached, OslError

Answer = Ok[object] | Err[object]


def answered(
    function: Callable[..., Awaitable[object]],
) -> Callable[..., Coroutine[object, object, Answer]]:
    """Wrap a host function so that its value becomes `Ok` and an `OslError` becomes `Err`.

    A refusal of the instance's account becomes the limit that it is. The runtime reports any other
    exception as a bug of the host.
    """

    @functools.wraps(function)
    async def answer(caller: Caller, *args: object) -> Answer:
        try:
            return Ok(await function(caller, *args))
        except OslError as error:
            return Err(error.as_case())
        except AccountExceeded as error:
            return Err(LimitReached(str(error)).as_case())

    return answer


def check_room(caller: Caller, size_bytes: int, what: str) -> None:
    """Check that a guest has room for an answer, so that it fails as an error and not in the guest.

    Raises:
        LimitReached: It has not.
    """
    if size_bytes > caller.message_bytes:
        raise LimitReached(
            f"{what} has {size_bytes:,} bytes, and this component takes {caller.message_bytes:,} "
            "at once (limits.message_bytes)"
        )
