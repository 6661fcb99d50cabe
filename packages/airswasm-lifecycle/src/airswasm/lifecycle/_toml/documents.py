"""Read the text of a document that people write with any editor.

Some editors of Windows begin UTF-8 with a byte order mark, which TOML 1.1 ignores and `tomllib`
refuses, or write UTF-16. A pipe or a device in the place of the file would have the reader wait for
ever.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import cast

__all__ = ("NotToml", "decode_text", "parse_toml", "read_toml_text")

KEY_PARTS = 128
_MOST_BYTES = 8 * 2**20
"""More than a list of ten thousand components takes; to read 100 MB took 7 seconds."""
_PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?:\A|[\n{{,\[])[ \t]*+{_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{KEY_PARTS}}}")
_AT = re.compile(r" \(at line (\d+), column \d+\)$| \(at end of document\)$")
_DIGITS = 4300
"""Python converts no longer integer by default."""
_LONG_INTEGER = re.compile(rf"(?<![\w.])[+-]?[0-9](?:_?[0-9]){{{_DIGITS},}}")
_MOST_BITS = 14_281
"""Of an integer of so many digits; in another base it is converted, and cannot be shown."""
_LONG_IN_BASE = re.compile(r"(?<![\w.])0[xob][0-9A-Fa-f_]{3000,}")
NOT_UTF8 = "not UTF-8; save it in that encoding"


def decode_text(content: bytes) -> str:
    """Return the text without a byte order mark.

    Raises:
        UnicodeDecodeError: It is not UTF-8; `reason` says what to do.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        error.reason = NOT_UTF8
        raise


def read_toml_text(file: Path) -> str:
    """Read a file; its text comes without a byte order mark.

    Raises:
        OSError: It cannot be read, is a pipe, a socket or a device, or is too large for a document.
        UnicodeDecodeError: It is not UTF-8; `reason` says what to do.
    """
    status = file.stat()
    mode = status.st_mode
    if status.st_size > _MOST_BYTES:
        raise OSError(errno.EFBIG, f"larger than {_MOST_BYTES >> 20} MiB", os.fspath(file))
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(file))
    return decode_text(file.read_bytes()).replace("\r\n", "\n")


class NotToml(ValueError):
    """A text that is no TOML, or that no reader should take in.

    Attributes:
        reason: The mistake, without its place.
        line: Its line, from 1.
    """

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(f"line {line}: {reason}")
        self.reason, self.line = reason, line


def parse_toml(text: str) -> dict[str, object]:
    """Return the tables of a document.

    Raises:
        NotToml: It is none, or nested too deep.
    """
    long_key = _LONG_KEY.search(text)
    if long_key is not None:  # tomllib keeps every prefix of it: 14 GB for a key of 60,000 parts
        line = text.count("\n", 0, long_key.start() + 1) + 1
        raise NotToml(f"a key has more than {KEY_PARTS} parts", line)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT.search(str(error))
        reason = str(error)[: found.start()] if found else str(error)
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        raise NotToml(f"not TOML: {reason}", line) from error
    except RecursionError as error:
        raise NotToml("not TOML: tables or arrays are nested too deep", 1) from error
    except ValueError as error:  # an integer that Python refuses to convert, or a date
        long_integer = _LONG_INTEGER.search(text)
        if long_integer is None:
            raise NotToml(f"not TOML: {error}", 1) from error
        line = text.count("\n", 0, long_integer.start()) + 1
        raise NotToml(f"an integer has more than {_DIGITS} digits", line) from error
    _check_integers(tables, text)
    return tables


def _check_integers(tables: dict[str, object], text: str) -> None:
    """Refuse integers that are converted from another base, and can be written in none of ours."""
    long_integer = _LONG_IN_BASE.search(text)
    if long_integer is None:
        return
    waiting: list[object] = [tables]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += cast("dict[str, object]", value).values()
        elif isinstance(value, list):
            waiting += cast("list[object]", value)
        elif isinstance(value, int) and value.bit_length() > _MOST_BITS:
            line = text.count("\n", 0, long_integer.start()) + 1
            raise NotToml(f"an integer has more than {_DIGITS} digits", line)
