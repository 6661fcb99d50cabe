"""AIRSWASM_HOME: the layout on disk of everything that one host stores.

A home is one folder, mode 0700, for one process at a time. The lock is the operating system's
(`flock`), so a killed host leaves no stale lock behind. The locked file names the process that
holds the home and the path of its control socket; it is valid only while the lock is held. A client
therefore need not compute the socket's path from an environment that may differ from the host's.
Rejected: a pid file with a liveness check, because systems reuse process ids.

Reading needs no lock: readers open the registry read-only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from airswasm.wit import safe_text

from ..errors import HomeUnusable, HostIsRunning, StopNeeded

__all__ = ("OLD_STORE", "Home", "HomeLock", "Holder", "lock_stopped")

OLD_STORE = "store.before-"
"""Begins the name of a store that a move to another engine has replaced."""

_TRIES = 5
_PAUSE = 0.01
"""Seconds. A process that asks for the holder also takes the lock, shared, for an instant."""
_RECORD_BYTES = 8192
_TAKEN = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})
"""Error numbers of a lock that another process holds; any other means that locking failed."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a home.

    Attributes:
        pid: Its process id; None if unknown.
        socket: Its control socket; None while it serves none.
    """

    pid: int | None = None
    socket: Path | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """The layout of a home. Construction touches no file; `create` makes the folders."""

    folder: Path

    @property
    def config_file(self) -> Path:
        """The host's settings, written by people."""
        return self.folder / "config.toml"

    @property
    def lock_file(self) -> Path:
        """The file that the running host locks; it holds the address of the host."""
        return self.folder / "host.lock"

    @property
    def keys_folder(self) -> Path:
        """The user's own signing keys."""
        return self.folder / "keys"

    @property
    def trust_folder(self) -> Path:
        """Publishers' keys."""
        return self.folder / "trust"

    @property
    def audit_folder(self) -> Path:
        """The chained audit log."""
        return self.folder / "audit"

    @property
    def audit_log(self) -> Path:
        """The current file of the audit log."""
        return self.audit_folder / "audit.jsonl"

    @property
    def message_log(self) -> Path:
        """The current file of the audit log's lines of messages."""
        return self.audit_folder / "messages.jsonl"

    @property
    def artifacts_folder(self) -> Path:
        """Installed files by their SHA-256."""
        return self.folder / "artifacts"

    @property
    def earlier_folder(self) -> Path:
        """Backups of files that were written in an earlier format."""
        return self.folder / "earlier"

    @property
    def store_folder(self) -> Path:
        """The registry and the components' stored data."""
        return self.folder / "store"

    @property
    def cache_folder(self) -> Path:
        """Compiled code; users may delete it at any time."""
        return self.folder / "cache"

    @property
    def interpreters_folder(self) -> Path:
        """The interpreters of components that are sources, by their ABI."""
        return self.folder / "interpreters"

    @property
    def logs_folder(self) -> Path:
        """One JSON-lines file for each component."""
        return self.folder / "logs"

    def create(self) -> None:
        """Create the missing folders, accessible to this user alone.

        Raises:
            HomeUnusable: A folder cannot be created, belongs to another user, or is shared.
        """
        folders = (
            self.folder,
            self.keys_folder,
            self.trust_folder,
            self.audit_folder,
            self.artifacts_folder,
            self.cache_folder,
            self.logs_folder,
        )
        self.check()
        _make_private(self.folder)
        self._check_owner()
        for folder in folders[1:]:
            _make_private(folder)

    def check(self) -> None:
        """Refuse a path where no home can be; one that does not exist yet is fine.

        Raises:
            HomeUnusable: The path is not UTF-8, or leads to a file or to nothing.
        """
        self._check_path()
        try:
            is_folder, is_there = self.folder.is_dir(), self.folder.exists()
        except OSError:  # a folder above it is shut, which opening the home reports
            return
        if is_folder or not os.path.lexists(self.folder):
            return
        if is_there:
            raise _elsewhere(str(self.folder), "is not a folder", "set AIRSWASM_HOME to a folder")
        hint = "create its target, or set AIRSWASM_HOME to a folder"
        raise _elsewhere(str(self.folder), "is a link to nothing", hint)

    def lock(self) -> HomeLock:
        """Lock the home for this process until the caller releases the lock.

        Raises:
            HostIsRunning: Another process, or another `System` of this one, holds the lock.
            HomeUnusable: The lock file is not writable, or its file system cannot lock.
        """
        return HomeLock.take(self)

    def holder(self) -> Holder | None:
        """Return the process that holds this home, or None.

        This writes nothing, and the answer may be out of date when the caller reads it.

        Raises:
            HomeUnusable: The home's file system cannot lock.
        """
        try:
            descriptor = os.open(self.lock_file, os.O_RDONLY)
        except (OSError, ValueError):
            return None
        with _closing(descriptor):
            if _try_lock(descriptor, self.lock_file, is_shared=True):
                return None
            return _read_record(descriptor)

    def running_pid(self) -> int | None:
        """Return the holder's process id, -1 if it is unknown, or None without a holder.

        Raises:
            HomeUnusable: As for `holder`.
        """
        holder = self.holder()
        if holder is None:
            return None
        return holder.pid if holder.pid is not None else -1

    def _check_path(self) -> None:
        if "\0" in str(self.folder):
            raise HomeUnusable(repr(str(self.folder)), "contains a NUL, which no path may")
        try:
            name = os.fsencode(self.folder)
        except UnicodeEncodeError as error:
            reason = f"cannot be a file's name in this locale, {sys.getfilesystemencoding()}"
            hint = "set LC_ALL=C.UTF-8, or PYTHONUTF8=1"
            raise _elsewhere(safe_text(self.folder), reason, hint) from error
        try:
            name.decode()
        except UnicodeDecodeError as error:
            shown = name.decode("utf-8", "backslashreplace")
            hint = "set AIRSWASM_HOME to a folder whose path is UTF-8"
            reason = "is not UTF-8, and the store needs UTF-8"
            raise _elsewhere(shown, reason, hint) from error

    def _check_owner(self) -> None:
        """Refuse a folder of another user, or one that others may enter and that is no home yet."""
        if sys.platform == "win32":
            return
        status = self.folder.stat()
        if status.st_uid != os.geteuid():
            raise HomeUnusable(str(self.folder), f"belongs to user id {status.st_uid}, not to you")
        if not status.st_mode & 0o077:
            return
        if self._is_shared(status.st_mode):
            reason = (
                "is a folder that other users share: choose a separate folder for the home, "
                "or `chmod 700` it if it is yours alone"
            )
            raise HomeUnusable(str(self.folder), reason)
        try:
            self.folder.chmod(0o700)
        except OSError as error:
            raise HomeUnusable(str(self.folder), "is open to other users") from error

    def _is_shared(self, mode: int) -> bool:
        if mode & (stat.S_ISVTX | stat.S_ISGID | stat.S_IWGRP | stat.S_IWOTH):
            return True
        ours = (self.lock_file, self.artifacts_folder, self.config_file)
        return not any(each.exists() for each in ours) and any(self.folder.iterdir())


