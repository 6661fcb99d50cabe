"""Compiled components on disk, believed only when we wrote them.

Deserialising runs native code, so an entry must be one that this cache wrote,
for exactly this component, engine and configuration. Each entry carries an
HMAC over its name and its content, with a key that lies beside the entries and
that only the owner can read; the folder itself is the owner's alone. What is
torn, swapped, copied from elsewhere or of another key does not verify: it is
removed and the component compiled anew. A process that can read the key is the user
who runs this process, and needs no cache to run code.

The code comes first in an entry and what is known of it last: the engine maps
the file as it is, which takes 2 ms for 40 MB where reading and copying it takes
70. Verifying it costs the most, so pieces of it are hashed on several threads, as
is the component itself to find its entry. SHA-256 is the fastest there is:
processors have instructions for it, and keyed BLAKE2b takes half as long again.
An entry is never written in place: what was verified is what gets mapped.

Rejected: an index file. It is one more thing to tear, and names and
modification times say it all.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import mmap
import os
import secrets
import stat
import struct
from collections.abc import Container, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..errors import UnsafeCacheFolder
from ..files import replace_file, write_new_file

MAGIC = b"airswasm-image-1"
KEY_NAME = "key"
KEY_BYTES = 32
SUFFIX = ".image"
DEFAULT_MOST_BYTES = 2 * 1024**3
PIECE_BYTES = 2 * 1024**2
HASHING_THREADS = 4
_TAIL = struct.Struct("<I32s16s")
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One compiled component that was verified just now.

    Attributes:
        path: a file that starts with the code; the engine ignores what follows.
        description: what its writer wanted to know of it besides the code.
    """

    path: Path
    description: str


