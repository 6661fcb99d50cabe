"""Read and write the zip form of a package: a small, unambiguous subset of zip.

`zipfile` accepts duplicates, names cut at NUL, symlinks, overlapping members, prefixes and trailing
data, and attackers have used each of these. A package needs only stored or deflated regular files,
one after the other from the first byte, then the directory, then the end. This reader accepts
exactly that subset, checks the directory against each local header, counts while it inflates, and
returns bytes in memory: no name from an archive ever becomes a path. `zipfile` still writes.

Rejected: `zipfile` with checks on top. It resolves ambiguities before a caller can see them.
"""

from __future__ import annotations

import io
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from airswasm.security import judge_path

from ..errors import PackageInvalid

__all__ = ("ArchiveLimits", "Member", "read_archive", "write_archive")

_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s4B4HL2L5H2L")
_LOCAL = struct.Struct("<4s2B4HL2L2H")
_DEFLATE = 8
_STORED = 0
_UTF8_FLAG = 0x800
_EPOCH = (1980, 1, 1, 0, 0, 0)
_REGULAR_FILE = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Limits on the archives that the reader accepts."""

    members: int = 4096
    member_bytes: int = 128 * 2**20
    total_bytes: int = 256 * 2**20
    ratio: int = 200
    """Ratio of inflated to deflated bytes, for members of more than 1 MiB; zeros reach 1028."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive, still deflated."""

    name: str
    method: int
    crc: int
    stored_bytes: int
    size_bytes: int
    data_offset: int


def write_archive(files: Mapping[str, bytes], *, is_compressed: bool = True) -> bytes:
    """Pack files, sorted, with one fixed date and mode: equal input gives equal bytes.

    Args:
        files: Path to content.
        is_compressed: False stores the files, for a transport without cost such as a local socket.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED if is_compressed else zipfile.ZIP_STORED
            entry.external_attr = _REGULAR_FILE
            entry.create_system = 3
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def read_archive(
    data: bytes, source: str, limits: ArchiveLimits = ArchiveLimits()
) -> dict[str, bytes]:
    """Return every file of an archive.

    Args:
        data: The archive's bytes.
        source: The archive's name in error messages.
        limits: Bounds against decompression bombs; the reader inflates nothing beyond them.

    Raises:
        PackageInvalid: The archive is damaged, ambiguous, unsafe, or too big.
    """
    return _Reader(memoryview(data), source, limits).read()


class _Reader:
    def __init__(self, data: memoryview, source: str, limits: ArchiveLimits) -> None:
        self._data, self._source, self._limits = data, source, limits

    def read(self) -> dict[str, bytes]:
        try:
            members = tuple(self._members())
            self._check_names(members)
            self._check_sizes(members)
            return {member.name: self._inflate(member) for member in members}
        except (struct.error, zlib.error) as error:
            raise self._refuse(f"not a whole archive ({error})") from error

    def _refuse(self, reason: str, member: str | None = None) -> PackageInvalid:
        return PackageInvalid(self._source, reason, member=member)

    def _members(self) -> Iterator[Member]:
        end_offset = len(self._data) - _END.size
        if end_offset < 0 or bytes(self._data[:2]) != b"PK":
            raise self._refuse("not a zip archive")
        end = _END.unpack_from(self._data, end_offset)
        magic, disk, first_disk, here, count, size, offset, comment = end
        if magic != b"PK\5\6" or comment or disk or first_disk or here != count:
            raise self._refuse(
                "the file does not end with the zip directory: it is cut off, or data follows"
            )
        if offset + size != end_offset:
            raise self._refuse("data lies between the directory and the end record")
        if count > self._limits.members:
            raise self._refuse(f"{count} members; the limit is {self._limits.members}")
        next_local, cursor = 0, offset
        for _ in range(count):
            member, next_local, cursor = self._member(cursor, next_local)
            yield member
        if cursor != end_offset or next_local != offset:
            raise self._refuse("some bytes belong to no member")

    def _member(self, cursor: int, expected_local: int) -> tuple[Member, int, int]:
        fields = _CENTRAL.unpack_from(self._data, cursor)
        magic, made_by, system, _, _, flags, method, _, _, crc, stored, size = fields[:12]
        name_length, extra, comment, disk, _, mode, local = fields[12:]
        del made_by
        start = cursor + _CENTRAL.size
        raw_name = bytes(self._data[start : start + name_length])
        name = self._decode(raw_name)
        if magic != b"PK\1\2" or disk or extra or comment:
            raise self._refuse("`airswasm build` writes no such entry", name)
        if flags & ~_UTF8_FLAG or method not in (_STORED, _DEFLATE):
            raise self._refuse("encrypted, streamed, or of an unknown method", name)
        if system == 3 and (mode >> 16) & 0o170000 not in (0, 0o100000):
            raise self._refuse("a link or a special file", name)
        if local != expected_local:
            raise self._refuse("members overlap or leave a gap", name)
        head = _LOCAL.unpack_from(self._data, local)
        data_offset = local + _LOCAL.size + name_length
        local_name = bytes(self._data[local + _LOCAL.size : data_offset])
        if (
            head[0] != b"PK\3\4"
            or local_name != raw_name
            or head[11]
            or ((head[3], head[4], *head[7:11]) != (flags, method, crc, stored, size, name_length))
        ):
            raise self._refuse("the directory and the member disagree", name)
        member = Member(name, method, crc, stored, size, data_offset)
        return member, data_offset + stored, start + name_length

    def _decode(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise self._refuse("a name is not UTF-8", repr(raw)) from error

    def _check_names(self, members: tuple[Member, ...]) -> None:
        seen: dict[str, str] = {}
        for member in members:
            reason = judge_path(member.name)
            if reason:
                raise self._refuse(reason, member.name)
            folded = unicodedata.normalize("NFC", member.name).casefold()
            if folded in seen:
                raise self._refuse(f"appears twice (as {seen[folded]!r})", member.name)
            seen[folded] = member.name

    def _check_sizes(self, members: tuple[Member, ...]) -> None:
        limits = self._limits
        if sum(member.size_bytes for member in members) > limits.total_bytes:
            raise self._refuse(f"holds more than {limits.total_bytes} bytes")
        for member in members:
            if member.size_bytes > limits.member_bytes:
                raise self._refuse(f"more than {limits.member_bytes} bytes", member.name)
            is_big = member.size_bytes > 2**20
            if is_big and member.size_bytes > member.stored_bytes * limits.ratio:
                raise self._refuse(f"inflates more than {limits.ratio}-fold", member.name)

    def _inflate(self, member: Member) -> bytes:
        raw = self._data[member.data_offset : member.data_offset + member.stored_bytes]
        content = bytes(raw)
        if member.method == _DEFLATE:
            inflater = zlib.decompressobj(-15)
            content = inflater.decompress(raw, member.size_bytes + 1)
            if not inflater.eof or inflater.unused_data:
                raise self._refuse("its length differs from the directory's", member.name)
        if len(content) != member.size_bytes or zlib.crc32(content) != member.crc:
            raise self._refuse("damaged: length or checksum differs", member.name)
        return content
