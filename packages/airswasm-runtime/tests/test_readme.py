"""The README's example is a program, and does what the README says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_example_runs():
    """Copied from the page and run as it is, it prints what the page promises."""
    found = re.search(r"```python\n(.*?)```", README.read_text(), re.S)
    assert found is not None
    done = subprocess.run(
        [sys.executable, "-c", found.group(1)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "1042"
    assert second.startswith(("DeadlineExceeded", "FuelExhausted"))
    assert "raise `Limits." in second
