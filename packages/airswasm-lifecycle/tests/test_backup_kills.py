"""A home is backed up beside durable traffic, and its host is killed: the books balance.

What was acknowledged before a backup began is in it, handled or waiting, and nothing that was never
sent. `AIRSWASM_KILLS` sets how often; `nox -s kills` has 20.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from airswasm.lifecycle import BackupInvalid, restore_home

Workshop = Any  # tests/conftest.py, which nothing can import
CHILD = Path(__file__).parent / "update_child.py"
KILLS = max(1, int(os.environ.get("AIRSWASM_KILLS", "10")) // 10)
SENDERS = 3
Message = tuple[str, str]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
async def test_a_restored_home_has_what_was_acknowledged(
    tmp_path: Path, workshop: Workshop, anyio_backend: str
) -> None:
    """Restored somewhere else, each message is handled there; half a backup is refused."""
    key, wasm, home = tmp_path / "key.pem", tmp_path / "guest.wasm", tmp_path / "home"
    key.write_bytes(workshop.key.pem())
    wasm.write_bytes(workshop.guest(migrates=False))
    backups = tmp_path / "backups"
    backups.mkdir()
    rng = random.Random(KILLS)

    def run_host(folder: Path, number: int, seconds: float | None) -> list[list[str]]:
        command = [sys.executable, str(CHILD), str(folder), str(key), str(wasm), str(number)]
        command += [str(SENDERS), str(backups)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            lines: list[str] = []
            if seconds is not None:
                for line in child.stdout:  # until one is whole that began when some were sent
                    lines.append(line)
                    if line.startswith("at ") and not line.endswith("-1\n"):
                        break
                time.sleep(seconds)
                child.kill()
            lines += child.stdout
        assert child.returncode == (-9 if seconds is not None else 0)
        return [line.split() for line in lines]

    sent: set[Message] = set()
    had: dict[str, set[Message]] = {}
    for number in range(1, KILLS + 1):
        for what, *words in run_host(home, number, rng.uniform(0.0, 0.2)):
            if what == "sent":
                sent.add((words[0], words[1]))
            elif what == "to":
                had[words[0]] = set(sent)
        last = max(backups.glob(f"{number}-*[0-9]"), key=lambda file: int(file.name[2:]))
        restored = tmp_path / f"restored-{number}"
        with last.open("rb") as source:
            await restore_home(source, last.name, restored)
        got = {
            (words[0], words[1]) for what, *words in run_host(restored, 0, None) if what == "got"
        }
        possible = sent | {(sender, str(int(each) + 1)) for sender, each in sent}
        possible |= {(str(sender), f"{number}000000") for sender in range(SENDERS)}
        assert had[last.name] <= got <= possible
        assert had[last.name]
        for half in backups.glob("*.partial"):
            whole, is_whole = tmp_path / f"whole-{number}", False
            with half.open("rb") as source, suppress(BackupInvalid):
                await restore_home(source, half.name, whole)
                is_whole = True  # only its name was missing
            assert whole.exists() == is_whole
            half.unlink()
        assert len(list(home.glob("backup.partial-*"))) <= 1  # a host removes what it finds
    print(f"{KILLS} kills, {len(had)} backups, {len(sent):,} acknowledged")
