"""A namespace as JSON lines: readable, diffable, and checked before it is taken in.

    {"format":"airswasm-storage-export-v1","namespace":"local/hello"}
    {"key":"count","value":"MQ=="}
    {"entries":1,"sha256":"..."}

The last line vouches for everything before it, so that an export that was cut
short is never imported as a smaller one. Rejected: CBOR (a dependency more, and not readable
without a tool), a copy of the engine's files (bound to one engine).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from .errors import ExportInvalid

__all__ = ("FORMAT", "ExportReader", "write_export")

FORMAT = "airswasm-storage-export-v1"

_CHUNK_BYTES = 256 * 1024
_LINE_BYTES = 64 * 1024 * 1024


def write_export(namespace: str, entries: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield the export of these entries, in chunks of whole lines."""
    digest = hashlib.sha256()
    chunk = _line({"format": FORMAT, "namespace": namespace})
    count = 0
    for key, value in entries:
        if len(chunk) >= _CHUNK_BYTES:
            digest.update(chunk)
            yield chunk
            chunk = b""
        chunk += _line({"key": key, "value": base64.b64encode(value).decode()})
        count += 1
    digest.update(chunk)
    yield chunk + _line({"entries": count, "sha256": digest.hexdigest()})


class ExportReader:
    """Parses an export, piece by piece.

    Publish none of the entries before `finish`: only the end tells that it is whole.

    Attributes:
        namespace: The namespace that was exported; empty before the first line.
        entries: How many entries were read.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._rest = b""
        self._lines = 0
        self.entries = 0
        self.namespace = ""
        self._is_whole = False

    def feed(self, chunk: bytes) -> Iterator[tuple[str, bytes]]:
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

    def _read(self, line: bytes) -> Iterator[tuple[str, bytes]]:
        self._lines += 1
        fields = _parse(line, self._lines)
        if self._is_whole:
            raise ExportInvalid(self._lines, "something follows its end")
        if self._lines == 1:
            self.namespace = _read_header(fields)
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


def _read_header(fields: Mapping[str, object]) -> str:
    namespace = fields.get("namespace")
    if fields.get("format") != FORMAT or not isinstance(namespace, str):
        raise ExportInvalid(1, f"it does not start an {FORMAT}")
    return namespace


def _check_end(fields: Mapping[str, object], number: int, count: int, sha256: str) -> None:
    if fields.get("entries") != count or fields["sha256"] != sha256:
        raise ExportInvalid(number, "what is above was altered")


def _entry(fields: Mapping[str, object], number: int) -> tuple[str, bytes]:
    key, value = fields.get("key"), fields.get("value")
    if not isinstance(key, str) or not isinstance(value, str):
        raise ExportInvalid(number, "it has no key and value")
    try:
        return key, base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ExportInvalid(number, "the value is not base64") from None
