"""How far a long operation on stored data is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from airswasm.cli._control.api import OPERATIONS
from airswasm.cli._hosts.host import LocalHost
from airswasm.cli.commands.storage._watching import watched
from airswasm.lifecycle import System
from airswasm.storage import Store

pytestmark = pytest.mark.anyio
NAME = "local/left"


class Line:
    """A line on a screen."""

    is_shown = True

    def __init__(self) -> None:
        self.text = ""
        self.changed = anyio.Event()

    def update(self, text: str) -> None:
        self.text = text
        self.changed.set()


async def test_an_import_tells_its_keys_until_it_ends(tmp_path: Path) -> None:
    """To another client of the host, and on the line of the verb that waits; then it is gone."""
    async with System(tmp_path / "home", mode="offline") as system:
        host, space = LocalHost(system, OPERATIONS), system.services.get(Store).namespace(NAME)
        await space.batch({f"k{number}": b"" for number in range(300)})
        export = b"".join([chunk async for chunk in await host.export(NAME)])
        line = Line()

        async def chunks() -> AsyncIterator[bytes]:
            yield export[: len(export) // 2]
            with anyio.fail_after(30):
                await line.changed.wait()
            (work,) = await host.storage_work()
            assert (work["name"], work["act"]) == (NAME, "import")
            assert line.text == f"importing: {work['done']} keys"
            yield export[len(export) // 2 :]

        async with watched(host, line, "importing", NAME, "import"):  # type: ignore[arg-type]
            assert await host.load(NAME, chunks()) == 300
        assert await host.storage_work() == []


async def test_an_operation_that_fails_is_not_at_work(tmp_path: Path) -> None:
    """Its error is the one that the verb reports."""
    async with System(tmp_path / "home", mode="offline") as system:
        host = LocalHost(system, OPERATIONS)
        await system.services.get(Store).namespace(NAME).set("k", b"v")

        async def chunks() -> AsyncIterator[bytes]:
            raise OSError("broken")
            yield b""

        with pytest.raises(OSError, match="broken"):
            await host.load(NAME, chunks())
        assert await host.storage_work() == []
        assert (await host.verify_storage())["records"]
        assert await host.storage_work() == []
