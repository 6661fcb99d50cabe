"""The one rule for the names of files in a package.

What a manifest may name, an archive hold and a statement sign is the same set of names, so that a
package that builds can be packed, signed and unpacked on every system. A name means one file
below the package's folder: Windows reads `C:x` on another drive, `x:y` in a stream, `nul.wasm` as a
device, and `x.` and `x ` as `x`; macOS reads what is not in NFC as another name.
"""

from __future__ import annotations

import unicodedata

__all__ = ("judge_path",)

_MOST_BYTES = 255
_SPECIAL = frozenset('\\:*?"<>|')
_NUMBERED = frozenset(f"{port}{number}" for port in ("com", "lpt") for number in "123456789¹²³")
_DEVICES = _NUMBERED | {"con", "prn", "aux", "nul", "conin$", "conout$"}


def judge_path(path: str) -> str | None:
    """Return the reason why a path cannot name a file of a package, or None."""
    parts = path.split("/")
    if not path or len(path.encode("utf-8", "surrogatepass")) > _MOST_BYTES:
        return "a name is empty or too long"
    if not path.isprintable() or not _SPECIAL.isdisjoint(path):
        return 'the name holds a control character or one of \\ : * ? " < > |'
    if any(part in ("", ".", "..") for part in parts):
        return "the name is absolute, or leaves the package"
    if not unicodedata.is_normalized("NFC", path):
        return "the name is not in Unicode's NFC form"
    if any(part != part.strip(" ") or part.endswith(".") for part in parts):
        return "a part of the name begins with a space, or ends with a dot or a space"
    if any(part.partition(".")[0].rstrip(" ").casefold() in _DEVICES for part in parts):
        return "a part of the name is a device on Windows, such as con, nul or com1"
    return None
