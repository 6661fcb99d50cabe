"""The types of the page's scripts, by TypeScript's checker, where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import as_file, files
from pathlib import Path

import pytest

TSC = shutil.which("tsc")
OPTIONS = {
    "allowJs": True, "checkJs": True, "noEmit": True, "strict": True, "target": "es2023",
    "module": "esnext", "moduleResolution": "bundler", "lib": ["es2023", "dom", "dom.iterable"],
    "noUncheckedIndexedAccess": True, "noUnusedLocals": True, "noUnusedParameters": True,
    "types": [],
}  # fmt: skip


@pytest.mark.skipif(TSC is None, reason="no tsc: npm install --global typescript")
def test_the_scripts_keep_to_their_types(tmp_path: Path) -> None:
    """They are JavaScript as browsers read it; the types stand in comments."""
    with as_file(files("airswasm.monitoring._page").joinpath("files")) as folder:
        config = {"compilerOptions": OPTIONS, "include": [f"{folder}/*.js"]}
        (tmp_path / "tsconfig.json").write_text(json.dumps(config))
        done = subprocess.run(
            [str(TSC), "-p", str(tmp_path)], capture_output=True, text=True, timeout=300
        )
    assert (done.returncode, done.stdout) == (0, "")
