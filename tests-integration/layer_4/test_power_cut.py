"""kill -9 at any moment: what was acknowledged is there afterwards."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable

from driving import Project, Terminal

START = Callable[..., Project]


def number_in(reply: str) -> int:
    return int(reply.strip().rstrip(".").rsplit(" ", 1)[1])


def test_acknowledged_values_survive_the_host(terminal: Terminal, start_project: START) -> None:
    """The host is killed while it answers; it never repeats a count that it has answered."""
    hello = start_project("hello")
    hello.type("build", "sign", "install . --yes")
    seed = random.randrange(2**32)
    delays = random.Random(seed)
    told = 0
    for _ in range(4):
        with terminal.host() as host:
            killing = threading.Timer(delays.uniform(0.05, 0.8), host.kill)
            killing.start()
            while True:
                sent = terminal.run("send", hello.name, "x", code=None)
                if sent.code != 0:
                    break
                number = number_in(sent.stdout)
                assert number > told, f"seed {seed}"
                told = number
            killing.join()
    with terminal.host():
        assert number_in(terminal.run("send", hello.name, "x").stdout) > told


def test_an_update_is_whole_or_has_not_happened(terminal: Terminal, start_project: START) -> None:
    """The command that updates without a host is killed at some moment: old or new runs."""
    hello = start_project("hello")
    hello.type("build", "sign", "install . --yes")
    seed = random.randrange(2**32)
    delays = random.Random(seed)
    version = 1
    for _ in range(4):
        version += 1
        hello.release(f"0.{version}.0")
        updating = subprocess.Popen(
            terminal.arguments("update", ".", "--yes"),
            cwd=hello.folder,
            env=terminal.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delays.uniform(0.2, 1.2))
        updating.kill()
        updating.wait()
        (listed,) = terminal.read("list")["components"]
        assert listed["version"] in {f"0.{n}.0" for n in range(1, version + 1)}, f"seed {seed}"
        with terminal.host():
            assert number_in(terminal.run("send", hello.name, "x").stdout) > 0
