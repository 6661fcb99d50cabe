"""Paths of wasi:filesystem: their canonical form, and the end that says what they must name.

A trailing `/` says that the path names a directory, and `/.` that it names the directory through
itself. Grants are matched on the canonical form, which has neither; so the end is kept beside it
and each operation answers to it as POSIX has it. The system is never given the end: it would follow
a link for it.
"""

from __future__ import annotations

import os
import stat as stat_modes
from typing import NamedTuple

from .._files.naming import parts_of
from .._system_errors import system_error
from ..errors import Malformed
from .codes import Refused

__all__ = ("Named", "below", "check_ending", "named_below")

_LENGTH = 4096
_NAME_LENGTH = 255


class Named(NamedTuple):
    """A path that a guest gave.

    Attributes:
        path: Its canonical form, from the component's `/`.
        ending: `/` or `.` where it says that it names a directory; else empty.
    """

    path: str
    ending: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The names in it."""
        return parts_of(self.path)


def named_below(base: str, path: str) -> Named:
    """Return a path that a guest gave relative to `base`.

    Raises:
        Refused: It is empty, absolute or too long, leads upwards, or has a name that no file has.
    """
    if not path:
        raise Refused("no-entry")
    if path.startswith("/"):
        raise Refused("not-permitted")
    names = path.split("/")
    if len(path.encode(errors="replace")) >= _LENGTH or any(
        len(name.encode(errors="replace")) > _NAME_LENGTH for name in names
    ):
        raise Refused("name-too-long")
    if ".." in names:
        raise Refused("not-permitted")
    plain = [name for name in names if name not in ("", ".")]
    ending = "." if names[-1] == "." or names[-2:] == [".", ""] else "" if names[-1] else "/"
    try:
        return Named("/" + "/".join((*parts_of(base), *parts_of("/".join(plain)))), ending)
    except Malformed:
        raise Refused("invalid") from None


def below(base: str, path: str) -> str:
    """Return the canonical form of a path; see `named_below`."""
    return named_below(base, path).path


def check_ending(ending: str, status: os.stat_result) -> None:
    """Check that what a path names is what its end says.

    Raises:
        OSError: `ENOTDIR`; `ELOOP` for a symbolic link, which is not followed.
    """
    if ending and not stat_modes.S_ISDIR(status.st_mode):
        raise system_error("ELOOP" if stat_modes.S_ISLNK(status.st_mode) else "ENOTDIR")
