"""Components that a generator wrote: the process lives, and every end has a type."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

SEEDS = int(os.environ.get("AIRSWASM_SMITH_SEEDS", "60"))
FIRST_SEED = int(os.environ.get("AIRSWASM_SMITH_FIRST", "0"))
MOST_RESIDENT_KB = 1024 * 1024
SMITHY = Path(__file__).parent / "guests" / "smithy.py"


def tool() -> str:
    beside = Path(sys.executable).with_name("wasm-tools")
    return str(beside) if beside.exists() else shutil.which("wasm-tools") or "wasm-tools"


def forge(first: int, last: int) -> tuple[int, list[list[str]], str]:
    """One process over those seeds: its exit status, what it said, its last words."""
    command = [sys.executable, str(SMITHY), tool(), str(first), str(last)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, [line.split(" ", 2) for line in done.stdout.splitlines()], done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="measures memory with `resource`")
def test_made_up_and_damaged_components_end_in_types() -> None:
    """Whatever is loaded and started ends well or in a typed error, within bounded memory.

    Compiling may kill its process, because in earnest that is the compile child;
    running may not. Where it happens the seeds go on behind it.
    """
    ends: Counter[str] = Counter()
    seed, last = FIRST_SEED, FIRST_SEED + SEEDS
    while seed < last:
        status, said, words = forge(seed, last)
        ends.update(line[2] for line in said if line[1] == "ended")
        if status == 0:
            assert int(said[-1][1]) < MOST_RESIDENT_KB
            break
        at, step = int(said[-1][0]), said[-1][1]
        assert step == "compile", f"seed {at} ended the process (status {status}): {words[-2000:]}"
        ends["killed the child"] += 1
        seed = at + 1
    assert ends.total() == SEEDS
    assert ends["refused"] > 0
    assert ends.total() > ends["refused"], f"nothing ever ran: {ends}"
    assert ends["killed the child"] <= SEEDS // 20, ends
