"""The whole way of a stranger's package: installed beside a host, with no line of ours changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent
PATIENCE = 300.0

Airswasm = Callable[..., str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "AIRSWASM_HOME": str(home), "NO_COLOR": "1", "COLUMNS": "120"}


@pytest.fixture(scope="module")
def airswasm(environment: dict[str, str]) -> Airswasm:
    """Type one command; return what it says."""

    def call(*words: str, cwd: Path | None = None, code: int = 0) -> str:
        ended = subprocess.run(
            [sys.executable, "-I", "-m", "airswasm.cli", *words],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ended.returncode == code, f"{words}: {ended.stdout}\n{ended.stderr}"
        return ended.stdout + (ended.stderr if code else "")

    return call


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, airswasm: Airswasm) -> Path:
    """The example's component, built and signed: the WIT of the package comes by itself."""
    folder = tmp_path_factory.mktemp("projects") / "sleeper"
    shutil.copytree(EXAMPLE / "component", folder)
    airswasm("keygen")
    airswasm("build", cwd=folder)
    assert (folder / "wit" / "deps" / "acme-alarm" / "alarm.wit").is_file()
    airswasm("sign", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def host(
    project: Path, airswasm: Airswasm, environment: dict[str, str], home: Path
) -> Iterator[str]:
    """A running host with the component; the address that it listens at."""
    airswasm("install", str(project), "--yes")
    log = home / "host.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", "-m", "airswasm.cli", "run", "--listen", "0"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=output,
        )
    try:
        yield wait_for(lambda: next((w for w in log.read_text().split() if "://" in w), ""))
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0


def wait_for(look: Callable[[], str]) -> str:
    """Look again and again, as the user does who waits; another process has nothing to await."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := look():
            return found.rstrip(",")
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def test_an_alarm_goes_off_and_others_wait_or_are_cancelled(airswasm: Airswasm, host: str) -> None:
    """The interface, the observer's task, the verb and its two operations."""
    assert airswasm("send", "local/sleeper", "soon 1") == "set"
    wait_for(lambda: "soon" in airswasm("send", "local/sleeper", "last") and "yes")
    airswasm("send", "local/sleeper", "breakfast 600000")
    listed = json.loads(airswasm("alarms", "--json"))["alarms"]
    assert list(listed) == ["local/sleeper breakfast"]
    airswasm("alarms", "--cancel", "sleeper", "breakfast")
    assert json.loads(airswasm("alarms", "--json"))["alarms"] == {}


def test_its_own_error_has_its_own_code(airswasm: Airswasm, host: str) -> None:
    """Raised in the host, it comes over the socket with code and hint."""
    said = airswasm("alarms", "--cancel", "sleeper", "nothing", code=1)
    assert "error[ALARM01]" in said
    assert "`airswasm alarms` lists those that wait" in said
    assert "no such alarm" in airswasm("explain", "ALARM01")


def test_its_metrics_are_counted_for_each_component(
    airswasm: Airswasm, host: str, home: Path
) -> None:
    """A declared family is in /metrics, with help, kind and the component as its label."""
    airswasm("send", "local/sleeper", "later 600000")
    token = (home / "control.token").read_text().strip()
    request = urllib.request.Request(
        f"{host}/metrics", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        text = answer.read().decode()
    assert "# TYPE airswasm_alarms_set_total counter" in text
    assert 'airswasm_alarms_waiting{component="local/sleeper"} 1.0' in text


def test_the_host_says_what_it_brings(airswasm: Airswasm, host: str) -> None:
    """--help, doctor, config and status know the package."""
    assert "List the alarms that wait." in airswasm("--help")
    assert "--cancel" in airswasm("alarms", "--help")
    assert "alarms can be set" in airswasm("doctor", "--quick")
    assert "alarm.most" in airswasm("config", "show", "--origin")
    assert "acme-alarm" in airswasm("status", "--json")


def test_settings_reach_it_and_wrong_ones_are_refused(airswasm: Airswasm) -> None:
    """Like any section of config.toml."""
    assert "most must be at least 1" in airswasm("config", "set", "alarm.most", "0", code=2)
    airswasm("config", "set", "alarm.most", "1")
    assert airswasm("config", "get", "alarm.most").startswith("1\n")
    assert "alarm.most" in airswasm("config", "get", "alarm.mots", code=2)
    airswasm("config", "unset", "alarm.most")


def test_a_running_host_takes_a_changed_bound_over(airswasm: Airswasm, host: str) -> None:
    """The section says that it is reloaded, and the clock takes it."""
    airswasm("send", "local/sleeper", "first 600000")
    airswasm("config", "set", "alarm.most", "1", "--reload")
    assert "at most 1 alarms" in airswasm("send", "local/sleeper", "second 600000", code=1)
    airswasm("config", "unset", "alarm.most", "--reload")
    assert airswasm("send", "local/sleeper", "second 600000") == "set"


def test_without_the_grant_it_is_denied_with_the_line_that_would_grant_it(
    airswasm: Airswasm, host: str, project: Path
) -> None:
    """The guard enforces the annotation in the package's own WIT."""
    manifest = project / "Component.toml"
    text = manifest.read_text()
    manifest.write_text(text.replace('alarm.set = ["everything"]', "").replace("0.1.0", "0.1.1"))
    airswasm("sign", cwd=project)
    airswasm("update", str(project), "--yes")
    said = airswasm("send", "local/sleeper", "x 1", code=1)
    assert 'alarm.set = ["x"]' in said
    mistyped = text.replace("alarm.set", "alarm.sett").replace("0.1.0", "0.1.2")
    manifest.write_text(mistyped)
    assert "did you mean `alarm.set`" in airswasm("build", cwd=project, code=1)
