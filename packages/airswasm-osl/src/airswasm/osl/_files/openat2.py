"""Open a path strictly beneath a folder, whatever others do to the tree meanwhile.

To check a path and then open it is a race that an attacker wins thousands of times a second; the
kernel must do both at once. Linux's `openat2` does, and has no wrapper in Python, hence `ctypes`.
Where it is missing (older kernels, other systems, some containers' seccomp filters), this walks the
path one component at a time with `O_NOFOLLOW`, each from the descriptor of its parent: as safe, and
a little slower. The walk needs `dir_fd` support, which Windows lacks: there the block refuses to
offer files.

It follows no symbolic links, not even those that stay beneath the folder: capabilities are matched
on the path that a guest names, and a link would be a second name for a file that another pattern
denies.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import sys
from collections.abc import Callable, Sequence

OpenBeneath = Callable[[int, Sequence[str], int, int], int]
"""`(folder_fd, parts, flags, mode) -> fd`; raises OSError."""

_SYS_OPENAT2 = 437  # the same number on every architecture but alpha
_NO_XDEV, _NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x01, 0x02, 0x04, 0x08
_RESOLVE = _NO_XDEV | _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH
_CACHED = 0x20
_RETRIES = 64


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def open_by_openat2(
    folder_fd: int, parts: Sequence[str], flags: int, mode: int, resolve: int = _RESOLVE
) -> int:
    """Open with one system call that never leaves the folder.

    Raises:
        OSError: `ELOOP` for a symbolic link in the path, `ENOSYS` where the call is missing.
    """
    path = os.fsencode("/".join(parts) or ".")
    if b"\0" in path:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    creates = bool(flags & os.O_CREAT)
    how = _OpenHow(flags | os.O_CLOEXEC, mode if creates else 0, resolve)
    libc = _libc()
    for _ in range(_RETRIES):
        fd = libc.syscall(
            ctypes.c_long(_SYS_OPENAT2),
            ctypes.c_int(folder_fd),
            ctypes.c_char_p(path),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if fd >= 0:
            return int(fd)
        code = ctypes.get_errno()
        if resolve & _CACHED or code not in (errno.EAGAIN, errno.EINTR):  # a rename raced with us
            raise OSError(code, os.strerror(code))
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))


def open_cached(folder_fd: int, parts: Sequence[str], flags: int) -> int | None:
    """Open as `open_by_openat2` does, if the kernel has every name of the path in its memory.

    Returns:
        The descriptor; None where that would have to ask the disk, and for every error.
    """
    if not _has_cached():
        return None
    try:
        return open_by_openat2(folder_fd, parts, flags, 0, _RESOLVE | _CACHED)
    except OSError:
        return None


@functools.cache
def _has_cached() -> bool:
    if sys.platform != "linux":
        return False
    folder_fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        flags = os.O_RDONLY | os.O_DIRECTORY
        os.close(open_by_openat2(folder_fd, (), flags, 0, _RESOLVE | _CACHED))
    except OSError:  # before Linux 5.12
        return False
    finally:
        os.close(folder_fd)
    return True


def open_by_walking(folder_fd: int, parts: Sequence[str], flags: int, mode: int) -> int:
    """Open one component after the other, none of which may be a symbolic link.

    Raises:
        OSError: `ELOOP` or `ENOTDIR` for a symbolic link in the path.
    """
    if any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    step = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    with contextlib.ExitStack() as opened:
        at = folder_fd
        for part in parts[:-1]:
            at = os.open(part, step, dir_fd=at)
            opened.callback(os.close, at)
        last = parts[-1] if parts else "."
        return os.open(last, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=at)


def best_opener() -> OpenBeneath | None:
    """Return this machine's best way to open, or None without a safe one."""
    if sys.platform == "linux" and _has_openat2():
        return open_by_openat2
    return open_by_walking if os.open in os.supports_dir_fd else None


def _has_openat2() -> bool:
    folder_fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.close(open_by_openat2(folder_fd, (), os.O_RDONLY | os.O_DIRECTORY, 0))
    except OSError:
        return False
    finally:
        os.close(folder_fd)
    return True
