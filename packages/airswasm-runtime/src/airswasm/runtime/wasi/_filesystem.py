"""wasi:filesystem without a file: no preopened folder, and every function says so.

A guest reaches files only through a descriptor that it was given, and it is
given none; the functions exist so that guests link. airswasm-osl replaces both
interfaces by name.
"""

from __future__ import annotations

from collections.abc import Iterable

from .._host import Caller, HostInterface
from .._values import Err
from ._io import CLOSED_ON_DROP, IoError, methods

DESCRIPTOR_METHODS = (
    "read-via-stream",
    "write-via-stream",
    "append-via-stream",
    "advise",
    "sync-data",
    "get-flags",
    "get-type",
    "set-size",
    "set-times",
    "read",
    "write",
    "read-directory",
    "sync",
    "create-directory-at",
    "stat",
    "stat-at",
    "set-times-at",
    "link-at",
    "open-at",
    "readlink-at",
    "remove-directory-at",
    "rename-at",
    "symlink-at",
    "unlink-file-at",
    "metadata-hash",
    "metadata-hash-at",
)


def _not_permitted(_caller: Caller, *_arguments: object) -> Err[str]:
    return Err("not-permitted")


def _is_same_object(_caller: Caller, one: object, other: object) -> bool:
    return one is other


def _no_directories(_caller: Caller) -> list[object]:
    return []


def error_code(_caller: Caller, error: IoError) -> str | None:
    """Answer `filesystem-error-code`: why a file's stream failed."""
    return error.filesystem_code


def interfaces(version: str) -> Iterable[HostInterface]:
    """Offer wasi:filesystem, denied."""
    return (
        HostInterface(f"wasi:filesystem/preopens@{version}", {"get-directories": _no_directories}),
        HostInterface(
            f"wasi:filesystem/types@{version}",
            {
                "filesystem-error-code": error_code,
                "[method]descriptor.is-same-object": _is_same_object,
                "[method]directory-entry-stream.read-directory-entry": _not_permitted,
                **methods("descriptor", dict.fromkeys(DESCRIPTOR_METHODS, _not_permitted)),
            },
            {"descriptor": CLOSED_ON_DROP, "directory-entry-stream": CLOSED_ON_DROP},
        ),
    )
