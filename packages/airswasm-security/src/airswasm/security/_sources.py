"""Trusted sources: where a package came from, as one canonical text, and the patterns for it.

A source is a URL: `file:///srv/packages/orders.airswasm` for a file. Sources over a network can
join in this form; until then a key is what they are trusted for. A pattern that begins with `/`
stands for files.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from ._patterns import Pattern
from .errors import InvalidPattern

__all__ = ("FILE", "covers_source", "file_source", "source_pattern")

FILE = "file://"
_SAFE = "/-._~"
_PATTERN_SAFE = f"{_SAFE}*?[]"


def file_source(path: str | os.PathLike[str], members: Iterable[str] = ()) -> str:
    """Return the canonical text of a file or folder; empty if others can exchange it.

    It counts only where no other user can write: to the file itself, or to the members of a folder,
    and to any folder above, but for one like `/tmp`, in which each may only touch what is theirs.
    Nor does a path that leads through a link, which could point elsewhere a moment later.

    Args:
        path: The file or folder.
        members: The files of a folder that make the package.
    """
    given = Path(os.path.normpath(Path(path).absolute()))  # without asking where links lead
    inside = {given / each for each in members}
    inside |= {above for each in inside for above in each.parents}
    try:
        # Without `..`, a path that no link is in leads to itself.
        is_direct = ".." not in Path(path).parts or Path(path).resolve() == given
        is_ours = is_direct and all(map(_is_safe, {given, *given.parents, *inside}))
    except OSError:
        is_ours = False
    return f"{FILE}{quote(str(given), safe=_SAFE)}" if is_ours else ""


def source_pattern(text: str) -> Pattern:
    """Read a pattern of sources: `/srv/packages/**`, or the whole form `file:///srv/**`.

    Raises:
        InvalidPattern: It is not usable, or covers every source there is.
    """
    spelled = text
    if text.startswith("/"):
        spelled = f"{FILE}{quote(text, safe=_PATTERN_SAFE)}"
    scheme, mark, rest = spelled.partition("://")
    if not mark or not scheme.isascii() or not scheme.isalpha():
        raise InvalidPattern(text, "a source is an absolute path, /srv/packages/**, or a URL")
    if scheme != "file":
        reason = "only places of files can be trusted, /srv/packages/**; for others trust the key"
        raise InvalidPattern(text, reason)
    segments = rest.split("/")
    if not rest.startswith("/") or ".." in segments or "." in segments[1:]:
        raise InvalidPattern(text, "its path is absolute, without . and ..")
    if all(each in ("", "*", "**") for each in segments):
        raise InvalidPattern(text, "it covers every file; name a folder")
    return Pattern(spelled.removesuffix("/"), "/")


def covers_source(patterns: Iterable[str], source: str) -> bool:
    """Return whether one of the patterns covers a source; an empty source is never covered."""
    return bool(source) and any(source_pattern(each).matches(source) for each in patterns)


def _is_safe(path: Path) -> bool:
    """Return whether no other user but the administrator can exchange a file or folder."""
    if os.name != "posix":
        return True
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode) or status.st_uid not in (0, os.geteuid()):
        return False
    is_sticky = stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX)
    return is_sticky or not status.st_mode & (stat.S_IWOTH | stat.S_IWGRP)
