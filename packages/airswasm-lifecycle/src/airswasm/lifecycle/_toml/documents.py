"""Read the text of a document that people write with any editor.

Some editors of Windows begin UTF-8 with a byte order mark, which TOML 1.1 ignores and `tomllib`
refuses, or write UTF-16. A pipe or a device in the place of the file would have the reader wait for
ever.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

__all__ = ("decode_text", "read_toml_text")

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
        OSError: It cannot be read, or is a pipe, a socket or a device.
        UnicodeDecodeError: It is not UTF-8; `reason` says what to do.
    """
    mode = file.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(file))
    return decode_text(file.read_bytes()).replace("\r\n", "\n")
