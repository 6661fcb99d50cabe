"""kill -9 under load: nothing that was acknowledged is lost, and repetitions can be told.

`AIRSWASM_KILLS` sets how often; `nox -s kills` has 200.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

CHILD = Path(__file__).parent / "kill_child.py"
KILLS = int(os.environ.get("AIRSWASM_KILLS", "4"))
SENDERS = 8


class Record:
    """What all starts of the host have printed."""

    def __init__(self) -> None:
        self.sent: set[tuple[int, int]] = set()
        self.got: dict[tuple[int, int], list[tuple[str, int]]] = {}
        self.last: Counter[int] = Counter()
        self.repeated = 0

    def read(self, line: str) -> None:
        """Note a line, and check what can be checked at once."""
        match line.split():
            case ["sent", sender, number]:
                self.sent.add((int(sender), int(number)))
            case ["got", sender, number, message_id, attempt]:
                self._note(int(sender), int(number), message_id, int(attempt))
            case _:
                assert line == "ready"

    def _note(self, sender: int, number: int, message_id: str, attempt: int) -> None:
        known = self.got.setdefault((sender, number), [])
        if known:
            self.repeated += 1
            assert known[0][0] == message_id
            assert attempt > known[-1][1], "a repetition says so"
            assert number == self.last[sender], "only the message in hand is repeated"
        else:
            assert number > self.last[sender] or not self.last[sender], "the order is kept"
        known.append((message_id, attempt))
        self.last[sender] = number


def run_host(folder: Path, number: int, seconds: float | None, record: Record) -> None:
    """Run a host, and kill it after some time; without one, until nothing waits."""
    command = [sys.executable, str(CHILD), str(folder), str(number), str(SENDERS)]
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


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_nothing_acknowledged_is_lost_when_the_host_is_killed(tmp_path: Path) -> None:
    """And each sender's messages come in their order, those that come again marked."""
    rng, record = random.Random(KILLS), Record()
    for number in range(1, KILLS + 1):
        run_host(tmp_path / "store", number, rng.uniform(0.02, 0.3), record)
    run_host(tmp_path / "store", 0, None, record)
    assert record.sent
    assert record.sent <= set(record.got)
    ids = [got[0][0] for got in record.got.values()]
    assert len(set(ids)) == len(ids)
    print(f"{KILLS} kills: {len(record.sent):,} acknowledged, {len(record.got):,} handled, ")
    print(f"{record.repeated} of them again")
