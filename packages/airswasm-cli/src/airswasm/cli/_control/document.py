"""Turn the blocks' dataclasses into JSON documents, in one way for all verbs.

The documents of `--json` and of the control API are the public dataclasses of the blocks below,
field by field. So there is one vocabulary, and no second model that drifts from the first.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from pathlib import PurePath
from typing import cast

__all__ = ("Document", "items", "mapping", "number", "one_line", "text", "texts", "to_json")

Document = Mapping[str, object]


def to_json(value: object) -> object:
    """Return a value in its JSON form: dataclasses become objects, bytes hexadecimal."""
    if value is None or isinstance(value, str | bool | int):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            each.name: to_json(getattr(value, each.name))
            for each in dataclasses.fields(value)
            if not each.name.startswith("_")
        }
    if isinstance(value, Mapping):
        items_of = cast("Mapping[object, object]", value).items()
        return {str(key): to_json(item) for key, item in items_of}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Sequence | AbstractSet):
        found = [to_json(item) for item in cast("Iterable[object]", value)]
        return sorted(found, key=str) if isinstance(value, AbstractSet) else found
    if isinstance(value, PurePath | BaseException):
        return str(value)
    return str(value)


def mapping(value: object) -> Document:
    """Return the value if it is a JSON object, else an empty one."""
    return cast("Document", value) if isinstance(value, Mapping) else {}


def items(value: object) -> list[Document]:
    """Return the value if it is a JSON array of objects, else an empty one."""
    found = cast("list[object]", value) if isinstance(value, list) else []
    return [mapping(each) for each in found]


def text(value: object, *, absent: str = "-") -> str:
    """Return a JSON value as text for people."""
    if value is None or value == "":
        return absent
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(text(each) for each in cast("list[object]", value)) or absent
    return str(value)


def texts(value: object) -> list[str]:
    """Return a list of texts; empty for anything else."""
    return list(map(str, cast("list[object]", value))) if isinstance(value, list) else []


def number(value: object) -> float:
    """Return a JSON number; 0 for anything else."""
    return float(value) if isinstance(value, int | float) else 0.0


def one_line(value: object, *, most: int = 500) -> str:
    """Return a package author's text in one line that can forge nothing around it.

    Line ends and control characters become visible, and a long text is cut.

    Args:
        value: The text; other values are shown as by `text`.
        most: The number of characters beyond which the text is cut.
    """
    given = value if isinstance(value, str) else text(value, absent="")
    shown = given if len(given) <= most else f"{given[:most]}…"
    if shown.isprintable():
        return shown
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode()
        for each in shown
    )
