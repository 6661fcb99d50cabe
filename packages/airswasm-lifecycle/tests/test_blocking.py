"""A host for threads: every method waits, errors are the same, and it closes in order."""

import inspect
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from airswasm.actor import EventKind, GuestRefused
from airswasm.lifecycle import BlockingSystem, HomeReader, NotInstalled, System
from airswasm.runtime import NotRunning

Workshop = Any  # tests/conftest.py, which nothing can import
NAME = "local/hello"


@pytest.fixture(params=["asyncio", "trio"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlockingSystem]:
    with BlockingSystem(str(tmp_path / "home"), backend=request.param) as host:
        yield host


def test_the_life_of_a_component(host: BlockingSystem, workshop: Workshop) -> None:
    """Install, send, update, roll back, stop, start, remove; the approver may block."""
    asked: list[threading.Thread] = []

    def approve(_plan: object) -> bool:
        asked.append(threading.current_thread())
        return True

    info = host.install(workshop.package(), approve=approve)
    assert (info.name, info.state) == (NAME, "running")
    assert asked[0] not in (threading.main_thread(), None)
    assert asked[0].name != "airswasm-loop"
    assert host.send(NAME, b"echo") == b"echo"
    assert host.request(NAME, b"echo", codec="none") == b"echo"
    with pytest.raises(GuestRefused):
        host.send(NAME, b"refuse")
    assert host.update(workshop.package("0.2.0"), approve=approve).version == "0.2.0"
    assert host.rollback(NAME).version == "0.1.0"
    host.stop(NAME)
    assert host.component_status(NAME).state == "stopped"
    host.start(NAME)
    host.restart(NAME)
    host.post(NAME, b"log")
    assert host.publish("news", b"x") == 0
    assert [each.name for each in host.list()] == [NAME]
    assert host.info(NAME).version == "0.1.0"
    assert host.status().running == 1
    assert host.reload().changes == ()
    assert host.run(host.system.verify_data) >= 0
    host.uninstall(NAME, purge=True)
    with pytest.raises(NotInstalled):
        host.send(NAME, b"echo")


def test_many_threads(host: BlockingSystem, workshop: Workshop) -> None:
    """Each gets its own answer."""
    host.install(workshop.package(), approve=lambda _plan: True)
    with ThreadPoolExecutor(8) as pool:
        sent = [b"e%d" % number for number in range(200)]
        assert list(pool.map(lambda payload: host.send(NAME, payload), sent)) == sent


def test_events_in_a_thread(host: BlockingSystem, workshop: Workshop) -> None:
    """They come from now on, and the end of the host ends the thread that waits for more."""
    heard: list[tuple[EventKind, str]] = []
    events = host.events()

    def read() -> None:
        heard.extend((event.kind, event.name) for event in events)

    reader = threading.Thread(target=read)
    reader.start()
    host.install(workshop.package(), approve=lambda _plan: True)
    host.close()
    reader.join(60)
    assert not reader.is_alive()
    assert (EventKind.READY, NAME) in heard
    assert list(events) == []


def test_calls_of_a_component_run_on_the_loop(host: BlockingSystem, workshop: Workshop) -> None:
    """With the methods that wait here, and with those that a proxy types."""
    package = workshop.package(name="acme/plugin", wasm=workshop.plugin(), capabilities="")
    host.install(package, approve=lambda _plan: True)
    component = host.component("acme/plugin")
    assert host.run(component.exports.version) == "1.0.0"
    assert host.exports("acme/plugin").version() == "1.0.0"
    with pytest.raises(NotInstalled):
        host.component("acme/none").exports  # noqa: B018  # reading it looks


def test_a_slow_reader_of_events_loses_the_oldest(host: BlockingSystem, workshop: Workshop) -> None:
    """And the loop does not wait for it."""
    host.install(workshop.package(), approve=lambda _plan: True)
    with host.events(capacity=2) as events:
        for _ in range(5):
            host.restart(NAME)
        assert next(events).name == NAME
        next(events)
    assert list(events) == []


def test_a_closed_host_says_so(tmp_path: Path) -> None:
    """Before it is opened, and after it was closed; it can be opened again."""
    host = BlockingSystem(tmp_path / "home")
    with pytest.raises(NotRunning):
        host.list()
    for _ in range(2):
        host.open()
        host.open()
        assert host.list() == ()
        host.close()
        host.close()
        with pytest.raises(NotRunning):
            host.send(NAME, b"x")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_is_told(tmp_path: Path) -> None:
    """It gets an error that names the hook of its server, instead of waiting for ever."""
    code = f"""
import os, sys
from airswasm.lifecycle import BlockingSystem
from airswasm.runtime import NotRunning
host = BlockingSystem({str(tmp_path / "home")!r})
host.open()
pid = os.fork()
if pid == 0:
    try:
        host.list()
    except NotRunning as error:
        os._exit(7 if "post_fork" in str(error) else 8)
    os._exit(9)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
print(len(host.list()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


@pytest.mark.parametrize("door", [System, HomeReader, BlockingSystem])
def test_a_home_may_be_a_text(door: type) -> None:
    """As the documents write it, also for a type checker."""
    assert "str" in str(inspect.signature(door).parameters["home"].annotation).split(" | ")


def test_at_exit_it_closes_in_order(tmp_path: Path, workshop: Workshop) -> None:
    """A program that ends without a word leaves a home that the next one opens."""
    home = tmp_path / "home"
    with BlockingSystem(home) as host:
        host.install(workshop.package(), approve=lambda _plan: True)
    code = f"""
from airswasm.lifecycle import BlockingSystem
host = BlockingSystem({str(home)!r})
host.open()
print(host.send({NAME!r}, b"echo"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "b'echo'\n"), done.stderr
    with BlockingSystem(home) as host:
        messages = [each.message for each in host.system.logs.recent(NAME)]
        assert [each for each in messages if each.startswith("stopped")]
        assert host.status().components[0].state == "running"
