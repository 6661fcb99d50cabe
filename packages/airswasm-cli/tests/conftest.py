"""The real command in real processes, on a component that is built once."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from airswasm.sdk import build_project, init_project
from hypothesis import settings

settings.register_profile("busy", deadline=None)  # machines are shared
settings.load_profile("busy")

COUNTER_TIMEOUT = 60.0

# A shell starts what runs in its background with SIGINT ignored, and nohup ignores SIGHUP; programs
# hand both on, and hosts honor them.
for _number in {signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)}:
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Airswasm = Callable[..., Ended]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the many processes of these tests share their bytecode."""
    return tmp_path_factory.mktemp("bytecode")


def make_environment(home: Path, bytecode: Path) -> Mapping[str, str]:
    dropped = ("AIRSWASM_", "PYTHONDONTWRITEBYTECODE", "FORCE_COLOR")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    own = {"AIRSWASM_HOME": str(home), "PYTHONPYCACHEPREFIX": str(bytecode), "NO_COLOR": "1"}
    return {**kept, **own}


@pytest.fixture
def environment(home: Path, bytecode: Path) -> Mapping[str, str]:
    return make_environment(home, bytecode)


@pytest.fixture
def airswasm(environment: Mapping[str, str], tmp_path: Path) -> Airswasm:
    """Runs the command in a process of its own, with nothing on standard input."""

    def call(*arguments: str, cwd: Path | None = None, stdin: bytes = b"") -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "airswasm.cli", *arguments],
            cwd=cwd or tmp_path,
            env=dict(environment),
            input=stdin,
            capture_output=True,
            timeout=COUNTER_TIMEOUT,
            check=False,
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call


class RunningHost:
    """`airswasm run` in a process of its own."""

    def __init__(self, environment: Mapping[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "airswasm.cli", "run", *arguments],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.said = self._read_until("Ctrl-C stops")

    def _read_until(self, wanted: str) -> str:
        assert self.process.stderr is not None
        said = b""
        deadline = time.monotonic() + COUNTER_TIMEOUT
        while wanted not in said.decode(errors="replace"):
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.process.stderr], [], [], max(0.0, left))
            chunk = os.read(self.process.stderr.fileno(), 65536) if ready else b""
            assert chunk, f"the host ended or was silent; it said: {said.decode()}"
            said += chunk
        return said.decode()

    def stop(self, number: signal.Signals = signal.SIGINT) -> Ended:
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=COUNTER_TIMEOUT)
        return Ended(self.process.returncode, out.decode(), err.decode())


@pytest.fixture
def run_host(environment: Mapping[str, str]) -> Iterator[Callable[..., RunningHost]]:
    """Starts hosts; those still running at the end are killed."""
    hosts: list[RunningHost] = []

    def start(*arguments: str) -> RunningHost:
        hosts.append(RunningHost(environment, *arguments))
        return hosts[-1]

    yield start
    for host in hosts:
        if host.process.poll() is None:
            host.process.kill()
        host.process.communicate()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built counter; `project` is a copy to change."""
    folder = tmp_path_factory.mktemp("built") / "hello"
    init_project(folder, "hello", "c")
    build_project(folder)
    return folder


@pytest.fixture(scope="session")
def prepared(
    built: Path, bytecode: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A home with the counter installed, and the signed project; `installed` copies both."""
    folder = tmp_path_factory.mktemp("prepared")
    home, project = folder / "home", Path(shutil.copytree(built, folder / "hello"))
    environment = dict(make_environment(home, bytecode))
    for arguments in (("keygen",), ("sign", str(project)), ("install", str(project), "--yes")):
        command = [sys.executable, "-m", "airswasm.cli", *arguments]
        subprocess.run(command, env=environment, capture_output=True, check=True)
    return home, project


@pytest.fixture
def installed(prepared: tuple[Path, Path], home: Path, tmp_path: Path) -> Path:
    """A counter that is signed and installed; no host runs. Its project."""
    shutil.copytree(prepared[0], home)
    return Path(shutil.copytree(prepared[1], tmp_path / "hello"))


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "hello"))
