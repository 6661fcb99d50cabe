"""Checks of `doctor` for the surroundings of a home: locks, limits, folders, names.

Each of these has kept a host from running somewhere, with an error that named another cause. A
check reads, or tries on a scratch file of its own, and says what to do.
"""

from __future__ import annotations

import codecs
import locale
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from airswasm.lifecycle import Home, HomeUnusable
from airswasm.wit import Finding

from .._control.endpoint import endpoint_of

__all__ = ("check_surroundings",)

_FEW_DESCRIPTORS = 256
_FEW_ADDRESS_BYTES = 64 * 2**30
_NOEXEC = getattr(os, "ST_NOEXEC", 8)
_LATEST_SKEW = 60.0


def check_surroundings(home: Path, *, quick: bool = False) -> Iterator[Finding]:
    """Check a home's surroundings; report the problems, and a summary.

    Args:
        home: The home, which may not exist yet.
        quick: Ignored: none of these checks is slow.
    """
    del quick
    found = [
        *_path(home), *_shared(home), *_locks(home), *_socket(home), *_temporary(), *_descriptors(),
        *_address_space(), *_processes(), *_program_folder(), *_text(), *_times(home),
    ]  # fmt: skip
    if not found:
        yield Finding("around", "ok", "locks, sockets, temporary files, limits and names work here")
    yield from found


def _path(home: Path) -> Iterator[Finding]:
    if home.is_symlink():
        yield Finding("home", "note", f"{home} is a link to {home.resolve()}")


def _shared(home: Path) -> Iterator[Finding]:
    """Report a home of another user, or one that other users share."""
    if os.name != "posix" or not home.is_dir():
        return
    status = home.stat()
    if status.st_uid != os.geteuid():
        text = f"{home} belongs to user id {status.st_uid}, and this process is {os.geteuid()}"
        yield Finding("home", "problem", text, "run as that user, or choose another home")
    elif status.st_mode & 0o1022:
        text = f"{home} is a folder that others write to"
        yield Finding("home", "problem", text, "choose a separate folder for the home")


def _locks(home: Path) -> Iterator[Finding]:
    """Try to lock the home's lock file, or else a scratch file in its place."""
    folder = _existing(home)
    if Home(home).lock_file.exists():
        place = Home(home)
    elif os.access(folder, os.W_OK):
        with tempfile.TemporaryDirectory(prefix=".airswasm-", dir=folder) as scratch:
            Home(Path(scratch)).lock_file.touch()
            yield from _tried(Home(Path(scratch)))
        return
    else:
        return
    yield from _tried(place)


def _tried(place: Home) -> Iterator[Finding]:
    try:
        place.holder()
    except HomeUnusable as error:
        yield Finding("locks", "problem", error.reason, error.hint)


def _socket(home: Path) -> Iterator[Finding]:
    endpoint = endpoint_of(home)
    if not endpoint.is_in_home:
        text = f"the home's path is too long for a socket, so its host listens at {endpoint.path}"
        yield Finding("socket", "note", text)


def _temporary() -> Iterator[Finding]:
    try:
        tempfile.TemporaryFile().close()
    except OSError as error:
        text = f"no temporary file can be created:  {error.strerror}"
        hint = "set TMPDIR to a writable folder: reading a component takes temporary files"
        yield Finding("temporary", "problem", text, hint)


def _descriptors() -> Iterator[Finding]:
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _FEW_DESCRIPTORS:
        text = f"this process may open only {soft} files; each component and connection takes some"
        most = 65536 if hard == resource.RLIM_INFINITY else hard
        how = (
            f"`ulimit -n {most}`"
            if most > soft
            else f"the hard limit is {hard}: ask an administrator"
        )
        yield Finding("files", "warning", text, f"raise it where the host is started: {how}")


def _address_space() -> Iterator[Finding]:
    if sys.platform == "win32":
        return
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY and soft < _FEW_ADDRESS_BYTES:
        text = f"`ulimit -v` allows {soft / 2**30:.1f} GiB of address space"
        hint = (
            "`ulimit -v unlimited`: the engine reserves address space that takes no memory; "
            "bound the memory with a cgroup instead"
        )
        yield Finding("address space", "warning", text, hint)


def _processes() -> Iterator[Finding]:
    if sys.platform == "linux" and not Path("/proc/self/maps").exists():
        text = "/proc is missing: the host cannot count its memory mappings"
        hint = "mount it; otherwise too many components end the whole host, not only the last one"
        yield Finding("proc", "warning", text, hint)


def _program_folder() -> Iterator[Finding]:
    """Check the folder of the native libraries: from a `noexec` mount, they cannot be loaded."""
    folder = Path(__file__).parent
    if os.name == "posix" and os.statvfs(folder).f_flag & _NOEXEC:
        text = f"{folder} is mounted noexec"
        yield Finding("noexec", "problem", text, "install airswasm on a disk without noexec")


def _text() -> Iterator[Finding]:
    encoding = sys.getfilesystemencoding()
    if codecs.lookup(encoding).name != "utf-8":
        hint = "set LC_ALL=C.UTF-8, or PYTHONUTF8=1"
        yield Finding("locale", "warning", f"file names are {encoding} here, not UTF-8", hint)
    elif codecs.lookup(locale.getpreferredencoding(False)).name != "utf-8":
        text = f"the locale's encoding is {locale.getpreferredencoding(False)}"
        yield Finding("locale", "note", f"{text}; characters beyond it are shown as \\x…")


def _times(home: Path) -> Iterator[Finding]:
    """Report files from the future, which show a clock that was set back."""
    newest = max((_changed(each) for each in _files(home)), default=0.0)
    ahead = newest - time.time()
    if ahead > _LATEST_SKEW:
        text = f"files of the home are {ahead / 60:.0f} min in the future: the clock was set back"
        hint = "set the clock; to sign a component meanwhile, pass --sequence"
        yield Finding("clock", "warning", text, hint)


def _files(home: Path) -> Iterator[Path]:
    yield home / "host.lock"
    for name in ("audit", "trust", "store"):
        folder = home / name
        if folder.is_dir() and os.access(folder, os.R_OK | os.X_OK):
            yield from folder.iterdir()


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _existing(home: Path) -> Path:
    return next(each for each in (home, *home.parents) if each.is_dir())
