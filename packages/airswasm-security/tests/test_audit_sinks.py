"""Copies of the lines: they arrive, and no sink that misbehaves holds anything up."""

import json
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from airswasm.security import (
    SINK_GROUP,
    AuditEvent,
    AuditLog,
    AuditSinks,
    AuditSinkUnusable,
    LineSink,
    open_sink,
)


class Strange:
    """A stranger's sink, which does as it is told."""

    def __init__(self, argument: str) -> None:
        if argument == "refuses":
            raise RuntimeError("no such place")
        self.argument = argument
        self.lines: list[bytes] = []
        self.is_closed = False
        self.gate = threading.Event()
        self.arrived = threading.Event()
        OPENED.append(self)

    def write(self, lines: Sequence[bytes]) -> None:
        self.arrived.set()
        if self.argument == "raises":
            raise ValueError("the disk is on fire")
        if self.argument == "hangs":
            self.gate.wait()
        self.lines.extend(lines)

    def close(self) -> None:
        self.is_closed = True


OPENED: list[Strange] = []


@pytest.fixture(autouse=True)
def strange(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Strange]]:
    """One installed package with a sink."""
    module = ModuleType("strange_sinks")
    vars(module)["Strange"] = Strange
    monkeypatch.setitem(sys.modules, module.__name__, module)
    found = EntryPoints([EntryPoint("strange", "strange_sinks:Strange", SINK_GROUP)])
    monkeypatch.setattr(
        "airswasm.security._auditing.sinks.entry_points", lambda **chosen: found.select(**chosen)
    )
    OPENED.clear()
    yield OPENED
    for sink in OPENED:
        sink.gate.set()


def write(path: Path, sinks: AuditSinks, lines: int = 5) -> None:
    with AuditLog(path, durability="os") as log:
        log.on_line = sinks.offer
        for number in range(lines):
            log.record(AuditEvent("decision", "a/b", "deny", resource=str(number)))


def test_each_line_reaches_each_sink(tmp_path: Path, strange: list[Strange]) -> None:
    """A sink of an installed package and a file elsewhere have what the log has."""
    copy = tmp_path / "copy.jsonl"
    sinks = AuditSinks(["strange:here", f"file:{copy}"])
    write(tmp_path / "audit.jsonl", sinks)
    sinks.close(60)
    assert strange[0].argument == "here"
    assert strange[0].is_closed
    content = (tmp_path / "audit.jsonl").read_bytes()
    assert b"".join(line + b"\n" for line in strange[0].lines) == copy.read_bytes() == content
    assert sinks.problems() == ()


def test_a_sink_that_raises_is_said_and_the_others_go_on(
    tmp_path: Path, strange: list[Strange]
) -> None:
    """Its lines are counted as lost; the log and the other sink have them."""
    sinks = AuditSinks(["strange:raises", "strange:works"])
    write(tmp_path / "audit.jsonl", sinks)
    sinks.close(60)
    (problem,) = sinks.problems()
    assert "strange:raises fails: ValueError: the disk is on fire; 5 lines were lost" in problem
    assert len(strange[1].lines) == 5


def test_a_sink_that_hangs_holds_nothing_up(
    tmp_path: Path, strange: list[Strange], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loses what does not fit, says so, and the log closes without it."""
    monkeypatch.setattr("airswasm.security._auditing.sinks._HANGS_SECONDS", 0.0)
    sinks = AuditSinks(["strange:hangs"], most_lines=100)
    write(tmp_path / "audit.jsonl", sinks, 1)
    assert strange[0].arrived.wait(60)
    write(tmp_path / "audit.jsonl", sinks, 1_000)
    sinks.close(0)
    (problem,) = sinks.problems()
    assert "has not answered" in problem
    assert "900 lines were lost" in problem


@pytest.mark.parametrize(
    "setting", ["nothing", "strange:refuses", "file:", "file:/no/such/folder/x"]
)
def test_a_sink_that_cannot_be_opened_is_an_error_at_the_start(setting: str) -> None:
    """A slip in the setting must not read as a sink that has no lines."""
    with pytest.raises(AuditSinkUnusable) as caught:
        open_sink(setting)
    assert caught.value.setting == setting


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no Unix sockets")
def test_a_syslog_daemon_gets_each_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One datagram for a line, with the facility for security messages, to a real socket."""
    monkeypatch.chdir(tmp_path)  # the path of a socket has to be short
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind("log")
        daemon.settimeout(60)
        sinks = AuditSinks(
            [f"syslog:{'/proc/self/cwd' if Path('/proc/self').exists() else '.'}/log"]
        )
        write(tmp_path / "audit.jsonl", sinks, 3)
        received = [daemon.recv(65_536) for _ in range(3)]
        sinks.close(60)
    for number, message in enumerate(received):
        assert message.startswith(b"<86>airswasm[")
        line = json.loads(message.partition(b": ")[2].rstrip(b"\0"))
        assert line["resource"] == str(number)


def test_structlog_gets_the_fields(tmp_path: Path) -> None:
    """The program that embeds the host has them in its own log."""
    structlog: Any = pytest.importorskip("structlog")
    with structlog.testing.capture_logs() as captured:
        sinks = AuditSinks(["structlog"])
        write(tmp_path / "audit.jsonl", sinks, 1)
        sinks.close(60)
    assert [(each["event"], each["component"], each["outcome"]) for each in captured] == [
        ("decision", "a/b", "deny")
    ]


def test_standard_output_gets_lines_of_json(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """As a container's log driver expects them."""
    sink: LineSink = open_sink("stdout")
    sink.write([b'{"n":1}', b'{"n":2}'])
    sink.close()
    assert capfd.readouterr().out == '{"n":1}\n{"n":2}\n'
