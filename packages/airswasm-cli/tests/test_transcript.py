"""The whole way as it is typed: the real command, a real host, a real component."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Airswasm = Callable[..., Any]
RunHost = Callable[..., Any]


def new_version(airswasm: Airswasm, project: Path, version: str) -> None:
    manifest = project / "Component.toml"
    lines = manifest.read_text().splitlines()
    lines = [f'version = "{version}"' if line.startswith("version") else line for line in lines]
    manifest.write_text("\n".join(lines) + "\n")
    assert airswasm("sign", str(project)).code == 0


def check_what_it_cost(airswasm: Airswasm) -> None:
    """One message's receipt, and the profile of all of them."""
    sent = airswasm("send", "local/hello", "you", "--receipt")
    assert sent.out == "Hello, you! You are number 2."
    assert "replied by version 0.1.0, incarnation 1: waited" in sent.err
    assert "storage@0.1.0#set: calls 1" in sent.err
    sent = json.loads(airswasm("send", "local/hello", "me", "--receipt", "--json").out)
    assert (sent["text"], sent["receipt"]["outcome"]) == (
        "Hello, me! You are number 3.", "replied",
    )  # fmt: skip
    profile = json.loads(airswasm("profile", "local/hello", "--json").out)
    assert (profile["schema"], profile["messages"]) == ("airswasm.profile/1", {"replied": 3})
    (handled,) = (each for each in profile["exports"] if "#handle-message" in each["function"])
    assert (handled["calls"], handled["faults"]) == (3, 0)
    assert 0 < handled["fuel"] <= profile["fuel"]
    printed = airswasm("profile", "local/hello").out.splitlines()
    assert len(printed) == len(profile["exports"]) + len(profile["host_functions"])
    assert airswasm("profile", "local/absent").code == 5


def check_the_trace(airswasm: Airswasm) -> None:
    """Of a message that comes in a trace: its steps, and the functions of the host."""
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    sent = airswasm("send", "local/hello", "us", "--traceparent", f"00-{trace}-{parent}-01")
    assert sent.out == "Hello, us! You are number 4."
    listed = json.loads(airswasm("traces", "local/hello", "--json").out)["traces"]
    assert trace in [each["id"] for each in listed]
    found = json.loads(airswasm("traces", trace[:12], "--json").out)
    assert found["schema"] == "airswasm.trace/1"
    first, call, *host_calls = found["spans"]
    assert (first["name"], first["parent"]) == ("process local/hello", parent)
    assert (call["name"], call["parent"]) == ("handler#handle-message", first["id"])
    assert {each["parent"] for each in host_calls} == {first["id"], call["id"]}
    assert "storage#set" in airswasm("traces", trace[:12]).out
    logged = airswasm("logs", "--trace", trace[:8], "--level", "info", "--json").out
    (line,) = (json.loads(each) for each in logged.splitlines())
    assert line["message"] == "message 4 from host"
    assert line["fields"] == {"trace_id": trace, "span_id": first["id"]}
    assert not airswasm("logs", "--trace", trace[:8], "--level", "error").out
    assert not airswasm("logs", "local/hello", "--until", "1 h").out
    assert not airswasm("logs", "local/hello", "--grep", "no such line").out
    assert len(airswasm("logs", "local/hello", "--grep", "MESSAGE 4", "--since", "1 h").out) > 10
    assert airswasm("logs", "--level", "loud").code == 2
    traced = airswasm("send", "local/hello", "all", "--trace")
    shown = traced.err.strip().removeprefix("to see the trace: ").split()
    assert "process local/hello" in airswasm(*shown[1:]).out
    assert "no trace ffff is kept" in airswasm("traces", "ffff").err


def test_from_a_key_to_a_running_component_and_back(
    airswasm: Airswasm, run_host: RunHost, tmp_path: Path, home: Path
) -> None:
    """The transcript of the README, word for word, with `--lang c`."""
    assert airswasm("keygen").code == 0
    assert stat.S_IMODE((home / "keys" / "default.pem").stat().st_mode) == 0o600
    assert airswasm("init", "hello", "--lang", "c").code == 0
    project = tmp_path / "hello"
    for verb in (("build",), ("sign",), ("verify", ".")):
        ended = airswasm(*verb, cwd=project)
        assert ended.code == 0, ended.err
    asked = airswasm("install", ".", cwd=project)
    assert asked.code == 4
    assert 'storage.write = ["count"]' in asked.err
    assert airswasm("install", ".", "--yes", cwd=project).code == 0

    host = run_host()
    assert "1 of 1 components run" in host.said
    assert airswasm("send", "local/hello", "world").out == "Hello, world! You are number 1."
    assert airswasm("list").out.startswith("local/hello\t0.1.0\trunning\t")
    assert "storage.write" in airswasm("info", "local/hello").out
    status = json.loads(airswasm("status", "--json").out)
    assert (status["schema"], status["running"]) == ("airswasm.status/1", 1)
    check_what_it_cost(airswasm)
    check_the_trace(airswasm)
    assert "message 1 from host" in airswasm("logs", "local/hello").out

    new_version(airswasm, project, "0.2.0")
    updated = airswasm("update", ".", cwd=project)
    assert updated.code == 0, updated.err
    assert airswasm("send", "local/hello", "again").out == "Hello, again! You are number 6."
    assert airswasm("rollback", "local/hello").code == 0
    assert airswasm("list").out.split("\t")[1] == "0.1.0"
    assert airswasm("send", "hello", "back").out == "Hello, back! You are number 7."
    assert airswasm("uninstall", "local/hello").code == 0
    assert airswasm("list").out == ""

    ended = host.stop()
    assert ended.code == 0
    assert ended.err.endswith("stopped\n")
    assert not (home / "control.sock").exists()


