"""A home in one file: a tar archive that any tar reads, with a digest of each of its files.

Its first member says what it is and its last one has the length and SHA-256 of every other, so a
backup that was cut short or altered is never taken for a smaller one. Both ways work in pieces of
bounded size: a pipe is as good as a file.

Rejected: zip (its directory cannot be written before all is known, so a reader cannot stream), and
compression (artifacts and the store's files are compressed already; a pipe to zstd does better).
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from ..errors import BackupInvalid

__all__ = ("FOLDERS", "FORMAT", "BackupSummary", "read_archive", "write_archive")

FORMAT = "airswasm-backup-v1"
FOLDERS = ("store", "artifacts", "interpreters", "trust", "keys", "audit", "logs")
"""The parts of a home that a backup has, beside config.toml: all but what a host makes again."""
_FIRST, _LAST = "airswasm-backup.json", "airswasm-backup-end.json"
_CHUNK_BYTES = 256 * 1024
_BLOCK = 512
_RECORD = 20 * _BLOCK
_MOST_END_BYTES = 256 * 2**20
_MOST_HEAD_BYTES = 2**20
"""Of a member's headers, which tarfile reads whole: long names and extended attributes."""
_MOST_NAME_BYTES = 255
_MOST_SECONDS = 253_402_300_799.0
"""The last second of the year 9999, the last that a date has."""


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """The content of a backup.

    Attributes:
        created_at: Seconds since 1970.
        engine: The storage engine.
        components: The names of the installed components.
        files: The number of files.
        size_bytes: The size of the files.
    """

    created_at: float
    engine: str
    components: tuple[str, ...]
    files: int = 0
    size_bytes: int = 0