def lock_stopped(home: Home, operation: str) -> HomeLock:
    """Lock a home for an operation that a running host could not survive.

    Raises:
        StopNeeded: A host holds the home.
        HomeUnusable: As for `Home.lock`.
    """
    try:
        return home.lock()
    except HostIsRunning as error:
        raise StopNeeded(error.home, error.pid, operation) from None


class HomeLock:
    """A locked home. `release` unlocks it; so does the end of the process."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor, self._path = descriptor, path

    @classmethod
    def take(cls, home: Home) -> HomeLock:
        """See `Home.lock`."""
        path = home.lock_file
        descriptor = _open_lock(path)
        try:
            is_ours = _insist_on_lock(descriptor, path)
            if is_ours and not _is_there(descriptor, path):  # a restore put another home here
                raise HostIsRunning(str(home.folder), None)
            if not is_ours:
                raise HostIsRunning(str(home.folder), _read_record(descriptor).pid)
        except BaseException:
            os.close(descriptor)
            raise
        lock = cls(descriptor, path)
        try:
            lock.announce(None)
        except BaseException:
            lock.release()
            raise
        return lock

    def announce(self, socket: Path | None) -> None:
        """Record this process's control socket for clients that read the lock file.

        Args:
            socket: The control socket; None while there is none.

        Raises:
            HomeUnusable: The file is not writable.
        """
        if self._descriptor < 0:
            return
        record = b"%d\n" % os.getpid()
        if socket is not None:
            record += os.fsencode(socket) + b"\n"
        try:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, record)
            os.ftruncate(self._descriptor, len(record))  # last: a full disk keeps the old record
        except OSError as error:
            reason = f"cannot be written: {error.strerror}"
            raise HomeUnusable(str(self._path), reason) from error

    def release(self) -> None:
        """Unlock the home; the second call does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
            os.close(descriptor)


