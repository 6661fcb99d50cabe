"""What a process gives up, and what this machine lacks for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from airswasm.runtime import SYSTEM_FOLDERS, confined_python, missing_protections

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the protections are Linux's")
confined_only = pytest.mark.skipif(bool(missing_protections()), reason="not confined here")
INSIDE = """
import os, sys
sys.path.append({folder!r})
from _confining.fences import *
{code}
"""


def inside(code: str, *, isolated: bool = True) -> str:
    """Run code in a process of its own that has the protections' functions."""
    command = confined_python("keeper")
    folder = command[-1].split("append(", 1)[1].split(")", 1)[0].strip("'\"")
    text = INSIDE.format(folder=folder, code=code)
    done = subprocess.run(
        [sys.executable, *(["-I", "-S"] if isolated else []), "-c", text],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def request(command: list[str], write: Path, **more: object) -> str:
    wanted = {
        "command": command, "environment": {}, "read": SYSTEM_FOLDERS, "write": [str(write)],
        "limits": {"CORE": 0}, "waived": [], "parent": os.getpid(), **more,
    }  # fmt: skip
    return json.dumps(wanted)


@confined_only
def test_a_command_runs_confined_and_its_end_is_passed_on(tmp_path: Path) -> None:
    """The exit code, and what it may write."""
    script = f"echo x > {tmp_path}/made; echo x > /tmp/not-made-{os.getpid()}; exit 7"
    starter = confined_python("one_command")
    done = subprocess.run(
        [*starter, request(["/bin/sh", "-c", script], tmp_path)], capture_output=True, check=False
    )
    assert done.returncode == 7
    assert (tmp_path / "made").exists()
    assert not Path(f"/tmp/not-made-{os.getpid()}").exists()


@confined_only
def test_what_a_process_lacks_for_a_protection_is_told(tmp_path: Path) -> None:
    """A process that may make no namespaces, as in many containers, refuses the command."""
    starter = confined_python("one_command")
    wanted = request(["/bin/true"], tmp_path).replace(f'"parent": {os.getpid()}', '"parent": PID')
    code = (
        "drop_capabilities()\nassert fence_calls(network=True)\n"
        f"import subprocess\nwanted = {wanted!r}.replace('PID', str(os.getpid()))\n"
        f"done = subprocess.run([*{starter!r}, wanted], capture_output=True, text=True)\n"
        "print(done.returncode, done.stderr)"
    )
    assert inside(code) == "126 this machine does not confine processes"


@confined_only
def test_the_numbers_of_processes_are_bounded_for_root_too() -> None:
    """From the first process of a namespace, and for all that it starts."""
    code = """
assert unshare(network=False)
told, telling = os.pipe()
if os.fork() == 0:
    assert bound_processes(10)
    limit({"NPROC": 10})
    count = 0
    try:
        while count < 1000:
            if os.fork() == 0:
                import time; time.sleep(60)
            count += 1
    except OSError:
        pass
    os.write(telling, str(count).encode())
    os._exit(0)
print(os.read(told, 100).decode())
"""
    assert int(inside(code)) <= 310


@confined_only
def test_capabilities_are_gone_for_good() -> None:
    """Also for a program that root executes."""
    code = (
        "assert unshare(network=False)\nif os.fork() == 0:\n  drop_capabilities()\n"
        "  pattern = '^Cap...:.0000000000000000$'\n"
        "  os.execv('/bin/grep', ['grep', '-c', pattern, '/proc/self/status'])\n"
        "os.wait()"
    )
    assert int(inside(code)) >= 4


def test_a_frozen_program_has_no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller names one, or is told."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(FileNotFoundError, match="interpreter"):
        confined_python("keeper")
    assert confined_python("keeper", "/usr/bin/python3")[0] == "/usr/bin/python3"
