"""The short form of the soak: hostile components beside honest ones, for a few rounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[1] / "bench" / "soak.py"


def test_the_books_of_honest_components_balance() -> None:
    """Memory, open files and accounts stay flat, and no answer is lost or given twice."""
    options = ("--each", "5", "--rounds", "8")
    done = subprocess.run(
        [sys.executable, str(SOAK), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("8 rounds: 400 answers")
