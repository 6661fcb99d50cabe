"""The transcript of the README: from a key to a running actor that is updated and rolled back.

Everything here is typed into the real command; the host is a process of its own.
"""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable

import pytest
from driving import Project, Terminal, until

SOURCES = {"python": "app.py", "c": "src/hello.c"}
START = Callable[..., Project]


@pytest.mark.parametrize("language", ["c", "python"])
def test_from_a_key_to_a_running_actor(
    terminal: Terminal, start_project: START, language: str
) -> None:
    """Every command of the transcript does what it says, in its order."""
    hello = start_project("hello", language)
    private = terminal.home / "keys" / "default.pem"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    hello.type("build", "sign", "verify .", "install . --yes")
    with terminal.host():
        assert send(terminal, "world") == "Hello, world! You are number 1."
        assert send(terminal, "again") == "Hello, again! You are number 2."
        check_reports(terminal)

        hello.edit(SOURCES[language], "Hello", "Good morning")
        if language == "python":
            hello.manifest('greeting = "Hello"', 'greeting = "Good morning"')
        hello.release("0.2.0")
        replies = update_under_load(terminal, hello)
        check_nothing_was_lost(replies, first=3)
        count = 3 + len(replies)
        assert send(terminal, "you") == f"Good morning, you! You are number {count}."

        terminal.run("rollback", "local/hello")
        assert send(terminal, "me") == f"Hello, me! You are number {count + 1}."
        assert terminal.read("info", "local/hello")["version"] == "0.1.0"

    with terminal.host():  # and it is all there after a restart of the host
        assert send(terminal, "world") == f"Hello, world! You are number {count + 2}."
        terminal.run("uninstall", "local/hello", "--yes")
        assert terminal.read("list")["components"] == []


def send(terminal: Terminal, text: str) -> str:
    return terminal.run("send", "local/hello", text).stdout.strip()


def check_reports(terminal: Terminal) -> None:
    """What list, info, status and logs say about a component that has answered twice."""
    (listed,) = terminal.read("list")["components"]
    assert (listed["name"], listed["version"], listed["state"]) == (
        "local/hello", "0.1.0", "running",
    )  # fmt: skip
    info = terminal.read("info", "local/hello")
    assert info["manifest"]["capabilities"]["storage.write"] == ["count"]
    (status,) = terminal.read("status")["components"]
    assert status["messages"] == 2
    assert status["fuel_used"] > 0
    logged = terminal.run("logs", "local/hello").stdout
    assert "message 2 from host" in logged


def update_under_load(terminal: Terminal, hello: Project) -> list[str]:
    """Sends without a pause while `update` switches; returns the replies in order."""
    replies: list[str] = []
    is_over = threading.Event()

    def talk() -> None:
        while not is_over.is_set():
            replies.append(send(terminal, "x"))

    talking = threading.Thread(target=talk)
    talking.start()
    try:
        until(lambda: len(replies) > 0, "the sender has an answer")
        terminal.run("update", ".", "--yes", cwd=hello.folder)
        seen = len(replies)
        until(lambda: len(replies) > seen + 1, "the new version answers")
    finally:
        is_over.set()
        talking.join()
    return replies


def check_nothing_was_lost(replies: list[str], first: int) -> None:
    """Every message was answered once, the count has no gap, and the switch happened once."""
    numbers = [int(reply.rstrip(".").rsplit(" ", 1)[1]) for reply in replies]
    assert numbers == list(range(first, first + len(replies)))
    greetings = [reply.split(",")[0] for reply in replies]
    assert greetings[-1] == "Good morning"
    assert greetings == sorted(greetings, reverse=True), "the old version answered after the new"


def test_two_components_meet_by_a_topic(terminal: Terminal, start_project: START) -> None:
    """The counter publishes what the listener subscribes to; neither knows the other's name."""
    hello = start_project("hello")
    listener = start_project("ears", "c", "--template", "listener")
    for project in (hello, listener):
        project.type("build", "sign", "install . --yes")
    with terminal.host():
        for number in range(3):
            send(terminal, f"guest {number}")

        def heard() -> str:
            return terminal.run("send", "local/ears", "how many?").stdout

        until(lambda: "I have seen 3 greetings." in heard(), "the listener heard three")


def test_a_package_travels_as_one_file(terminal: Terminal, start_project: START) -> None:
    """`pack` writes one file, equal for equal input, that can be installed elsewhere."""
    hello = start_project("hello")
    hello.type("build", "sign", "pack --output one.airswasm", "pack --output two.airswasm")
    one, two = (hello.folder / name for name in ("one.airswasm", "two.airswasm"))
    assert one.read_bytes() == two.read_bytes()
    other = Terminal(terminal.home.with_name("elsewhere"), terminal.folder)
    other.run("verify", str(one))
    other.run("install", str(one), "--yes")
    assert [each["name"] for each in other.read("list")["components"]] == ["local/hello"]
