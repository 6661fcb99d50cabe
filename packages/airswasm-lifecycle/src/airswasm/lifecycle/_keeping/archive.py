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
from typing import BinaryIO, cast

from ..errors import BackupInvalid

__all__ = ("FOLDERS", "FORMAT", "BackupSummary", "read_archive", "write_archive")

FORMAT = "airswasm-backup-v1"
FOLDERS = ("store", "artifacts", "trust", "keys", "audit", "logs")
"""The parts of a home that a backup has, beside config.toml: all but what a host makes again."""
_FIRST, _LAST = "airswasm-backup.json", "airswasm-backup-end.json"
_CHUNK_BYTES = 256 * 1024
_BLOCK = 512
_RECORD = 20 * _BLOCK
_MOST_END_BYTES = 256 * 2**20


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
    try:
        with tarfile.open(fileobj=source, mode="r|", bufsize=_CHUNK_BYTES) as archive:
            yield from _Reading(name, folder).read(archive)
    except (tarfile.TarError, EOFError, UnicodeDecodeError) as error:
        raise BackupInvalid(name, f"it is not a whole tar archive ({error})") from error


class _Reading:
    def __init__(self, name: str, folder: Path | None) -> None:
        self._name = name
        self._folder = folder
        self._files: dict[str, Mapping[str, object]] = {}
        self._size = 0

    def read(self, archive: tarfile.TarFile) -> Iterator[tuple[int, BackupSummary]]:
        members = iter(archive)
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
        yield (
            self._size,
            BackupSummary(
                summary.created_at, summary.engine, summary.components, len(self._files), self._size
            ),
        )

    def _begin(self, archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> BackupSummary:
        if member is None or member.name != _FIRST:
            raise self._invalid(f"it does not begin with {_FIRST}")
        head = self._document(archive, member)
        created_at, engine, components = (
            head.get(key) for key in ("created_at", "engine", "components")
        )
        is_ours = head.get("format") == FORMAT and isinstance(created_at, int | float)
        if not is_ours or not isinstance(engine, str) or not isinstance(components, list):
            raise self._invalid(f"it is not of the format {FORMAT}")
        names = tuple(str(each) for each in cast("list[object]", components))
        return BackupSummary(float(cast("float", created_at)), engine, names)

    def _take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[None]:
        self._check(member)
        source = archive.extractfile(member)
        assert source is not None
        digest, size = hashlib.sha256(), 0
        with _created(self._folder, member.name) as target:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                self._size += len(chunk)
                target.write(chunk)
                yield
        if size != member.size:
            raise self._invalid("it is cut short")
        self._files[member.name] = {"size": size, "sha256": digest.hexdigest()}

    def _check(self, member: tarfile.TarInfo) -> None:
        """Refuse what could be written elsewhere than in the folder."""
        path = PurePosixPath(member.name)
        is_plain = member.isreg() and str(path) == member.name and not path.is_absolute()
        is_inside = ".." not in path.parts and "\\" not in member.name and ":" not in path.parts[0]
        is_known = path.parts[0] in FOLDERS or member.name == "config.toml"
        if not (is_plain and is_inside and is_known) or member.name in self._files:
            raise self._invalid(f"it has a member {member.name[:80]!a}, which no backup has")

    def _document(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> Mapping[str, object]:
        source = archive.extractfile(member) if member.size <= _MOST_END_BYTES else None
        if source is None:
            raise self._invalid(f"its member {member.name[:80]!a} is malformed")
        try:
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
