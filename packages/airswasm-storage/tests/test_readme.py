"""The example of the README runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
EXPECTED = "used_bytes=70, keys=1, quota_bytes=1048576"


def test_the_example_works(tmp_path: Path) -> None:
    """A newcomer copies it first, and gets what its comments say."""
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert EXPECTED in done.stdout
