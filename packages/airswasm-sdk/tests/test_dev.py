"""A session of `airswasm dev`: each save is swapped in, and what fails changes nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from airswasm.lifecycle import ManifestInvalid
from airswasm.sdk import DevEvent, NotAProject, develop
from anyio.streams.memory import MemoryObjectSendStream

pytestmark = pytest.mark.anyio


class Session:
    """What a user sees and types."""

    def __init__(self, types: MemoryObjectSendStream[str]) -> None:
        self.events: list[DevEvent] = []
        self._types = types
        self._changed = anyio.Event()
        self._seen = 0

    def report(self, event: DevEvent) -> None:
        self.events.append(event)
        self._changed.set()

    async def type(self, line: str) -> None:
        await self._types.send(line)

    async def sees(self, kind: str, text: str = "") -> DevEvent:
        """Wait for an event behind the last that was seen."""
        while True:
            for at, each in enumerate(self.events[self._seen :], self._seen + 1):
                if each.kind == kind and text in each.text:
                    self._seen = at
                    return each
            self._changed = anyio.Event()
            await self._changed.wait()


@asynccontextmanager
async def session(project: Path, **options: object) -> AsyncIterator[Session]:
    send, receive = anyio.create_memory_object_stream[str](10)
    user = Session(send)
    with anyio.fail_after(120):
        async with send, receive, anyio.create_task_group() as group:

            async def run() -> None:
                await develop(project, user.report, receive, **options)  # type: ignore[arg-type]

            group.start_soon(run)
            await user.sees("swapped")
            yield user
            await user.type(":quit")


@pytest.fixture
def project(counter: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(counter, tmp_path / "with a space \u00e4"))


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


async def test_a_save_is_built_and_swapped_in(project: Path) -> None:
    """What is stored stays, what it logs and publishes is shown, and a message is answered."""
    async with session(project) as user:
        await user.type("world")
        assert (await user.sees("published")).text == "greetings: world was greeted"
        assert "Hello, world! You are number 1." in (await user.sees("reply")).text
        edit(project / "src" / "hello.c", lambda text: text.replace("Hello", "Good morning"))
        building = await user.sees("building", "hello.c")
        assert building.detail["changed"] == str(Path("src", "hello.c"))
        await user.sees("swapped")
        await user.type("you")
        assert "Good morning, you! You are number 2." in (await user.sees("reply")).text
    assert user.events[-1].text == "info: stopping"


async def test_what_fails_leaves_the_earlier_build_running(project: Path) -> None:
    """A compile error has its place, a manifest error its line; a start says why not."""
    source, manifest = project / "src" / "hello.c", project / "Component.toml"
    async with session(project) as user:
        good = source.read_text()
        line = len(good.splitlines()) + 1
        source.write_text(good + "int broken(\n")
        failed = await user.sees("failed", f"src/hello.c:{line}")
        assert failed.text.endswith("the earlier build goes on")
        await user.type("one")
        await user.sees("reply", "number 1")
        source.write_text(good)
        await user.sees("swapped")

        edit(manifest, lambda text: text.replace("[limits]", "[limmits]"))
        await user.sees("failed", "limmits")
        await user.type("two")
        await user.sees("reply", "number 2")
        edit(manifest, lambda text: text.replace("[limmits]", "[limits]"))
        await user.sees("swapped")

        init = "static airswasm_verdict init(airswasm_text config) {"
        refuse = f'{init} (void)config; return airswasm_fail(AIRSWASM_TEXT("not today"));'
        source.write_text(good.replace(init, refuse))
        await user.sees("failed", "not today")
        await user.type("three")
        await user.sees("reply", "number 3")


async def test_a_denial_has_the_line_to_add(project: Path) -> None:
    """And once it is added, the next message passes."""
    manifest = project / "Component.toml"
    edit(manifest, lambda text: text.replace('publish = ["greetings"]', 'publish = ["other"]'))
    async with session(project) as user:
        await user.type("world")
        denied = await user.sees("denied")
        assert denied.detail["line"] == 'messaging.publish = ["other", "greetings"]'
        line = str(denied.detail["line"])
        edit(manifest, lambda text: text.replace('messaging.publish = ["other"]', line))
        await user.sees("swapped")
        await user.type("world")
        await user.sees("published", "greetings")


async def test_its_commands(project: Path) -> None:
    """A line that begins with a colon is one; an unknown one lists them."""
    async with session(project, replies={"shop/stock": b"7"}) as user:
        await user.type(":help")
        await user.sees("note", ":publish TOPIC TEXT")
        await user.type(":publish news hello")
        await user.sees("reply", "Hello, hello! You are number 1.")
        await user.type(":stored count")
        assert (await user.sees("note")).text == "1"
        await user.type(":stored nothing")
        assert (await user.sees("note")).text == "nothing"
        await user.type(":restart")
        await user.sees("log", "info: ready")
        await user.type(":time 60")
        await user.type(":build")
        await user.sees("swapped")


async def test_a_folder_that_is_no_project_is_refused(tmp_path: Path) -> None:
    """At once; a manifest that was wrong from the start, too."""
    with pytest.raises(NotAProject):
        await develop(tmp_path, lambda _: None)
    (tmp_path / "Component.toml").write_text("nonsense = 1\n")
    with pytest.raises(ManifestInvalid):
        await develop(tmp_path, lambda _: None)


@pytest.mark.skipif(os.name != "posix", reason="a pipe with a name")
async def test_a_build_that_runs_is_ended_with_the_session(project: Path, tmp_path: Path) -> None:
    """Ctrl-C leaves no compiler behind."""
    manifest = project / "Component.toml"
    os.mkfifo(tmp_path / "alive")  # read to its end when the last writer is gone
    command = f'command = ["sh", "-c", "exec sleep 600 > {tmp_path}/alive"]'
    edit(manifest, lambda text: text.replace("[build]", f"[build]\n{command}"))
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(develop, project, lambda _: None)
            async with await anyio.open_file(tmp_path / "alive", "rb") as alive:  # it has begun
                group.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    assert await alive.read() == b""
