"""kill -9 while a component is updated and rolled back under load: no message and no version lost.

`AIRSWASM_KILLS` sets how often; `nox -s kills` has 200.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from airswasm.security import verify_audit

Workshop = Any  # tests/conftest.py, which nothing can import
CHILD = Path(__file__).parent / "update_child.py"
KILLS = int(os.environ.get("AIRSWASM_KILLS", "4"))
SENDERS = 4


@dataclass
class Record:
    """What all starts of the host have printed.

    Attributes:
        possible: The versions that may be the active one after the next start.
    """

    possible: set[str] = field(default_factory=lambda: {"0.1.0"})
    sent: set[tuple[str, str]] = field(default_factory=set)
    got: set[tuple[str, str]] = field(default_factory=set)
    switches: int = 0
    in_hand: int = 0

    def read(self, line: str) -> None:
        """Note a line, and check what can be checked at once."""
        match line.split():
            case ["ready", version]:
                assert version in self.possible, "the old version or the new one, and no other"
                self.in_hand += len(self.possible) > 1
                self.possible = {version}
            case ["to", version]:
                self.possible.add(version)
            case ["at", version]:
                self.possible = {version}
                self.switches += 1
            case ["sent", sender, number]:
                self.sent.add((sender, number))
            case ["got", sender, number]:
                self.got.add((sender, number))
            case _:
                raise AssertionError(line)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_no_message_and_no_version_is_lost(tmp_path: Path, workshop: Workshop) -> None:
    """Each message that was acknowledged is handled, by a version that is installed whole."""
    key, wasm, home = tmp_path / "key.pem", tmp_path / "guest.wasm", tmp_path / "home"
    key.write_bytes(workshop.key.pem())
    wasm.write_bytes(workshop.guest(migrates=False))
    rng, record = random.Random(KILLS), Record()

    def run_host(number: int, seconds: float | None) -> None:
        command = [sys.executable, str(CHILD), str(home), str(key), str(wasm), str(number),
                   str(SENDERS)]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline()]
            if seconds is not None:
                time.sleep(seconds)
                child.kill()
            lines += child.stdout
        assert child.returncode == (-9 if seconds is not None else 0)
        for line in lines:
            record.read(line.strip())
        verify_audit(home / "audit" / "audit.jsonl")

    for number in range(1, KILLS + 1):
        run_host(number, rng.uniform(0.02, 0.6))
    run_host(0, None)
    assert record.sent
    assert record.sent <= record.got
    print(f"{KILLS} kills, {record.in_hand} of them in a switch, after {record.switches} switches:")
    print(f"{len(record.sent):,} acknowledged, {len(record.got):,} handled")


def test_no_message_is_lost_by_switches_under_load() -> None:
    """The short form of bench/switching.py, which measures the gap between two versions."""
    script = Path(__file__).parents[1] / "bench" / "switching.py"
    options = ("--switches", "3", "--rate", "200")
    done = subprocess.run(
        [sys.executable, str(script), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("3 rollbacks under ")
    assert done.stdout.endswith("messages that failed: 0\n")
