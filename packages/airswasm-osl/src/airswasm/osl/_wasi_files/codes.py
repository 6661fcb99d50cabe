"""Error codes of wasi:filesystem, and blocking operations whose errors become one."""

from __future__ import annotations

import errno
import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

from airswasm.runtime import AccountExceeded, Caller, Err, Ok
from airswasm.runtime.wasi import IoError, StreamFailed
from anyio import to_thread

from ..errors import LimitReached, OslError

__all__ = ("Refused", "coded", "coded_now", "on_disk", "streamed")

T = TypeVar("T")

_CODES = {
    errno.EACCES: "access",
    errno.EPERM: "not-permitted",
    errno.EBADF: "bad-descriptor",
    errno.EBUSY: "busy",
    errno.EDQUOT: "quota",
    errno.EEXIST: "exist",
    errno.EFBIG: "file-too-large",
    errno.EINTR: "interrupted",
    errno.EINVAL: "invalid",
    errno.EIO: "io",
    errno.EISDIR: "is-directory",
    errno.ELOOP: "loop",
    errno.EMFILE: "insufficient-memory",
    errno.ENAMETOOLONG: "name-too-long",
    errno.ENOENT: "no-entry",
    errno.ENOMEM: "insufficient-memory",
    errno.ENOSPC: "insufficient-space",
    errno.ENOTDIR: "not-directory",
    errno.ENOTEMPTY: "not-empty",
    errno.ENXIO: "no-such-device",
    errno.EROFS: "read-only",
    errno.EXDEV: "not-permitted",
}


class Refused(Exception):
    """The answer is an error code of wasi:filesystem.

    Attributes:
        code: The case.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def on_disk(operation: Callable[[], T]) -> T:
    """Run a blocking operation on a worker thread; a cancel waits for its end."""
    return await to_thread.run_sync(operation)


async def streamed(operation: Callable[[], T]) -> T:
    try:
        return await on_disk(operation)
    except OSError as error:
        code = code_of(error)
        raise StreamFailed(IoError(code, filesystem_code=code)) from error


def code_of(error: OSError) -> str:
    return _CODES.get(error.errno or 0, "io")


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
