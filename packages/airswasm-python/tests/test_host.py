"""From an empty folder to a host that was killed, with the commands that a person types."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airswasm.lifecycle import Home


def airswasm(environment: dict[str, str], folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "airswasm.cli", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def running(environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A host, ready; it is killed at the end, if it still runs."""
    command = [sys.executable, "-m", "airswasm.cli", "run"]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    ) as host:
        try:
            assert host.stderr is not None
            for line in host.stderr:
                if "ready in" in line:
                    break
            yield host
        finally:
            host.kill()


def test_a_new_project_runs_and_goes_on_after_a_kill(tmp_path: Path, compiled: Path) -> None:
    home = Home(tmp_path / "home")
    home.folder.mkdir(mode=0o700)
    shutil.copytree(compiled, home.cache_folder, copy_function=os.link)
    home.cache_folder.chmod(0o700)
    environment = os.environ | {"AIRSWASM_HOME": str(home.folder)}
    airswasm(environment, tmp_path, "init", "hello", "--lang", "python")
    project = tmp_path / "hello"
    assert 'mode = "shared"' in (project / "Component.toml").read_text()
    airswasm(environment, project, "keygen")
    airswasm(environment, project, "build")
    airswasm(environment, project, "sign")
    with running(environment, project) as host:
        airswasm(environment, project, "install", ".", "--yes")
        for number in (1, 2):
            answer = airswasm(environment, project, "send", "local/hello", "world")
            assert answer.strip() == f"Hello, world! You are number {number}."
        host.send_signal(signal.SIGKILL)
        host.wait()
    with running(environment, project):
        answer = airswasm(environment, project, "send", "local/hello", "world")
        assert answer.strip() == "Hello, world! You are number 3."
        assert "airswasm:component/storage" in airswasm(environment, project, "info", "local/hello")
    tested = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "greets",
        "tests",
    ]
    done = subprocess.run(tested, cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
