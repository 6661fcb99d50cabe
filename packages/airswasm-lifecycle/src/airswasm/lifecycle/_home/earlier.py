"""Keep what an earlier version of airswasm wrote, before it is written in another format.

A copy lies in the home's folder `earlier`, for as long as the operator leaves it there. Its name
has the format and the digest of its content: what is kept twice is one file, and no copy replaces
another.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from airswasm.runtime.files import replace_file, sync_folder

from ..errors import HomeUnusable

__all__ = ("keep_earlier", "keep_earlier_file", "read_rows", "written_rows")


def keep_earlier(folder: Path, name: str, form: int, content: bytes) -> Path:
    """Keep content of an earlier format, durably, and return its file.

    Raises:
        HomeUnusable: It cannot be written; nothing may be rewritten then.
    """
    path, dot, ending = name.partition(".")
    digest = hashlib.sha256(content).hexdigest()[:12]
    target = folder / f"{path}-format-{form}-{digest}{dot}{ending}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not target.exists():
            replace_file(target, content)
            sync_folder(folder)
    except OSError as error:
        raise HomeUnusable(str(target), f"cannot be written: {error.strerror}") from error
    return target


def keep_earlier_file(folder: Path, file: Path, newest: int) -> None:
    """Keep a JSON file that has an earlier format than the newest one, if it is there.

    A file that is no such JSON is left to its reader, which says what is wrong with it.

    Raises:
        HomeUnusable: The copy cannot be written.
    """
    try:
        content = file.read_bytes()
        form = json.loads(content)["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return
    if isinstance(form, int) and 0 < form < newest:
        keep_earlier(folder, file.name, form, content)


def written_rows(rows: Mapping[str, bytes]) -> bytes:
    """Return rows of a store as JSON lines."""
    lines = (
        json.dumps({"key": key, "value": base64.b64encode(value).decode()})
        for key, value in sorted(rows.items())
    )
    return "".join(f"{line}\n" for line in lines).encode()


def read_rows(content: bytes) -> dict[str, bytes]:
    """Return the rows of `written_rows`.

    Raises:
        ValueError: The content is something else.
    """
    try:
        rows = [json.loads(line) for line in content.splitlines()]
        return {str(each["key"]): base64.b64decode(each["value"], validate=True) for each in rows}
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a file of rows: {error}") from error