def write_archive(folder: Path, engine: str, components: Sequence[str]) -> Iterator[bytes]:
    """Yield the archive of a folder that does not change, in pieces.

    Args:
        folder: It has a home's parts, and nothing else.
        engine: The storage engine.
        components: The names of the installed components.
    """
    head = {"format": FORMAT, "created_at": time.time(), "engine": engine,
            "components": list(components)}  # fmt: skip
    written = 0
    for chunk in _member(_FIRST, _json(head)):
        written += len(chunk)
        yield chunk
    files: dict[str, Mapping[str, object]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        digest, size = hashlib.sha256(), path.stat().st_size
        for chunk in _file_member(name, path, size, digest.update):
            written += len(chunk)
            yield chunk
        files[name] = {"size": size, "sha256": digest.hexdigest()}
    for chunk in _member(_LAST, _json({"files": files})):
        written += len(chunk)
        yield chunk
    yield bytes(2 * _BLOCK + -(written + 2 * _BLOCK) % _RECORD)


def read_archive(
    source: BinaryIO, name: str, folder: Path | None
) -> Iterator[tuple[int, BackupSummary]]:
    """Check an archive, and unpack it; yield the bytes read so far after each piece.

    The last item has the whole summary. Nothing of it counts before that: only then is the archive
    known to be whole.

    Args:
        source: The bytes of the archive.
        name: Its name, for messages.
        folder: Where its files are written; None to check it only.

    Raises:
        BackupInvalid: It is cut short, altered, or no backup.
        OSError: A file cannot be written.
    """
    bounded = _BoundedSource(source)
    try:
        with tarfile.open(fileobj=cast("BinaryIO", bounded), mode="r:") as archive:
            yield from _Reading(name, folder, bounded).read(archive)
    except (tarfile.TarError, EOFError, UnicodeDecodeError) as error:
        raise BackupInvalid(name, f"it is not a whole tar archive ({error})") from error


class _BoundedSource:
    """A stream that tarfile reads forwards, with a bound on what it reads for one member's head.

    tarfile takes the size of a header from the header, and reads that much at once.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._position = 0
        self.allowed_bytes = _MOST_HEAD_BYTES

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        while left := position - self._position:
            if left < 0 or not self._take(min(left, _CHUNK_BYTES)):
                raise tarfile.ReadError("unexpected end of data")

    def read(self, size: int) -> bytes:
        if size > self.allowed_bytes:
            raise tarfile.ReadError("a header is too long")
        self.allowed_bytes -= size
        return self._take(size)

    def _take(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size and (part := self._source.read(size)):
            parts.append(part)
            size -= len(part)
            self._position += len(part)
        return b"".join(parts)


class _Reading:
    def __init__(self, name: str, folder: Path | None, source: _BoundedSource) -> None:
        self._name = name
        self._folder = folder
        self._source = source
        self._files: dict[str, Mapping[str, object]] = {}
        self._folders: set[str] = set()
        self._size = 0

    def read(self, archive: tarfile.TarFile) -> Iterator[tuple[int, BackupSummary]]:
        members = self._members(archive)
        summary = self._begin(archive, next(members, None))
        end: object = None
        for member in members:
            if end is not None:
                raise self._invalid("something follows its end")
            if member.name == _LAST:
                end = self._document(archive, member).get("files")
                continue
            for _ in self._take(archive, member):
                yield self._size, summary
        if end is None:
            raise self._invalid("it is cut short")
        if end != self._files:
            raise self._invalid("a file in it was altered, added or removed")
        if not summary.engine and "store" in self._folders:
            raise self._invalid("it has a store and names no engine")
        yield (
            self._size,
            BackupSummary(
                summary.created_at, summary.engine, summary.components, len(self._files), self._size
            ),
        )

    def _members(self, archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        while (member := archive.next()) is not None:
            yield member
            archive.members = []  # type: ignore[attr-defined]  # it would keep every member
            self._source.allowed_bytes = _MOST_HEAD_BYTES

    def _begin(self, archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> BackupSummary:
        if member is None or member.name != _FIRST:
            raise self._invalid(f"it does not begin with {_FIRST}")
        head = self._document(archive, member)
        if head.get("format") != FORMAT:
            raise self._invalid(
                f"its format is {str(head.get('format'))[:80]!a}, and this version reads {FORMAT}"
            )
        created_at, engine, components = (
            head.get(key) for key in ("created_at", "engine", "components")
        )
        is_date = isinstance(created_at, int | float) and 0 <= created_at <= _MOST_SECONDS
        if not is_date or not isinstance(engine, str) or not isinstance(components, list):
            raise self._invalid(f"its member {_FIRST} is malformed")
        names = tuple(str(each) for each in cast("list[object]", components))
        return BackupSummary(float(cast("float", created_at)), engine, names)

    def _take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[None]:
        self._check(member)
        source = archive.extractfile(member)
        assert source is not None
        digest, size = hashlib.sha256(), 0
        with _created(self._folder, member.name) as target:
            while chunk := self._read(source):
                digest.update(chunk)
                size += len(chunk)
                self._size += len(chunk)
                target.write(chunk)
                yield
        if size != member.size:
            raise self._invalid("it is cut short")
        self._files[member.name] = {"size": size, "sha256": digest.hexdigest()}

    def _read(self, source: IO[bytes]) -> bytes:
        self._source.allowed_bytes = _CHUNK_BYTES
        return source.read(_CHUNK_BYTES)

    def _check(self, member: tarfile.TarInfo) -> None:
        """Refuse what is no file of a home, or could be written elsewhere than in the folder."""
        name, path = member.name, PurePosixPath(member.name)
        is_plain = member.isreg() and not member.issparse() and str(path) == name
        is_known = name == "config.toml" or (len(path.parts) > 1 and path.parts[0] in FOLDERS)
        is_inside = ".." not in path.parts and "\\" not in name
        is_short = all(len(os.fsencode(part)) <= _MOST_NAME_BYTES for part in path.parts)
        parents = {str(parent) for parent in path.parents}
        is_new = (
            not parents & self._files.keys()
            and name not in self._files
            and name not in self._folders
        )
        if not (is_plain and is_known and is_inside and is_short and is_new):
            raise self._invalid(f"it has a member {name[:80]!a}, which no backup has")
        self._folders |= parents

    def _document(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> Mapping[str, object]:
        source = archive.extractfile(member) if member.size <= _MOST_END_BYTES else None
        if source is None:
            raise self._invalid(f"its member {member.name[:80]!a} is malformed")
        try:
            self._source.allowed_bytes = _MOST_END_BYTES
            found: object = json.loads(source.read())
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._invalid(f"its member {member.name[:80]!a} is malformed")
        return cast("Mapping[str, object]", found)

    def _invalid(self, reason: str) -> BackupInvalid:
        return BackupInvalid(self._name, reason)


def _created(folder: Path | None, name: str) -> BinaryIO:
    if folder is None:
        return Path(os.devnull).open("wb")
    path = folder / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def _member(name: str, content: bytes) -> Iterator[bytes]:
    yield _header(name, len(content)) + content + bytes(-len(content) % _BLOCK)


def _file_member(
    name: str, path: Path, size: int, note: Callable[[bytes], None]
) -> Iterator[bytes]:
    yield _header(name, size)
    left = size
    with path.open("rb") as file:
        while left:
            chunk = file.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise BackupInvalid(name, "the file became shorter while it was read")
            note(chunk)
            left -= len(chunk)
            yield chunk
    yield bytes(-size % _BLOCK)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, int(time.time())
    return info.tobuf(tarfile.PAX_FORMAT)


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"
