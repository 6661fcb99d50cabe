"""The ratios that airswasm-sdk promises.

What the test harness adds to a message.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from airswasm.runtime import Caller, Engine
from airswasm.sdk.testing import ComponentHarness
from airswasm.wit.names import HANDLE_MESSAGE
from paired import Promise, Promises, Work
from wasmtime import wat2wasm

ECHO_WAT = Path(__file__).parents[2] / "airswasm-actor" / "bench" / "echo.wat"
MANIFEST = """
[component]
name = "bench/echo"
version = "0.1.0"
[build]
artifact = "echo.wasm"
"""


@asynccontextmanager
async def promises(folder: Path) -> AsyncIterator[Promises]:
    """Give the promises."""
    project = folder / "echo"
    project.mkdir()
    wasm = bytes(wat2wasm(ECHO_WAT.read_text()))
    (project / "echo.wasm").write_bytes(wasm)
    (project / "Component.toml").write_text(MANIFEST)
    async with ComponentHarness(project) as component, Engine() as engine:
        linked = (await engine.load(wasm)).link([])
        instance = await linked.instantiate(caller=Caller("bench/echo"))
        function = instance.function(HANDLE_MESSAGE)

        async def send(count: int) -> None:
            for _ in range(count):
                await component.send(b"world")

        async def call(count: int) -> None:
            for _ in range(count):
                await instance.call(function, "host", None, b"world")

        yield {"send": Promise(Work(send, time.thread_time), Work(call, time.thread_time))}
        instance.close()
