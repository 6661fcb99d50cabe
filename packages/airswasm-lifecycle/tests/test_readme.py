"""The example of the README runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

README = Path(__file__).parent.parent / "README.md"


def test_the_example_works(tmp_path: Path, workshop: Any) -> None:
    """In a folder with nothing but a package."""
    workshop.package().write_archive(tmp_path / "hello.airswasm")
    found = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    ran = subprocess.run(
        [sys.executable, "-c", found[1]], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    assert 'storage.write = ["count", "migrated"]' in ran.stdout
    assert "state='running'" in ran.stdout
