"""The reference pages are what the installed blocks say, all eleven together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("module", "page"),
    [
        ("airswasm.cli.reference", "cli.md"),
        ("airswasm.cli.control_page", "control-api.md"),
        ("airswasm.cli.config_page", "config.md"),
        ("airswasm.osl.errors_page", "os-errors.md"),
        ("airswasm.monitoring.metrics_page", "metrics.md"),
        ("airswasm.wit.reference", "wit/reference.md"),
    ],
)
def test_a_page_was_written_after_the_last_change(module: str, page: str) -> None:
    """`python -m MODULE > docs/PAGE` writes it."""
    written = subprocess.run([sys.executable, "-I", "-m", module], capture_output=True, check=True)
    assert written.stdout == (DOCS / page).read_bytes()
