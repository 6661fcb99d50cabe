"""One folder of the host as a component's whole file system.

A `Folder` holds the folder's descriptor and opens everything beneath it (`_openat2`); it never
joins or looks up a path of the host again, so a rename or link made meanwhile leads nowhere else.
All methods block and run on worker threads.

It contains only regular files and directories: a FIFO would block the thread that opens it, and a
device is not a file. A write creates another file and renames it over the old one, so a reader sees
the old content or the new, also after a crash.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import stat as stat_modes
from collections.abc import Generator, Iterator
from pathlib import Path

from .._policy import FolderLimits
from .._system_errors import system_error
from ..errors import LimitReached, Malformed, OperationFailed, from_os_error
from .held import Held, check_replaceable, kind_of, pread_all, write_all
from .ledger import Ledger, Ledgers, Replacement
from .measuring import ENTRY_BYTES, check_depth, levels
from .naming import Entry, FileInfo, Parts, is_for_guests, parts_of, told
from .openat2 import OpenBeneath, best_opener, open_by_openat2, open_cached

__all__ = ("Folder",)


_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_PATH = getattr(os, "O_PATH", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)


class Folder:
    """A folder of the host; close it, or use it as a context manager.

    Args:
        path: The folder.
        limits: Limits on its content.
        open_beneath: Opens paths; the machine's best way by default.
        ledgers: The ledgers of the host, which all that write to the folder share.
        is_read_only: Whether to refuse changes.
        is_made: Whether to create the folder for this user alone if it is missing.
        prefix: What errors put before paths in it: the place of a mount.

    Raises:
        OperationFailed: This machine has no safe way, or the folder cannot be created.
    """

    def __init__(
        self,
        path: Path,
        limits: FolderLimits | None = None,
        *,
        open_beneath: OpenBeneath | None = None,
        ledgers: Ledgers | None = None,
        is_read_only: bool = False,
        is_made: bool = True,
        prefix: str = "",
    ) -> None:
        opener = open_beneath or best_opener()
        if opener is None:
            raise OperationFailed("this system cannot open files safely beneath a folder")
        self.limits = limits or FolderLimits()
        self._prefix = prefix
        self.is_read_only = is_read_only
        self._open_beneath = opener
        try:
            if is_made:
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, _DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise from_os_error(error, prefix or "the component's folder") from error
        self._held = Held(fd)
        self._ledger: Ledger = (ledgers or Ledgers()).of(fd)
        if not is_read_only:
            self._ledger.sweep(fd)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the descriptor after its last user. Closing twice is harmless."""
        self._held.close()

    def open(self, parts: Parts, flags: int, mode: int = 0o600) -> int:
        """Open a regular file or directory.

        Args:
            parts: The names in the path.
            flags: As for `os.open`.
            mode: The mode of a file that this creates.

        Returns:
            A descriptor that the caller closes.

        Raises:
            OSError: The system's error; `EINVAL` for other kinds of files.
        """
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            self.check_writable()
        if not flags & os.O_CREAT:
            return self._open(parts, flags, mode)
        check_depth(len(parts))
        with self.charged(ENTRY_BYTES, 1):
            return self._open(parts, flags, mode)

    def _open(self, parts: Parts, flags: int, mode: int) -> int:
        with self._held.using() as root_fd:
            fd = self._open_beneath(root_fd, parts, flags | _NONBLOCK, mode)
        if kind_of(os.fstat(fd).st_mode) == "other":
            os.close(fd)
            raise OSError(errno.EINVAL, "it is neither a regular file nor a directory")
        return fd

    def read(self, path: str, offset: int, max_bytes: int) -> bytes:
        """Return at most `max_bytes` of a file from `offset`.

        Raises:
            OslError: See `errors`.
        """
        with told(self._prefix + path), self._opened(parts_of(path), os.O_RDONLY) as fd:
            return pread_all(fd, max_bytes, offset)

    def write(self, path: str, content: bytes) -> None:
        """Replace a file as a whole; a cancel or crash leaves the old one.

        Raises:
            OslError: See `errors`.
        """
        self.check_size(path, len(content))
        parts = self.named(path)
        with told(self._prefix + path), self.replacement(parts) as new:
            with self.charged(len(content)):
                write_all(new.fd, content)
            os.fsync(new.fd)
            new.commit()

    @contextlib.contextmanager
    def replacement(self, parts: Parts) -> Generator[Replacement]:
        """Yield a new file that takes the name once it is committed, and is else removed.

        Raises:
            OSError: The system's error.
        """
        check_depth(len(parts))
        with self.changing(parts) as folder_fd:
            check_replaceable(folder_fd, parts[-1])
        with self._held.using() as root_fd, contextlib.ExitStack() as stack:
            with self.charged(ENTRY_BYTES, 1):  # afterwards it is there, and measured
                fd, name = stack.enter_context(self._ledger.staged(root_fd))

            def commit() -> None:
                with self.changing(parts) as now_fd:  # the other may be at a name of no grant now
                    check_replaceable(now_fd, parts[-1])
                    with self._ledger.moving():
                        os.replace(name, parts[-1], src_dir_fd=root_fd, dst_dir_fd=now_fd)

            yield Replacement(fd, commit)

    def append(self, path: str, content: bytes) -> None:
        """Append to a file, creating it if it is missing.

        Raises:
            OslError: See `errors`.
        """
        parts = self.named(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with told(self._prefix + path), self._opened(parts, flags) as fd:
            self.check_size(path, os.fstat(fd).st_size + len(content))
            with self.charged(len(content)):
                write_all(fd, content)

    def remove(self, path: str) -> None:
        """Remove a file or an empty directory.

        Raises:
            OslError: See `errors`.
        """
        parts = self.named(path)
        with told(self._prefix + path), self.changing(parts) as folder_fd:
            mode = os.stat(parts[-1], dir_fd=folder_fd, follow_symlinks=False).st_mode
            if stat_modes.S_ISDIR(mode):
                os.rmdir(parts[-1], dir_fd=folder_fd)
            else:
                os.unlink(parts[-1], dir_fd=folder_fd)

    def create_directory(self, path: str) -> None:
        """Create one directory; its parents must exist.

        Raises:
            OslError: See `errors`.
        """
        parts = self.named(path)
        with told(self._prefix + path):
            self.make_directory(parts)

    def make_directory(self, parts: Parts) -> None:
        """Create one directory, for this user alone.

        Raises:
            OSError: The system's error.
        """
        check_depth(len(parts))
        with self.changing(parts) as folder_fd, self.charged(ENTRY_BYTES, 1):
            os.mkdir(parts[-1], 0o700, dir_fd=folder_fd)

    def rename(self, source: Parts, target: Parts) -> None:
        """Rename a file or directory, replacing any file of the new name.

        Raises:
            OSError: The system's error.
        """
        with self.changing(source) as source_fd, self.changing(target) as target_fd:
            check_depth(len(target) + levels(source[-1], source_fd))
            with self._ledger.moving():
                os.rename(source[-1], target[-1], src_dir_fd=source_fd, dst_dir_fd=target_fd)

    def list_directory(self, path: str) -> list[Entry]:
        """Return the entries of a directory, by name, without the host's own.

        Raises:
            OslError: See `errors`.
        """
        entries: list[Entry] = []
        with told(self._prefix + path):
            for entry in self.entries(parts_of(path)):
                if len(entries) == self.limits.entries:
                    raise LimitReached(
                        f"{self._prefix}{path} has more than {self.limits.entries:,} entries"
                    )
                entries.append(entry)
        return sorted(entries, key=lambda entry: entry.name)

    def entries(self, parts: Parts) -> Iterator[Entry]:
        """Iterate over the entries of a directory, in no order and without the host's own.

        Raises:
            OSError: The system's error.
        """
        with self._opened(parts, _DIRECTORY) as fd, os.scandir(fd) as listed:
            for entry in listed:
                if not is_for_guests(entry.name):
                    continue
                try:
                    mode = entry.stat(follow_symlinks=False).st_mode
                except FileNotFoundError:  # removed meanwhile
                    continue
                yield Entry(entry.name, kind_of(mode))

    def page(self, parts: Parts, after: str, most: int) -> list[Entry]:
        """Return the next entries of a directory after a name, by name; see `entries`.

        Raises:
            OSError: The system's error.
        """
        with self._opened(parts, _DIRECTORY) as fd:
            while True:
                with os.scandir(fd) as listed:
                    later = (each.name for each in listed if each.name > after)
                    names = heapq.nsmallest(most, filter(is_for_guests, later))
                found: list[Entry] = []
                for name in names:
                    with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                        mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
                        found.append(Entry(name, kind_of(mode)))
                if found or not names:
                    return found
                after = names[-1]

    def stat(self, path: str) -> FileInfo:
        """Return the metadata of a file; for a symbolic link, that of the link itself.

        Raises:
            OslError: See `errors`.
        """
        parts = parts_of(path)
        with told(self._prefix + path):
            return FileInfo.of(self.status(parts))

    @contextlib.contextmanager
    def cached(self, parts: Parts, flags: int) -> Generator[int | None]:
        """Open what the kernel has in its memory; yield None where it would ask the disk."""
        fd = None
        if self._open_beneath is open_by_openat2:
            with contextlib.suppress(OSError), self._held.using() as root_fd:
                fd = open_cached(root_fd, parts, flags if flags & _PATH else flags | _NONBLOCK)
        try:
            yield fd
        finally:
            if fd is not None:
                os.close(fd)

    def status(self, parts: Parts) -> os.stat_result:
        """Return the `lstat` of a path beneath the folder.

        Raises:
            OSError: The system's error.
        """
        if not parts:
            with self._held.using() as fd:
                return os.fstat(fd)
        with self.parent_of(parts) as folder_fd:
            return os.stat(parts[-1], dir_fd=folder_fd, follow_symlinks=False)

    @contextlib.contextmanager
    def parent_of(self, parts: Parts) -> Generator[int]:
        """Yield the open directory that contains the last name of a path.

        Raises:
            OSError: The system's error.
        """
        with self._opened(parts[:-1], _DIRECTORY) as fd:
            yield fd

    @contextlib.contextmanager
    def changing(self, parts: Parts) -> Generator[int]:
        """Yield the open directory that contains a name which is about to change.

        Raises:
            OSError: The system's error; `EROFS` where the folder can only be read.
        """
        self.check_writable()
        with self.parent_of(parts) as fd:
            yield fd

    def check_room(self) -> None:
        """Check that the folder does not exceed its quota, by what programs wrote.

        Raises:
            OSError: `EDQUOT` or `ENOSPC`.
        """
        self._ledger.distrust()
        with self.charged(0):
            return

    def distrust(self) -> None:
        """Measure the folder before the next write: a program may have written there."""
        self._ledger.distrust()

    @contextlib.contextmanager
    def charged(self, size_bytes: int, entries: int = 0) -> Generator[None]:
        """Count what the block adds at most, and refuse more than the limits allow.

        Raises:
            OSError: `EDQUOT` or `ENOSPC`.
        """
        with (
            self._held.using() as fd,
            self._ledger.charged(fd, self.limits, size_bytes, entries),
        ):
            yield

    @contextlib.contextmanager
    def grown(self, fd: int, end_bytes: int) -> Generator[None]:
        """Count the growth of an open file, a hole in it included.

        Raises:
            OSError: `EFBIG`, or an error of `charged`.
        """
        if end_bytes > self.limits.file_bytes:
            raise system_error("EFBIG")
        growth_bytes = end_bytes - os.fstat(fd).st_size
        with self.charged(growth_bytes) if growth_bytes > 0 else contextlib.nullcontext():
            yield

    def check_writable(self) -> None:
        """Check that the folder may be changed.

        Raises:
            OSError: `EROFS`.
        """
        if self.is_read_only:
            raise system_error("EROFS", "the mount can only be read")

    def check_size(self, path: str, size_bytes: int) -> None:
        """Check the size that a file would have.

        Raises:
            LimitReached: It is more than the limit.
        """
        if size_bytes > self.limits.file_bytes:
            raise LimitReached(
                f"{self._prefix}{path} would exceed {self.limits.file_bytes:,} bytes"
            )

    @contextlib.contextmanager
    def _opened(self, parts: Parts, flags: int) -> Generator[int]:
        fd = self.open(parts, flags)
        try:
            yield fd
        finally:
            os.close(fd)

    def named(self, path: str) -> tuple[str, ...]:
        """Return the names in a path that is not the root.

        Raises:
            Malformed: It is.
        """
        parts = parts_of(path)
        if not parts:
            raise Malformed(f"{path}: the root itself cannot be changed")
        return parts
