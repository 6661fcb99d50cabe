"""The live frames of a host, over its socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any, cast

import pytest
from airswasm.actor import ActorSystem, Backoff, ChildSpec, Context, SupervisorNode, SupervisorSpec
from airswasm.cli._hosts.host import Host, LocalHost
from airswasm.cli._hosts.remote_host import host_behind
from airswasm.cli._hosts.serving import serve
from airswasm.cli.errors import HostNotRunning, RemoteFailure, TooManyWatchers, WatchMalformed
from airswasm.lifecycle import System

pytestmark = pytest.mark.anyio
SECRET = "what a guest said"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # uvicorn's


class Failing:
    """Crashes with a text at each message."""

    def receive(self, _message: object, _context: Context) -> object:
        raise RuntimeError(SECRET)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[System, Host]]:
    """A host with an actor that has failed."""
    async with System(tmp_path / "home") as system, serve(system) as listening:
        actors = system.services.get(ActorSystem)
        spec = SupervisorSpec(
            children=(ChildSpec("x", Failing, name="a/b"),), backoff=Backoff("immediate")
        )
        node = SupervisorNode(actors, spec, name="watched")
        await node.start()
        child = cast("Any", node.child("x"))
        with pytest.raises(Exception, match=SECRET):
            await child.ask(b"")
        yield system, host_behind(listening.socket)
        await node.stop()


async def parts_of(frames: AsyncIterator[Any], wanted: set[str]) -> dict[str, Any]:
    """Return the first frame of each wanted part."""
    found: dict[str, Any] = {}
    async with aclosing(cast("Any", frames)):
        async for frame in frames:
            found.setdefault(frame["part"], frame)
            if wanted <= set(found):
                return found
    raise AssertionError("the stream ended")


async def test_a_watcher_gets_the_parts_that_it_names(served: tuple[System, Host]) -> None:
    """With `host` in any case, and no other."""
    _, host = served
    names = {"components", "supervisors", "traffic", "events", "receipts"}
    found = await parts_of(await host.watch(",".join(names), "a/b"), names)
    assert set(found) == {*names, "host"}
    row = dict(zip(found["components"]["columns"], found["components"]["rows"]["a/b"], strict=True))
    assert (row["failures"], SECRET in row["last_error"]) == (1, True)
    assert set(await parts_of(await host.watch("supervisors"), {"supervisors"})) == {
        "host", "supervisors",
    }  # fmt: skip


async def test_figures_have_no_texts(served: tuple[System, Host]) -> None:
    """A token of the scope `monitoring` sees numbers; a guest may say anything in an error."""
    _, host = served
    found = await parts_of(await host.watch_figures(), {"components"})
    assert SECRET not in json.dumps(found)
    columns = found["components"]["columns"]
    row = dict(zip(columns, found["components"]["rows"]["a/b"], strict=True))
    assert (row["failures"], row["last_error"]) == (1, "")


@pytest.mark.parametrize("parts", ["nothing", "components,,x", "receipts"])
async def test_a_part_that_there_is_not_is_refused(served: tuple[System, Host], parts: str) -> None:
    """Before the first line, by a message that names those that there are."""
    with pytest.raises(RemoteFailure) as refused:
        await served[1].watch(parts)
    assert refused.value.code == WatchMalformed.explanation.code


async def test_readers_are_bounded(served: tuple[System, Host]) -> None:
    """The seventeenth is refused, until another one has left."""
    system, host = served
    local = LocalHost(system)
    async with AsyncExitStack() as stack:
        for _ in range(16):
            frames = cast("Any", await local.watch())
            await stack.enter_async_context(aclosing(frames))
            await anext(frames)
        with pytest.raises(RemoteFailure) as refused:
            await host.watch()
        assert refused.value.code == TooManyWatchers.explanation.code
    await parts_of(await host.watch(), {"host"})


async def test_a_host_that_stops_ends_its_watchers(tmp_path: Path) -> None:
    """In order, and at once: their streams end, and none breaks off."""
    async with System(tmp_path / "home") as system:
        async with serve(system) as listening:
            frames = await host_behind(listening.socket).watch(interval=60.0)
            assert (await anext(frames))["part"] == "host"
        assert "error" not in [key async for frame in frames for key in frame]


async def test_a_stored_home_cannot_be_watched(tmp_path: Path) -> None:
    """Nothing happens in it."""
    async with System(tmp_path / "home", mode="offline") as system:
        with pytest.raises(HostNotRunning):
            await LocalHost(system).watch()
