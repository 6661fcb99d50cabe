"""The folder of compiled code that a test shares with the hosts that it starts; see `conftest`."""

from __future__ import annotations

import os
from pathlib import Path

from airswasm.lifecycle import Home

if folder := os.environ.get("TESTS_COMPILED"):
    Home.cache_folder = property(lambda _home: Path(folder))  # type: ignore[method-assign, assignment]