def test_a_killed_host_is_explained_and_loses_nothing(
    airswasm: Airswasm, run_host: RunHost, installed: Path, home: Path
) -> None:
    """After kill -9: the dead socket is told from a live one; what was answered is stored."""
    host = run_host()
    assert airswasm("send", "hello", "one").out.endswith("number 1.")
    host.stop(signal.SIGKILL)
    refused = airswasm("send", "hello", "two")
    assert refused.code == 6
    assert "was killed or has crashed" in refused.err
    assert airswasm("list").out.startswith("local/hello\t0.1.0\toffline")
    run_host()
    assert airswasm("send", "hello", "two").out.endswith("number 2.")


def test_a_second_host_is_refused(airswasm: Airswasm, run_host: RunHost, installed: Path) -> None:
    """One home, one host; the message says which process."""
    host = run_host()
    second = airswasm("run")
    assert second.code == 1
    assert f"process {host.process.pid}" in second.err


def test_sigterm_stops_in_order_and_a_follower_ends(
    airswasm: Airswasm, run_host: RunHost, installed: Path, environment: Mapping[str, str]
) -> None:
    """`logs --follow` shows lines as they come, and ends with the host."""
    host = run_host()
    follower = subprocess.Popen(
        [sys.executable, "-m", "airswasm.cli", "logs", "hello", "--follow", "-n", "0", "--json"],
        env=dict(environment),
        stdout=subprocess.PIPE,
    )
    assert follower.stdout is not None
    deadline = time.monotonic() + 30
    line = b""
    while not line and time.monotonic() < deadline:
        airswasm("send", "hello", "x")
        os.set_blocking(follower.stdout.fileno(), False)
        line = follower.stdout.readline() or b""
    assert json.loads(line)["schema"] == "airswasm.log/1"
    assert host.stop(signal.SIGTERM).code == 0
    assert follower.wait(timeout=30) == 0
    follower.stdout.close()


@pytest.mark.parametrize("file", ["Component.toml", "build/hello.wasm"])
def test_a_changed_byte_is_refused_everywhere(
    airswasm: Airswasm, installed: Path, file: str
) -> None:
    """verify, install and update: exit code 3, one clear line."""
    content = bytearray((installed / file).read_bytes())
    content[-2] ^= 1
    (installed / file).write_bytes(content)
    for verb in ("verify", "install", "update"):
        ended = airswasm(verb, str(installed))
        assert ended.code == 3, (verb, ended.err)
        assert "error[E0421]" in ended.err
        assert file in ended.err


def test_another_key_s_update_is_refused_and_so_is_an_older_sequence(
    airswasm: Airswasm, installed: Path, tmp_path: Path
) -> None:
    """A name belongs to the key that signed it first, and goes forward only."""
    again = airswasm("update", str(installed))
    assert again.code == 3
    assert "error[E0313]" in again.err
    assert airswasm("keygen", "--output", str(tmp_path / "other.pem")).code == 0
    new_version(airswasm, installed, "0.2.0")
    assert airswasm("sign", str(installed), "--key", str(tmp_path / "other.pem")).code == 0
    foreign = airswasm("update", str(installed))
    assert foreign.code == 3, foreign.err
    assert airswasm("list").out.split("\t")[1] == "0.1.0"


