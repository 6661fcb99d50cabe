"""How a provider's function answers a guest: `Ok`, or `Err` with the contract's case."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine

from airswasm.runtime import Caller, Err, Ok

from .errors import OslError

Answer = Ok[object] | Err[object]


def answered(
    function: Callable[..., Awaitable[object]],
) -> Callable[..., Coroutine[object, object, Answer]]:
    """Wraps a host function so that its value becomes `Ok` and an `OslError` `Err`.

    Anything else it raises is a bug and is left to the runtime to report as one.
    """

    @functools.wraps(function)
    async def answer(caller: Caller, *args: object) -> Answer:
        try:
            return Ok(await function(caller, *args))
        except OslError as error:
            return Err(error.as_case())

    return answer
