"""A namespace as JSON lines: readable, diffable, and checked before it is taken in.

    {"format":"airswasm-storage-export-v1","namespace":"local/hello","created":1789000000.25}
    {"key":"count","value":"MQ=="}
    {"key":"session","value":"","expires":1790000000.5}
    {"entries":1,"sha256":"..."}

The last line vouches for everything before it, so that an export that was cut
short is never imported as a smaller one. Times are seconds since 1970.

Rejected: CBOR (a dependency more, and not readable without a tool), a copy of the engine's files
(bound to one engine).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, cast

from ..errors import ExportInvalid

__all__ = ("FORMAT", "ExportReader", "ExportedEntry", "write_export")

_FORMATS = "airswasm-storage-export-"
FORMAT = f"{_FORMATS}v1"

_CHUNK_BYTES = 256 * 1024
_LINE_BYTES = 64 * 1024 * 1024
_MOST_SECONDS = 253_402_300_800


class ExportedEntry(NamedTuple):
    """One entry of an export.

    Attributes:
        key: The key.
        value: The value.
        expires_at: When it expires, in seconds since 1970; None for never.
    """

    key: str
    value: bytes
    expires_at: float | None = None


def write_export(
    namespace: str, created_at: float, entries: Iterable[ExportedEntry]
) -> Iterator[bytes]:
    """Yield the export of these entries, in chunks of whole lines."""
    digest = hashlib.sha256()
    chunk = _line({"format": FORMAT, "namespace": namespace, "created": created_at})
    count = 0
    for key, value, expires_at in entries:
        if len(chunk) >= _CHUNK_BYTES:
            digest.update(chunk)
            yield chunk
            chunk = b""
        fields: dict[str, object] = {"key": key, "value": base64.b64encode(value).decode()}
        if expires_at is not None:
            fields["expires"] = expires_at
        chunk += _line(fields)
        count += 1
    digest.update(chunk)
    yield chunk + _line({"entries": count, "sha256": digest.hexdigest()})


class ExportReader:
    """Parses an export, piece by piece.

    Publish none of the entries before `finish`: only the end tells that it is whole.

    Attributes:
        namespace: The namespace that was exported; empty before the first line.
        created_at: When it was, in seconds since 1970; None before the first line.
        entries: How many entries were read.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._rest = b""
        self._lines = 0
        self.entries = 0
        self.namespace = ""
        self.created_at: float | None = None
        self._is_whole = False

    def feed(self, chunk: bytes) -> Iterator[ExportedEntry]:
        """Yield the entries that are complete with this piece.

        Raises:
            ExportInvalid: Altered, or not an export.
        """
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _LINE_BYTES:
            raise ExportInvalid(self._lines + 1, "it is too long")
        for line in whole:
            yield from self._read(line + b"\n")

    def finish(self) -> None:
        """Check that this was all of it.

        Raises:
            ExportInvalid: Something is missing, or follows.
        """
        if self._rest or not self._is_whole:
            raise ExportInvalid(self._lines + 1, "it is cut short")

    def _read(self, line: bytes) -> Iterator[ExportedEntry]:
        self._lines += 1
        fields = _parse(line, self._lines)
        if self._is_whole:
            raise ExportInvalid(self._lines, "something follows its end")
        if self._lines == 1:
            self.namespace, self.created_at = _read_header(fields)
        elif "sha256" in fields:
            _check_end(fields, self._lines, self.entries, self._digest.hexdigest())
            self._is_whole = True
        else:
            self.entries += 1
            yield _entry(fields, self._lines)
        self._digest.update(line)


def _line(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n"


def _parse(line: bytes, number: int) -> Mapping[str, object]:
    try:
        fields: object = json.loads(line)
    except (ValueError, RecursionError):
        raise ExportInvalid(number, "it is not JSON") from None
    if not isinstance(fields, dict):
        raise ExportInvalid(number, "it is not a JSON object")
    return cast("dict[str, object]", fields)


def _read_header(fields: Mapping[str, object]) -> tuple[str, float]:
    written, namespace = fields.get("format"), fields.get("namespace")
    if isinstance(written, str) and written.startswith(_FORMATS) and written != FORMAT:
        raise ExportInvalid(1, f"its format is {written[:80]!a}, and this version reads {FORMAT}")
    created_at = _time(fields.get("created"))
    if written != FORMAT or not isinstance(namespace, str) or created_at is None:
        raise ExportInvalid(1, f"it does not start an {FORMAT}")
    return namespace, created_at


def _check_end(fields: Mapping[str, object], number: int, count: int, sha256: str) -> None:
    if fields.get("entries") != count or fields["sha256"] != sha256:
        raise ExportInvalid(number, "what is above was altered")


def _entry(fields: Mapping[str, object], number: int) -> ExportedEntry:
    key, value = fields.get("key"), fields.get("value")
    if not isinstance(key, str) or not isinstance(value, str):
        raise ExportInvalid(number, "it has no key and value")
    try:
        decoded = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ExportInvalid(number, "the value is not base64") from None
    return ExportedEntry(key, decoded, _expiry(fields, number))


def _expiry(fields: Mapping[str, object], number: int) -> float | None:
    if fields.get("expires") is None:
        return None
    expires_at = _time(fields["expires"])
    if expires_at is None:
        raise ExportInvalid(number, "the time at which it expires is no date")
    return expires_at


def _time(value: object) -> float | None:
    """Return seconds since 1970; None if they are no date of four digits' years."""
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < _MOST_SECONDS
    ):
        return float(value)
    return None
