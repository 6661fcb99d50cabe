"""One table of the operating system's errors: what each becomes for a guest, by every interface.

The contract's `os-error` has few cases, because a component decides by the case; the codes of
`wasi:filesystem` and `wasi:sockets` are POSIX's own. `docs/os-errors.md` is generated from this
table, so that the page cannot say anything else than the code does.

A number that the table lacks is `failed`, `io` or `unknown`.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

__all__ = ("SYSTEM_ERRORS", "SystemError", "meaning_of", "system_error")


class SystemError(NamedTuple):
    """One error of the operating system.

    Attributes:
        name: Its name in POSIX.
        case: The case of the contract's `os-error`.
        file_code: The code of `wasi:filesystem`.
        socket_code: The code of `wasi:sockets`.
        text: What it says to people, without any name of the host's.
    """

    name: str
    case: str
    file_code: str
    socket_code: str
    text: str

    @property
    def number(self) -> int | None:
        """Its number on this system; None where the system lacks it."""
        return getattr(errno, self.name, None)


_OTHER = SystemError("", "failed", "io", "unknown", "the operating system refuses")

SYSTEM_ERRORS: tuple[SystemError, ...] = tuple(
    SystemError(*row)
    for row in (
        ("EACCES", "denied", "access", "access-denied", "permission denied"),
        ("EPERM", "denied", "not-permitted", "access-denied", "operation not permitted"),
        ("EROFS", "denied", "read-only", "access-denied", "it can only be read"),
        ("ELOOP", "denied", "loop", "unknown", "symbolic links are not followed"),
        ("EXDEV", "denied", "cross-device", "unknown", "it leads to another file system"),
        ("ENOENT", "not-found", "no-entry", "unknown", "there is no such file"),
        ("EEXIST", "exists", "exist", "unknown", "it exists already"),
        ("EINVAL", "invalid", "invalid", "invalid-argument", "it is not valid"),
        ("EISDIR", "invalid", "is-directory", "unknown", "it is a directory"),
        ("ENOTDIR", "invalid", "not-directory", "unknown", "it is not a directory"),
        ("ENOTEMPTY", "invalid", "not-empty", "unknown", "the directory is not empty"),
        ("ENAMETOOLONG", "invalid", "name-too-long", "unknown", "the name is too long"),
        ("EILSEQ", "invalid", "illegal-byte-sequence", "unknown", "it is no valid text"),
        ("ENXIO", "invalid", "no-such-device", "unknown", "it is no regular file"),
        ("ENODEV", "invalid", "no-device", "unknown", "it is no regular file"),
        ("ESPIPE", "invalid", "invalid-seek", "unknown", "it has no positions"),
        ("EBADF", "invalid", "bad-descriptor", "invalid-state", "it is closed"),
        ("EBUSY", "failed", "busy", "unknown", "it is in use"),
        ("ETXTBSY", "failed", "text-file-busy", "unknown", "it is being executed"),
        ("EFBIG", "limit-exceeded", "file-too-large", "unknown", "the file would be too large"),
        ("ENOSPC", "limit-exceeded", "insufficient-space", "unknown", "the disk is full"),
        ("EDQUOT", "limit-exceeded", "quota", "unknown", "its quota is used up"),
        ("EMLINK", "limit-exceeded", "too-many-links", "unknown", "it has too many names"),
        ("EMFILE", "limit-exceeded", "insufficient-memory", "new-socket-limit",
         "too many files are open"),
        ("ENFILE", "limit-exceeded", "insufficient-memory", "new-socket-limit",
         "too many files are open on this host"),
        ("ENOMEM", "limit-exceeded", "insufficient-memory", "out-of-memory",
         "the host lacks memory"),
        ("ENOBUFS", "limit-exceeded", "insufficient-memory", "out-of-memory",
         "the host lacks memory"),
        ("EINTR", "failed", "interrupted", "unknown", "it was interrupted"),
        ("EIO", "failed", "io", "unknown", "the device failed"),
        ("ESTALE", "failed", "io", "unknown", "the file system was replaced"),
        ("ENOTSUP", "failed", "unsupported", "not-supported", "the system cannot do it"),
        ("ETIMEDOUT", "timed-out", "io", "timeout", "it did not end in time"),
        ("ECONNREFUSED", "disconnected", "io", "connection-refused",
         "the peer refuses connections"),
        ("ECONNRESET", "disconnected", "io", "connection-reset", "the peer closed the connection"),
        ("ECONNABORTED", "disconnected", "io", "connection-aborted",
         "the connection was given up"),
        ("EPIPE", "disconnected", "pipe", "connection-reset", "the peer closed the connection"),
        ("EHOSTUNREACH", "disconnected", "io", "remote-unreachable", "there is no way to the host"),
        ("ENETUNREACH", "disconnected", "io", "remote-unreachable",
         "there is no way to the network"),
        ("EADDRINUSE", "failed", "io", "address-in-use", "the address is in use"),
        ("EADDRNOTAVAIL", "invalid", "io", "address-not-bindable",
         "the address is none of this host"),
        ("EMSGSIZE", "limit-exceeded", "message-size", "datagram-too-large",
         "the datagram is too large"),
        ("EAFNOSUPPORT", "invalid", "io", "not-supported", "the kind of address is not supported"),
        ("ENOTCONN", "disconnected", "io", "invalid-state", "it is not connected"),
        ("EISCONN", "invalid", "io", "invalid-state", "it is connected already"),
        ("EALREADY", "failed", "already", "concurrency-conflict", "it is under way already"),
        ("EINPROGRESS", "failed", "in-progress", "would-block", "it is under way"),
        ("EAGAIN", "failed", "would-block", "would-block", "it would have to wait"),
    )
)  # fmt: skip

_BY_NUMBER = {each.number: each for each in SYSTEM_ERRORS if each.number is not None}


def meaning_of(error: OSError) -> SystemError:
    """Return the row of the table for an error."""
    return _BY_NUMBER.get(error.errno or 0, _OTHER)


def system_error(name: str, text: str = "") -> OSError:
    """Return an error of the operating system that this block raises itself."""
    number: int = getattr(errno, name)
    return OSError(number, text or os.strerror(number))
