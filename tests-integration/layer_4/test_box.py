"""Components that misbehave are contained, and those beside them are unaffected."""

from __future__ import annotations

import json
from collections.abc import Callable

from driving import Project, Terminal, make_unruly, until

START = Callable[..., Project]


def test_trap_loop_and_greed_disturb_no_other(terminal: Terminal, start_project: START) -> None:
    """Each is stopped for what it is and shown; it works again, and its neighbour never noticed."""
    unruly, calm = start_project("unruly"), start_project("calm")
    make_unruly(unruly)
    for project in (unruly, calm):
        project.type("build", "sign", "install . --yes")
    with terminal.host() as host:
        terminal.run("send", unruly.name, "hello")

        trapped = terminal.refused("send", unruly.name, "trap")
        assert "unreachable" in trapped.stderr
        until(lambda: state_of(terminal, unruly.name) == "running", "it was restarted")
        assert "number 2" in terminal.run("send", unruly.name, "hello").stdout

        spun = terminal.refused("send", unruly.name, "spin")
        assert "limits.fuel" in spun.stderr or "limits.timeout" in spun.stderr
        until(lambda: state_of(terminal, unruly.name) == "running", "it was restarted")

        grown = terminal.run("send", unruly.name, "grow").stdout
        assert 0 < int(grown.removeprefix("grew ")) < 16, "1 MiB is sixteen pages"

        status = {each["name"]: each for each in terminal.read("status")["components"]}
        assert status[unruly.name]["restarts"] == 2
        assert status[calm.name]["restarts"] == 0
        logs = terminal.run("logs", unruly.name).stdout
        assert "unreachable" in logs
        assert "restarted" in logs
        assert "number 1" in terminal.run("send", calm.name, "hello").stdout
        assert host.process is not None
        assert host.process.poll() is None


def state_of(terminal: Terminal, name: str) -> str:
    components = terminal.read("status")["components"]
    return str(next(each["state"] for each in components if each["name"] == name))


def test_a_component_that_always_crashes_is_given_up_alone(
    terminal: Terminal, start_project: START
) -> None:
    """More crashes than its manifest allows end it, not the host; the state says so."""
    unruly, calm = start_project("unruly"), start_project("calm")
    make_unruly(unruly)
    unruly.manifest("intensity = 5", "intensity = 1")
    for project in (unruly, calm):
        project.type("build", "sign", "install . --yes")
    with terminal.host():
        for _ in range(2):
            terminal.refused("send", unruly.name, "trap")
            until(lambda: state_of(terminal, unruly.name) != "restarting", "it was decided")
        until(lambda: state_of(terminal, unruly.name) == "given up", "it was given up")
        assert "given up" in terminal.refused("send", unruly.name, "hello").stderr
        assert "number 1" in terminal.run("send", calm.name, "hello").stdout


def test_what_was_not_granted_is_denied_and_audited(
    terminal: Terminal, start_project: START
) -> None:
    """The guest gets an error that it can handle; the line that would grant it is named."""
    hello = start_project("hello")
    hello.manifest('storage.write = ["count"]\n', "")
    hello.type("build", "sign", "install . --yes")
    with terminal.host():
        denied = terminal.refused("send", hello.name, "world")
        assert 'storage.write = ["count"]' in denied.stderr
        assert state_of(terminal, hello.name) == "running", "a denial is no crash"
    audit = [
        json.loads(line)
        for line in (terminal.home / "audit" / "audit.jsonl").read_text().splitlines()
    ]
    (line,) = [each for each in audit if each.get("outcome") == "deny"]
    assert (line["component"], line["capability"]) == (hello.name, "storage:write")