def test_one_file_installs_as_a_folder_does(
    airswasm: Airswasm, project: Path, tmp_path: Path
) -> None:
    """`pack`, then install the .airswasm file."""
    assert airswasm("keygen").code == 0
    assert airswasm("sign", str(project)).code == 0
    packed = tmp_path / "hello.airswasm"
    assert airswasm("pack", str(project), "--output", str(packed)).code == 0
    assert airswasm("verify", str(packed)).code == 0
    assert airswasm("install", str(packed), "--yes").code == 0
    assert airswasm("list").out.startswith("local/hello\t0.1.0")


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", 3), (b"PK\x03\x04 not really", 3), (b"\x00" * 1000, 3)],
    ids=["empty", "corrupt", "zeros"],
)
def test_a_corrupt_package_is_one_clear_line(
    airswasm: Airswasm, tmp_path: Path, home: Path, content: bytes, code: int
) -> None:
    """A code, a hint, no traceback, nothing half-installed."""
    package = tmp_path / "bad.airswasm"
    package.write_bytes(content)
    for verb in ("verify", "install"):
        ended = airswasm(verb, str(package))
        assert ended.code == code, ended.err
        assert ended.err.startswith("error[E03")
        assert "hint:" in ended.err
        assert "Traceback" not in ended.err
    assert airswasm("list").out == ""


def test_what_was_stored_can_be_exported_and_put_back(
    airswasm: Airswasm, run_host: RunHost, installed: Path, tmp_path: Path
) -> None:
    """With a host and without one; a replace asks first."""
    backup = tmp_path / "backup"
    host = run_host()
    airswasm("send", "hello", "one")
    assert airswasm("storage", "list", "hello").out == "count\t1 B\n"
    assert airswasm("storage", "export", "hello", "-o", str(backup)).code == 0
    airswasm("send", "hello", "two")
    assert airswasm("storage", "import", "hello", str(backup), "--replace").code == 4
    assert airswasm("storage", "import", "hello", str(backup), "--replace", "--yes").code == 0
    assert airswasm("send", "hello", "three").out.endswith("number 2.")
    host.stop()
    assert airswasm("storage", "list", "hello").out == "count\t1 B\n"
    assert airswasm("storage", "import", "hello", str(tmp_path / "nope")).code == 1


def test_replies_are_bytes_or_a_document(
    airswasm: Airswasm, run_host: RunHost, installed: Path
) -> None:
    """Standard input is the message; --json has text and base64."""
    run_host()
    piped = airswasm("send", "hello", "-", stdin="wörld".encode())
    assert piped.out == "Hello, wörld! You are number 1."
    document = json.loads(airswasm("send", "hello", "x", "--json").out)
    assert document["text"] == "Hello, x! You are number 2."
    assert document["schema"] == "airswasm.reply/1"


def test_errors_of_the_host_come_through_as_documents(
    airswasm: Airswasm, run_host: RunHost, installed: Path
) -> None:
    """The code and exit code are the same with a host and without one."""
    offline = airswasm("info", "nope", "--json")
    run_host()
    online = airswasm("info", "nope", "--json")
    assert online.code == offline.code == 5
    assert json.loads(online.err)["error"]["code"] == "E0310"
    assert json.loads(online.err) == json.loads(offline.err)


def test_loopback_needs_the_token(
    airswasm: Airswasm, run_host: RunHost, installed: Path, home: Path
) -> None:
    """Any local user can reach a port: without the token, and for other host names, nothing."""
    host = run_host("--listen", "0")
    line = next(line for line in host.said.splitlines() if "http://" in line)
    address = line.split(",")[0].strip()
    token_file = home / "control.token"
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    bearer = {"Authorization": f"Bearer {token_file.read_text().strip()}"}

    def ask(path: str, headers: Mapping[str, str]) -> int:
        request = urllib.request.Request(address + path, headers=dict(headers))
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    assert ask("/v1/status", {}) == 401
    assert ask("/v1/status", bearer) == 200
    assert ask("/v1/status", {**bearer, "Host": "evil.example"}) == 403
    assert ask("/metrics", bearer) == 200
    assert ask("/healthz", bearer) == 200


def test_a_message_to_a_host_that_is_starting_waits_for_it(
    airswasm: Airswasm, environment: Mapping[str, str], installed: Path, home: Path
) -> None:
    """`airswasm run &` followed at once by `airswasm send` works in a script."""
    host = subprocess.Popen(
        [sys.executable, "-m", "airswasm.cli", "run", "-q"], env=dict(environment)
    )
    try:
        while host.poll() is None and not (home / "host.lock").read_text():
            time.sleep(0.001)
        assert airswasm("send", "hello", "early").out == "Hello, early! You are number 1."
    finally:
        host.send_signal(signal.SIGINT)
        assert host.wait(timeout=60) == 0


def test_a_component_can_be_stopped_and_started(
    airswasm: Airswasm, run_host: RunHost, installed: Path
) -> None:
    """Stopped, it answers no message and says so; started, it goes on where it was."""
    run_host()
    assert airswasm("send", "hello", "one").out.endswith("number 1.")
    assert airswasm("stop", "hello").code == 0
    refused = airswasm("send", "hello", "two")
    assert (refused.code, "error[E0320]" in refused.err) == (1, True)
    assert airswasm("start", "hello").code == 0
    assert airswasm("restart", "hello").code == 0
    assert airswasm("send", "hello", "two").out.endswith("number 2.")
