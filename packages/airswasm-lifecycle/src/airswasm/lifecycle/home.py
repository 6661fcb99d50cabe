"""AIRSWASM_HOME: where everything that one host knows lies on disk.

One folder, mode 0700, one process at a time. The lock is the operating
system's (`flock`), so a host that is killed leaves no stale lock behind; the
process id in the file only serves the message for the second one. Rejected: a
pid file with a liveness check, because process ids are reused.

Whoever only reads needs no lock: the registry is opened read-only.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from .errors import HomeUnusable, HostIsRunning

__all__ = ("Home", "HomeLock")

_TRIES = 5
_PAUSE = 0.01
"""Seconds. Whoever asks for the owner holds the lock too, shared, for an instant."""


@dataclass(frozen=True, slots=True)
class Home:
    """The layout of a home. Making one touches nothing; `create` does."""

    folder: Path

    @property
    def config_file(self) -> Path:
        """The host's policy, written by people."""
        return self.folder / "config.toml"

    @property
    def lock_file(self) -> Path:
        """Locked by the host that runs."""
        return self.folder / "host.lock"

    @property
    def control_socket(self) -> Path:
        """Where the running host can be talked to."""
        return self.folder / "control.sock"

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
    def artifacts_folder(self) -> Path:
        """Installed files by their SHA-256."""
        return self.folder / "artifacts"

    @property
    def store_folder(self) -> Path:
        """The registry and the components' data."""
        return self.folder / "store"

    @property
    def cache_folder(self) -> Path:
        """Compiled code; may be deleted at any time."""
        return self.folder / "cache"

    @property
    def logs_folder(self) -> Path:
        """One JSON-lines file for each component."""
        return self.folder / "logs"

    def create(self) -> None:
        """Makes the folders that are missing, for this user alone.

        Raises:
            HomeUnusable: a folder cannot be made, or belongs to somebody else.
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
        try:
            str(self.folder).encode()
        except UnicodeEncodeError as error:
            raise HomeUnusable(str(self.folder), "is not UTF-8, which the store needs") from error
        for folder in folders:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except FileExistsError as error:
                raise HomeUnusable(str(folder), "is not a folder") from error
            except OSError as error:
                raise HomeUnusable(str(folder), f"cannot be made: {error.strerror}") from error
        self._check_owner()

    def lock(self) -> HomeLock:
        """Takes the home for this process until the lock is released.

        Raises:
            HostIsRunning: another process, or another `System` of this one, has it.
            HomeUnusable: the lock file cannot be written.
        """
        return HomeLock.take(self)

    def running_pid(self) -> int | None:
        """The process that has this home now, -1 when it cannot be told which, or None.

        Nothing is written, and by the time one reads the answer it may be out of date.
        """
        try:
            descriptor = os.open(self.lock_file, os.O_RDONLY)
        except OSError:
            return None
        with _closing(descriptor):
            if _try_lock(descriptor, is_shared=True):
                return None
            pid = _read_pid(descriptor)
        return pid if pid is not None else -1

    def _check_owner(self) -> None:
        if sys.platform == "win32":
            return
        status = self.folder.stat()
        if status.st_uid != os.geteuid():
            raise HomeUnusable(str(self.folder), f"belongs to user id {status.st_uid}, not to you")
        if status.st_mode & 0o077:
            try:
                self.folder.chmod(0o700)
            except OSError as error:
                raise HomeUnusable(str(self.folder), "is open to other users") from error


class HomeLock:
    """A home that is taken. `release` gives it back; so does the end of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, home: Home) -> HomeLock:
        """See `Home.lock`."""
        path = home.lock_file
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        try:
            descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise HomeUnusable(str(path), f"cannot be opened: {error.strerror}") from error
        if not _insist_on_lock(descriptor):
            with _closing(descriptor):
                raise HostIsRunning(str(home.folder), _read_pid(descriptor))
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        return cls(descriptor)

    def release(self) -> None:
        """Gives the home back; without effect the second time."""
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


def _insist_on_lock(descriptor: int) -> bool:
    for _ in range(_TRIES):
        if _try_lock(descriptor):
            return True
        time.sleep(_PAUSE)
    return False


def _read_pid(descriptor: int) -> int | None:
    try:
        return int(os.read(descriptor, 32))
    except (OSError, ValueError):
        return None


if sys.platform == "win32":
    import msvcrt

    _LOCK_OFFSET = 2**30
    """Windows locks are mandatory: lock a byte that nobody reads, so the pid stays legible."""

    def _try_lock(descriptor: int, *, is_shared: bool = False) -> bool:
        del is_shared  # Windows has no such lock; closing the file gives it back
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

    def _try_lock(descriptor: int, *, is_shared: bool = False) -> bool:
        kind = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
