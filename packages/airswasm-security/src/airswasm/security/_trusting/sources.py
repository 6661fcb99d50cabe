"""Trusted sources: where a package came from, as one canonical text, and the patterns for it.

A place is a URL: `file:///srv/packages/orders.airswasm`, `https://host/path`, or
`git+https://host/path@REF#folder`. What was redirected has several, with a space between them, and
each must be covered. A pattern that begins with `/` stands for files.

The host of a pattern has no wildcards: the owner of `shop.example` need not own all of `*.example`.
"""

from __future__ import annotations

import os
import re
import stat
import string
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import quote, unquote

from .._kinds.patterns import Pattern
from ..addresses import as_address
from ..errors import InvalidPattern

__all__ = ("FILE", "covers_source", "file_source", "network_source", "source_pattern")

FILE = "file://"
_SAFE = "/-._~"
_PATTERN_SAFE = f"{_SAFE}*?[]"
_PROVEN = frozenset({"https", "git+https", "git+ssh", "oci"})
_UNPROVEN = frozenset({"http", "git+http", "git", "ftp", "ssh", "git+git", "git+file"})
_REF_MARKS = {"git+https": "@", "git+ssh": "@", "oci": ":"}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_UNSAFE = re.compile(r"[^!-~]|[\\\"<>^`{|}]")
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_AUTHORITY = re.compile(
    rf"(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?"
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%(?:25)*(?:2[eEfF]|5[cC]|[01][0-9A-Fa-f]|7[fF])")
_QUERY = re.compile(r"\?[^/]*=")
_COMMIT = re.compile(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}")
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
_PATH_CHARS = string.ascii_letters + string.digits + "-._~%!$&'()*+,;=:@/"


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


def network_source(
    scheme: str, authority: str, path: str, *, ref: str = "", folder: str = ""
) -> str:
    """Return the canonical text of a place on a server; empty if it has no single spelling.

    Args:
        scheme: `https`, `git+https`, `git+ssh`, `oci`, or that of another kind of source.
        authority: Host and port as the kind's reader spells them; for ssh with the user.
        path: Begins with a slash.
        ref: The branch, tag, commit or digest that was asked for.
        folder: The folder in a repository.
    """
    spelled = _one_path(path)
    has_refs = scheme in _REF_MARKS
    if spelled is None or not authority or (has_refs and set(spelled) & set("@:")):
        return ""
    mark = _REF_MARKS.get(scheme, "")
    if scheme == "oci" and ref.startswith("sha256:"):
        mark = "@"
    return (
        f"{scheme}://{authority}{spelled}"
        + (f"{mark}{ref}" if ref else "")
        + (f"#{quote(folder, safe=_SAFE)}" if folder else "")
    )


@lru_cache(256)
def source_pattern(text: str) -> SourcePattern:
    """Read a pattern of places.

    `/srv/packages/**` stands for files, `https://host/folder/**` for what a server sends, and
    `git+https://host/team/*@v*#folder` for a repository, with patterns of its branches and tags and
    of the folder in it.

    Raises:
        InvalidPattern: It is not usable, or covers every place of its kind.
    """
    if text.startswith("/"):
        return _file_pattern(text, f"{FILE}{quote(text, safe=_PATTERN_SAFE)}")
    scheme, mark, _ = text.partition("://")
    if text.startswith("git+file:"):
        reason = "a repository of this machine is covered by no pattern: its packages are reviewed"
        raise InvalidPattern(text, reason)
    if not mark or not _SCHEME.fullmatch(scheme):
        raise InvalidPattern(text, "a source is an absolute path, /srv/packages/**, or a URL")
    if scheme == "file":
        return _file_pattern(text, text)
    if scheme in _UNPROVEN:
        reason = f"nothing proves who sends what comes by {scheme}; use https, git+https or git+ssh"
        raise InvalidPattern(text, reason)
    if scheme not in _PROVEN and not _has_kind(scheme):
        raise InvalidPattern(text, f"no kind of source is called {scheme}")
    return _network_pattern(text)


def covers_source(patterns: Iterable[str], source: str) -> bool:
    """Return whether patterns cover a source: each of its places, where it was redirected.

    An empty source is never covered.
    """
    places = source.split(" ") if source else []
    read = [source_pattern(each) for each in patterns]
    return bool(places) and all(any(each.covers(place) for each in read) for place in places)


@dataclass(frozen=True, slots=True)
class SourcePattern:
    """A pattern of places.

    Attributes:
        text: As it was written.
        start: Scheme, host and port, which have no wildcards.
        path: The pattern of the path.
        ref: That of the branch, tag, commit or digest; None for any branch and tag.
        folder: That of the folder in a repository; None for any.
    """

    text: str
    start: str
    path: Pattern
    ref: Pattern | None = None
    folder: Pattern | None = None

    def covers(self, place: str) -> bool:
        """Return whether it covers a place in canonical spelling."""
        start, path, ref, folder = _parts(place)
        if start != self.start or not self.path.matches(path):
            return False
        if self.ref is None and start.startswith("git+") and _is_of_strangers(ref):
            return False
        return (self.ref is None or self.ref.matches(ref)) and (
            self.folder is None or self.folder.matches(unquote(folder))
        )


def _file_pattern(text: str, spelled: str) -> SourcePattern:
    path = spelled.removeprefix(FILE)
    segments = path.split("/")
    if not path.startswith("/") or ".." in segments or "." in segments[1:]:
        raise InvalidPattern(text, "its path is absolute, without . and ..")
    if all(each in ("", "*", "**") for each in segments):
        raise InvalidPattern(text, "it covers every file; name a folder")
    return SourcePattern(text, FILE, Pattern(path.removesuffix("/"), "/"))


def _network_pattern(text: str) -> SourcePattern:
    if _UNSAFE.search(text):
        raise InvalidPattern(text, "it has spaces, or characters that no address has")
    if _QUERY.search(text):
        raise InvalidPattern(text, "it has a query; what a query chooses is trusted by no place")
    start, path, ref, folder = _parts(text)
    scheme, _, authority = start.partition("://")
    if scheme == "https" and "#" in text:
        raise InvalidPattern(text, "it has a part after #; a pattern names places, not contents")
    spelled = _one_path(path, also="*?[]")
    if spelled is None or spelled == "/":
        raise InvalidPattern(text, "its path has no name, an empty or dot segment, or a hidden one")
    if spelled.split("/")[1] in ("*", "**"):
        raise InvalidPattern(text, "it covers the whole server; name its first folder")
    if path.endswith("/"):
        raise InvalidPattern(text, "it ends in /; write /** for all that is below")
    return SourcePattern(
        text,
        f"{scheme}://{_authority(scheme, authority, text)}",
        Pattern(spelled, "/"),
        Pattern(ref, "/") if ref else None,
        Pattern(folder, "/") if folder else None,
    )


def _parts(text: str) -> tuple[str, str, str, str]:
    """Return start, path, reference and folder of a place or a pattern."""
    if text.startswith(FILE):
        return FILE, text.removeprefix(FILE), "", ""
    scheme, _, rest = text.partition("://")
    base, _, folder = rest.partition("#")
    authority, slash, path = base.partition("/")
    ref = ""
    if scheme.startswith("git+") or scheme == "oci":
        path, _, ref = path.partition("@")
        name = path.rpartition("/")[2]
        if scheme == "oci" and ":" in name:
            tag = name.partition(":")[2]
            path, ref = path.removesuffix(f":{tag}"), tag
    return f"{scheme}://{authority}", f"{slash}{path}", ref, folder


def _authority(scheme: str, authority: str, text: str) -> str:
    """Return host and port in the spelling of places."""
    user, at, place = authority.rpartition("@")
    if scheme == "git+ssh":
        user = user or "git"
    elif at:
        raise InvalidPattern(text, "a login is no part of a place")
    found = _AUTHORITY.fullmatch(place.lower())
    if found is None or not 0 < int(found["port"] or 1) < 65_536:
        raise InvalidPattern(text, "its host is a name or an IP address, without wildcards")
    host, port = found["host"], found["port"]
    address = as_address(host.strip("[]"))
    if address is None and _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise InvalidPattern(text, "its IP address is not in its canonical form")
    if address is not None and str(address) != host.strip("[]"):
        raise InvalidPattern(text, f"its IP address is written {address}")
    is_default = not port or int(port) == (22 if scheme == "git+ssh" else 443)
    place = host if is_default else f"{host}:{int(port)}"
    return f"{user}@{place}" if scheme == "git+ssh" else place


def _one_path(path: str, *, also: str = "") -> str | None:
    """Return a path with one spelling of its escapes; None if two readers could part over it."""
    if not path.startswith("/") or _BAD_ESCAPE.search(path):
        return None
    spelled = _ESCAPE.sub(_unescaped, path)
    segments = spelled.split("/")[1:]
    if any(each in (".", "..") or (not each and segments != [""]) for each in segments):
        return None
    return spelled if all(each in _PATH_CHARS + also for each in spelled) else None


def _unescaped(found: re.Match[str]) -> str:
    char = chr(int(found[1], 16))
    return char if char in _UNRESERVED else found[0].upper()


def _is_of_strangers(ref: str) -> bool:
    """Return whether a ref can be one that the repository's owner did not make.

    Forges give the commits of forks, and those of proposed changes, under the address of the
    repository that was forked.
    """
    named = ref.startswith(("refs/heads/", "refs/tags/")) or not ref.startswith("refs/")
    return not named or bool(_COMMIT.fullmatch(ref))


def _has_kind(scheme: str) -> bool:
    """Return whether an installed distribution brings sources of a scheme."""
    return bool(entry_points(group="airswasm.sources", name=scheme.partition("+")[0]))


def _is_safe(path: Path) -> bool:
    """Return whether no other user but the administrator can exchange a file or folder."""
    if os.name != "posix":
        return True
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode) or status.st_uid not in (0, os.geteuid()):
        return False
    is_sticky = stat.S_ISDIR(status.st_mode) and bool(status.st_mode & stat.S_ISVTX)
    return is_sticky or not status.st_mode & (stat.S_IWOTH | stat.S_IWGRP)
