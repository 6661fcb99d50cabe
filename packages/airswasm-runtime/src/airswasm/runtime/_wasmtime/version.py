"""The one assertion of which engine this package runs on.

The C interface has no version of its own and changes with each release: a layout
that moved would not raise, it would read other memory. So a release that was not
tested is refused by name, however it came to be installed.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

from ..errors import UnsupportedEngine

OLDEST, BEFORE = (50, 0, 1), (51,)
"""The range in `pyproject.toml`; a test compares the two."""


def engine_version() -> str:
    """Return the version of the installed wasmtime; `unknown` where no metadata came with it."""
    try:
        return version("wasmtime")
    except PackageNotFoundError:  # a frozen program
        return "unknown"


def check_version(found: str | None = None) -> None:
    """Refuse an engine that this package was not tested with.

    Args:
        found: the version to check; by default the installed one.

    Raises:
        UnsupportedEngine: it is outside of the tested range.
    """
    found = engine_version() if found is None else found
    numbers = tuple(int(part) for part in re.findall(r"\d+", found)[:3])
    if numbers and not OLDEST <= numbers < BEFORE:
        oldest, before = (".".join(map(str, each)) for each in (OLDEST, BEFORE))
        raise UnsupportedEngine(found, f">={oldest},<{before}")
