"""A service manager is told when the host is ready, reloads and ends; its watchdog sees a hang."""

from __future__ import annotations

import os
import pty
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.cli._hosts.service_manager import ServiceManager, is_making_progress
from airswasm.lifecycle import System
from airswasm.security import read_audit

RunHost = Callable[..., Any]
Airswasm = Callable[..., Any]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a protocol of Unix sockets")


@pytest.fixture(params=["path", "abstract"])
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Any]]:
    """The manager's socket, and its address as the environment has it."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as server:
        server.settimeout(60)
        if request.param == "path":
            folder = Path("/tmp") / f"airswasm-notify-{os.getpid()}"
            folder.mkdir(mode=0o700, exist_ok=True)
            address = str(folder / "s")
            Path(address).unlink(missing_ok=True)
            server.bind(address)
        elif sys.platform == "linux":
            address = f"@airswasm-{os.getpid()}-{tmp_path.name}"
            server.bind(f"\0{address[1:]}")
        else:
            pytest.skip("abstract sockets are Linux's")
        yield address, server
        if request.param == "path":
            Path(address).unlink()
            Path(address).parent.rmdir()


class Manager:
    """Reads datagrams as a manager does, so that none is lost; they wait to be looked at."""

    def __init__(self, server: socket.socket) -> None:
        self._server, self._heard = server, queue.Queue[str]()
        self._is_over = False
        server.settimeout(0.1)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._is_over:
            with suppress(TimeoutError):
                self._heard.put(self._server.recv(4096).decode())

    def heard(self, wanted: str) -> dict[str, str]:
        """Return the lines of the next datagram that has a key."""
        while True:
            lines = self._heard.get(timeout=120).splitlines()
            found = dict(each.split("=", 1) for each in lines)
            if wanted in found:
                return found

    def close(self) -> None:
        self._is_over = True
        self._thread.join()


def waiting(server: socket.socket) -> list[str]:
    """Return the datagrams that are there."""
    found: list[str] = []
    server.setblocking(False)
    try:
        while True:
            found.append(server.recv(4096).decode())
    except BlockingIOError:
        return found
    finally:
        server.settimeout(60)


async def fed(server: socket.socket) -> None:
    with anyio.fail_after(60):
        while not waiting(server):  # noqa: ASYNC110 - what it waits for has no event
            await anyio.sleep(0.001)


def test_a_host_under_a_manager(
    airswasm: Airswasm,
    installed: Path,
    home: Path,
    run_host: RunHost,
    environment: dict[str, str],
    listening: tuple[str, socket.socket],
) -> None:
    """Ready once its components run; reloading with the time; fed; and stopping."""
    del installed
    address, server = listening
    manager = Manager(server)
    environment["NOTIFY_SOCKET"] = address
    environment["WATCHDOG_USEC"] = "200000"
    host = run_host()
    assert manager.heard("READY")["STATUS"] == "1 of 1 components run"
    assert manager.heard("WATCHDOG")
    (home / "config.toml").write_text("[limits]\nstorage = 4_000_000\n")
    before = time.monotonic_ns() // 1000
    host.process.send_signal(signal.SIGHUP)
    assert before <= int(manager.heard("MONOTONIC_USEC")["MONOTONIC_USEC"])
    assert manager.heard("READY")["STATUS"] == "1 of 1 components run"
    assert "nothing in config.toml differs" in airswasm("reload").err
    (home / "config.toml").write_text("[limits]\nstorrage = 1\n")
    host.process.send_signal(signal.SIGHUP)
    assert manager.heard("READY")["STATUS"].startswith("not reloaded: ")
    assert airswasm("send", "hello", "x").out == "Hello, x! You are number 1."
    ended = host.stop(signal.SIGTERM)
    assert manager.heard("STOPPING")["STATUS"] == "stopping, by SIGTERM"
    assert ended.code == 0
    assert "reloaded" in ended.err
    assert "limits.storage" in ended.err
    assert "storrage" in ended.err
    manager.close()


def test_without_a_manager() -> None:
    """Nothing is told, and a manager that is gone holds nothing up."""
    absent = ServiceManager({}, 1)
    assert not absent.is_there
    absent.ready("fine")
    gone = ServiceManager({"NOTIFY_SOCKET": "/nowhere/at/all"}, 1)
    with closing(gone):
        assert gone.is_there
        gone.ready("fine")


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
    ],
)
def test_whose_watchdog(variables: Mapping[str, str], seconds: float) -> None:
    """One for another process is none; and no child process inherits the variables."""
    environment = {"NOTIFY_SOCKET": "/x", **variables, "PATH": "/bin"}
    with closing(ServiceManager(environment, 7)) as manager:
        assert manager.watchdog_seconds == seconds
    assert environment == {"PATH": "/bin"}


@pytest.mark.anyio
async def test_a_loop_that_is_held_misses_the_watchdog(
    listening: tuple[str, socket.socket],
) -> None:
    """No other thread feeds it; and the loop does not either when actors get no turns."""
    address, server = listening
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000"}
    is_alive = True
    with closing(ServiceManager(environment, os.getpid())) as manager:
        async with anyio.create_task_group() as group:
            group.start_soon(manager.feed, lambda: is_alive)
            await fed(server)
            time.sleep(0.1)  # noqa: ASYNC251 - holds the loop for five times its time
            assert waiting(server) == []
            await fed(server)
            is_alive = False
            waiting(server)
            await anyio.sleep(0.1)
            assert waiting(server) == []
            group.cancel_scope.cancel()


@pytest.mark.anyio
async def test_progress_is_a_turn_of_those_that_wait(tmp_path: Path) -> None:
    """An idle dispatcher works; one whose actors wait and get no turn does not."""

    class Dispatcher:
        rounds = 0
        has_work = False

    class Actors:
        dispatcher = Dispatcher()

    class Services:
        def get(self, _service: type) -> Actors:
            return actors

    class Host:
        services = Services()

    actors = Actors()
    look = is_making_progress(Host())  # type: ignore[arg-type]
    assert look()
    assert look(), "idle"
    actors.dispatcher.has_work = True
    assert not look()
    actors.dispatcher.rounds += 1
    assert look()
    async with System(tmp_path / "home") as system:
        real = is_making_progress(system)
        assert real()
        assert real()


def test_a_host_ends_with_its_terminal(home: Path, environment: Mapping[str, str]) -> None:
    """A terminal that is closed stops the host in order; SIGHUP on one that stays reloads."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-m", "airswasm.cli", "run"], dict(environment))
    said = b""
    while b"Ctrl-C stops" not in said:
        said += os.read(master, 65536)
    (home / "config.toml").write_text("[host]\nmode = 'development'\n[limits]\nstorage = 9_999\n")
    os.kill(pid, signal.SIGHUP)
    while b"limits.storage" not in said:
        said += os.read(master, 65536)
    os.close(master)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    reasons = [each["reason"] for each in read_audit(home / "audit" / "audit.jsonl")]
    assert reasons[-1] == "stopping, by SIGHUP"


def test_the_unit_file_of_the_docs(tmp_path: Path) -> None:
    """systemd-analyze finds no fault in it, where it is installed."""
    program = shutil.which("systemd-analyze")
    page = Path(__file__).parents[3] / "docs" / "operating.md"
    if program is None or not page.is_file():
        pytest.skip("needs systemd-analyze and the docs")
    text = page.read_text().split("```ini\n")[1].split("```")[0]
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.split()[1].split(".")[0]) < 253:
        text = text.replace("notify-reload", "notify")
    unit = tmp_path / "airswasm.service"
    unit.write_text(text.replace("/usr/local/bin/airswasm", sys.executable))
    done = subprocess.run(
        [program, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    mine = [line for line in done.stderr.splitlines() if "airswasm.service" in line]
    assert not mine, done.stderr
