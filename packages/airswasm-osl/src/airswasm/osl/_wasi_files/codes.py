"""Error codes of wasi:filesystem, and blocking operations whose errors become one."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

from airswasm.runtime import AccountExceeded, Caller, Err, Ok
from airswasm.runtime.wasi import IoError, StreamFailed

from .._system_errors import meaning_of
from ..errors import LimitReached, OslError

__all__ = ("Refused", "coded", "coded_now", "streamed")

T = TypeVar("T")


class Refused(Exception):
    """The answer is an error code of wasi:filesystem.

    Attributes:
        code: The case.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def streamed(operation: Awaitable[T]) -> T:
    """Return the outcome of an operation of a stream."""
    try:
        return await operation
    except OSError as error:
        code = code_of(error)
        raise StreamFailed(IoError(code, filesystem_code=code)) from error


def code_of(error: OSError) -> str:
    return meaning_of(error).file_code


def osl_code(error: OslError) -> str:
    cause = error.__cause__
    if isinstance(cause, OSError):
        return code_of(cause)
    return "file-too-large" if isinstance(error, LimitReached) else "invalid"


def coded(
    function: Callable[..., Awaitable[object]],
) -> Callable[..., Coroutine[object, object, object]]:
    """Wrap a function so that its errors become error codes."""

    @functools.wraps(function)
    async def answer(caller: Caller, *args: object) -> object:
        try:
            return Ok(await function(caller, *args))
        except Refused as refused:
            return Err(refused.code)
        except AccountExceeded:
            return Err("insufficient-memory")
        except OslError as error:
            return Err(osl_code(error))
        except OSError as error:
            return Err(code_of(error))

    return answer


def coded_now(make: Callable[[], object]) -> object:
    try:
        return Ok(make())
    except Refused as refused:
        return Err(refused.code)
    except AccountExceeded:
        return Err("insufficient-memory")
