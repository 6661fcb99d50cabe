"""A namespace as JSON lines: readable, diffable, and checked before it is taken in.

    {"format":"airswasm-storage-export-v1","namespace":"local/hello"}
    {"key":"count","value":"MQ=="}
    {"entries":1,"sha256":"..."}

The last line vouches for everything before it, so that an export that was cut
short is never imported as a smaller one. Rejected: CBOR (a dependency more, and
nobody can read it), a copy of the engine's files (bound to one engine).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping

from .errors import ExportInvalid

__all__ = ("FORMAT", "read_export", "write_export")

FORMAT = "airswasm-storage-export-v1"

_CHUNK_BYTES = 256 * 1024
_LINE_BYTES = 64 * 1024 * 1024


def write_export(namespace: str, entries: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """The export of these entries, in chunks of whole lines."""
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


async def read_export(chunks: AsyncIterable[bytes]) -> AsyncIterator[tuple[str, bytes]]:
    """The entries of an export.

    Use none of them before all were read: only the end tells that it is whole.

    Raises:
        ExportInvalid: Cut short, altered, or not an export.
    """
    digest = hashlib.sha256()
    number = count = 0
    is_whole = False
    async for line in _lines(chunks):
        number += 1
        fields = _parse(line, number)
        if is_whole:
            raise ExportInvalid(number, "something follows its end")
        if number == 1:
            _check_header(fields)
        elif "sha256" in fields:
            _check_end(fields, number, count, digest.hexdigest())
            is_whole = True
        else:
            count += 1
            yield _entry(fields, number)
        digest.update(line)
    if not is_whole:
        raise ExportInvalid(number + 1, "it is cut short")


async def _lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LINE_BYTES:
            raise ExportInvalid(0, "a line is too long")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest


def _line(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n"


def _parse(line: bytes, number: int) -> Mapping[str, object]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise ExportInvalid(number, "it is not JSON") from None
    if not isinstance(fields, dict):
        raise ExportInvalid(number, "it is not a JSON object")
    return fields


def _check_header(fields: Mapping[str, object]) -> None:
    if fields.get("format") != FORMAT:
        raise ExportInvalid(1, f"it does not start an {FORMAT}")


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
