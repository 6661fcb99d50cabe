"""The names that components can have: `namespace/name`."""

from __future__ import annotations

import re

__all__ = ("NAME_PART", "is_component_name")

NAME_PART = r"[a-z][a-z0-9-]{0,62}"
_NAME = re.compile(rf"{NAME_PART}/{NAME_PART}")


def is_component_name(text: str) -> bool:
    """Whether `text` is a component's full name, `namespace/name`."""
    return _NAME.fullmatch(text) is not None