@contextlib.contextmanager
def _closing(descriptor: int) -> Generator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


def _make_private(folder: Path) -> None:
    """Create a folder and its missing parents for this user alone, whatever the umask."""
    try:
        missing = [folder]
        while not missing[-1].parent.exists():
            missing.append(missing[-1].parent)
        for each in reversed(missing):
            _make_one(each)
    except FileExistsError as error:
        reason = "is a link to nothing" if folder.is_symlink() else "is not a folder"
        raise HomeUnusable(str(folder), reason) from error
    except OSError as error:
        raise HomeUnusable(str(folder), f"cannot be made: {error.strerror}") from error


def _make_one(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    if os.name == "posix" and stat.S_IMODE(folder.stat().st_mode) != 0o700:
        folder.chmod(0o700)


def _open_lock(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        raise HomeUnusable(str(path), f"cannot be opened: {error.strerror}") from error


def _is_there(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _insist_on_lock(descriptor: int, path: Path) -> bool:
    for _ in range(_TRIES):
        if _try_lock(descriptor, path):
            return True
        time.sleep(_PAUSE)
    return False


def _read_record(descriptor: int) -> Holder:
    """Read the holder's record; the second line is a path and may itself contain line ends."""
    try:
        pid, _, place = os.read(descriptor, _RECORD_BYTES).partition(b"\n")
        socket = Path(os.fsdecode(place[:-1])) if place.endswith(b"\n") else None
        return Holder(int(pid), socket)
    except (OSError, ValueError):
        return Holder()


def _elsewhere(path: str, reason: str, hint: str) -> HomeUnusable:
    failure = HomeUnusable(path, reason)
    failure.hint = hint
    return failure


def _no_locks(path: Path, error: OSError) -> HomeUnusable:
    reason = f"its file system cannot lock files: {error.strerror}"
    hint = "set AIRSWASM_HOME to a folder on a local disk; network mounts may lack locks"
    return _elsewhere(str(path), reason, hint)


if sys.platform == "win32":
    import msvcrt

    _LOCK_OFFSET = 2**30
    """Windows locks are mandatory: lock a byte that no reader needs, so the pid stays readable."""

    def _try_lock(descriptor: int, path: Path, *, is_shared: bool = False) -> bool:
        del path, is_shared  # Windows has no shared lock; closing the file releases it
        try:
            os.lseek(descriptor, _LOCK_OFFSET, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            os.lseek(descriptor, 0, os.SEEK_SET)
            return False
        os.lseek(descriptor, 0, os.SEEK_SET)
        return True
else:
    import fcntl

    def _try_lock(descriptor: int, path: Path, *, is_shared: bool = False) -> bool:
        kind = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise _no_locks(path, error) from error
        return True