class CompileCache:
    """A bounded folder of compiled components; several processes may share it.

    Args:
        folder: made with mode 0700 if it is not there.
        engine: names everything else that the code depends on: the engine's
            version, the platform, the configuration.
        most_bytes: what all entries may take; the least recently used go first.

    Raises:
        UnsafeCacheFolder: the folder is not ours alone to write.
    """

    def __init__(self, folder: Path, *, engine: str, most_bytes: int = DEFAULT_MOST_BYTES) -> None:
        self._folder = folder
        self._engine = engine.encode()
        self._most_bytes = most_bytes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_folder(folder)
        self._key = _read_or_make_key(folder)

    def get(self, key: str) -> CacheEntry | None:
        """Read an entry; None when there is none that this cache wrote.

        Args:
            key: the `content_key` of the component.

        Raises:
            UnsafeCacheFolder: the folder became writable for others.
        """
        check_folder(self._folder)
        path = self.path(key)
        try:
            entry = self._read(path)
        except OSError:
            return None
        if entry is None:
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return entry

    def put(self, key: str, image: bytes, description: str) -> None:
        """Write an entry, whole or not at all, and make room for it.

        A full or read-only disk is no error: the entry is just not there.
        """
        described = description.encode()
        if len(image) + len(described) + _TAIL.size > self._most_bytes:
            return
        path = self.path(key)
        mac = self._mac(path, memoryview(image), described)
        tail = _TAIL.pack(len(described), mac, MAGIC)
        with contextlib.suppress(OSError):
            replace_file(path, image, described, tail)
            self._make_room()

    def size_bytes(self) -> int:
        """Return what all entries take on the disk."""
        return sum(size for _, size, _ in self._entries())

    def clear(self) -> None:
        """Remove every entry; the key stays."""
        for _, _, path in self._entries():
            path.unlink(missing_ok=True)

    def path(self, key: str) -> Path:
        """Return the path of the entry of a `content_key`, whether or not it is there."""
        name = hashlib.sha256(key.encode() + b"\0" + self._engine).hexdigest()
        return self._folder / f"{name}{SUFFIX}"

    def beyond(self, keep: Container[Path]) -> list[tuple[Path, int]]:
        """Return the entries that are not to be kept, of any engine, with their bytes."""
        return [(path, size) for _, size, path in self._entries() if path not in keep]

    def _mac(self, path: Path, image: memoryview, described: bytes) -> bytes:
        mac = hmac.new(self._key, path.name.encode(), hashlib.sha256)
        mac.update(struct.pack("<QQ", len(image), len(described)))
        mac.update(described)
        for digest in _piece_digests(image):
            mac.update(digest)
        return mac.digest()

    def _read(self, path: Path) -> CacheEntry | None:
        """Map and verify an entry; None for whatever is not ours."""
        with os.fdopen(os.open(path, os.O_RDONLY | _NO_FOLLOW), "rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size < _TAIL.size:
                return None
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                with memoryview(mapped) as content:
                    return self._verified(path, content)

    def _verified(self, path: Path, content: memoryview) -> CacheEntry | None:
        length, mac, magic = _TAIL.unpack(content[-_TAIL.size :])
        end = len(content) - _TAIL.size - length
        if magic != MAGIC or end < 0:
            return None
        described = bytes(content[end : end + length])
        with content[:end] as image:
            if not hmac.compare_digest(mac, self._mac(path, image, described)):
                return None
        return CacheEntry(path, described.decode())

    def _entries(self) -> list[tuple[float, int, Path]]:
        found: list[tuple[float, int, Path]] = []
        for path in self._folder.glob(f"*{SUFFIX}"):
            with contextlib.suppress(OSError):
                status = path.lstat()
                found.append((status.st_mtime, status.st_size, path))
        return found

    def _make_room(self) -> None:
        entries = sorted(self._entries())
        excess = sum(size for _, size, _ in entries) - self._most_bytes
        for _, size, path in entries:
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size


def content_key(wasm: bytes) -> str:
    """Name a component by its content: SHA-256 over its length and its pieces' SHA-256.

    The plain digest would do, but only one processor at a time can compute it.
    """
    key = hashlib.sha256(struct.pack("<Q", len(wasm)))
    for digest in _piece_digests(memoryview(wasm)):
        key.update(digest)
    return key.hexdigest()


def _piece_digests(image: memoryview) -> Iterator[bytes]:
    """Return the SHA-256 of each piece; hashing lets go of the interpreter, so threads help."""
    starts = range(0, len(image), PIECE_BYTES)
    if len(starts) < 2:
        yield hashlib.sha256(image).digest()
        return
    with ThreadPoolExecutor(HASHING_THREADS) as threads:
        yield from threads.map(partial(_piece_digest, image), starts)


def _piece_digest(image: memoryview, start: int) -> bytes:
    with image[start : start + PIECE_BYTES] as piece:
        return hashlib.sha256(piece).digest()


def check_folder(folder: Path) -> None:
    """Refuse a folder that anyone but us could write to.

    Without effect on Windows, where a profile's folders are the user's own.

    Raises:
        UnsafeCacheFolder: with the reason.
    """
    if not hasattr(os, "geteuid"):
        return
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise UnsafeCacheFolder(str(folder), "it is not a folder, or a link to one")
    if status.st_uid != os.geteuid():
        raise UnsafeCacheFolder(str(folder), f"it belongs to user {status.st_uid}")
    if status.st_mode & _OTHERS_WRITE:
        mode = stat.S_IMODE(status.st_mode)
        raise UnsafeCacheFolder(str(folder), f"its mode {mode:04o} lets others write to it")


def _read_or_make_key(folder: Path) -> bytes:
    path = folder / KEY_NAME
    if (key := _read_key(path)) is not None:
        return key
    _publish_key(path, secrets.token_bytes(KEY_BYTES))
    if (key := _read_key(path)) is None:
        raise UnsafeCacheFolder(str(folder), f"its file `{KEY_NAME}` is not a private key of ours")
    return key


def _read_key(path: Path) -> bytes | None:
    """Return the key, unless someone else may know or have chosen it: then it is removed."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | _NO_FOLLOW), "rb", buffering=0) as file:
            status, key = os.fstat(file.fileno()), file.read(KEY_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError:
        _discard(path)
        return None
    is_ours = not hasattr(os, "geteuid") or (
        status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    )
    if is_ours and len(key) == KEY_BYTES:
        return key
    _discard(path)
    return None


def _discard(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _publish_key(path: Path, key: bytes) -> None:
    """Write the key unless another process was first: a link never replaces."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    write_new_file(temporary, key)
    try:
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()
