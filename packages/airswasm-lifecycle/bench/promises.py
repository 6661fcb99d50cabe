"""The ratios that airswasm-lifecycle promises.

Reading a manifest against the bare TOML parser, verifying a package against its hashes and one
signature, a message to a component against one to a Python actor, and a typed call of an installed
component against the runtime's bare one.
"""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import tomlkit
from airswasm.actor import ActorSystem
from airswasm.lifecycle import Manifest, Package, System
from airswasm.runtime import Caller, Engine
from airswasm.security import generate_key
from paired import Promise, Promises, Work, times
from wasmtime import wat2wasm

ECHO_WAT = Path(__file__).parents[2] / "airswasm-actor" / "bench" / "echo.wat"
NAME = "bench/echo"
SUMS_WAT = """
(component
  (core module $m (func (export "add") (param i32 i32) (result i32)
    (i32.add (local.get 0) (local.get 1))))
  (core instance $i (instantiate $m))
  (func $add (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
  (instance $sums (export "add" (func $add)))
  (export "bench:sums/sums@1.0.0" (instance $sums)))
"""
MANIFEST = f"""
[component]
name = "{NAME}"
version = "0.1.0"
description = "Answers with what it is sent."
authors = ["The airswasm authors"]
[limits]
memory = "1 MiB"
timeout = "2 s"
fuel = 50_000_000
[capabilities]
storage.read = ["everything"]
storage.write = ["count", "users/*/name"]
[supervision]
intensity = 5
backoff.initial = 0.5
[config]
greeting = "Hello"
"""


@asynccontextmanager
async def promises(folder: Path) -> AsyncIterator[Promises]:
    """Give the promises."""
    key = generate_key()
    wasm = bytes(wat2wasm(ECHO_WAT.read_text()))
    files = {"Component.toml": MANIFEST.encode(), "component.wasm": wasm}
    package = Package.from_files(files).sign(key, sequence=1)
    archive = folder / "echo.airswasm"
    package.write_archive(archive)
    signature = key.sign(MANIFEST.encode())

    def unpack() -> None:
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                hashlib.sha256(opened.read(name)).digest()
        tomlkit.parse(MANIFEST)
        assert key.public.verifies(signature, MANIFEST.encode())

    sums_wasm = bytes(wat2wasm(SUMS_WAT))
    sums_files = {
        "Component.toml": MANIFEST.replace(NAME, "bench/sums").encode(),
        "component.wasm": sums_wasm,
    }
    sums = Package.from_files(sums_files).sign(key, sequence=1)

    async with System(folder / "home") as system:
        await system.install(package, approve=lambda _plan: True)
        await system.install(sums, approve=lambda _plan: True)
        linked = (await system.services.get(Engine).load(sums_wasm, name="bare")).link()
        bare = await linked.instantiate(caller=Caller("bare"))
        hosted_sums, bare_sums = system.component("bench/sums").exports.sums, bare.exports.sums

        async def call(count: int) -> None:
            for _ in range(count):
                await hosted_sums.add(1, 2)

        async def call_bare(count: int) -> None:
            for _ in range(count):
                await bare_sums.add(1, 2)

        actors = system.services.get(ActorSystem)
        actors.spawn(lambda message, _context: message.payload, name="bench/python")

        async def send(count: int) -> None:
            for _ in range(count):
                await system.send(NAME, b"x")

        async def ask(count: int) -> None:
            for _ in range(count):
                await actors.broker.ask("bench/python", b"x", timeout=60)

        yield {
            "manifest": Promise(
                Work(times(lambda: Manifest.parse(MANIFEST)), time.thread_time),
                Work(times(lambda: tomlkit.parse(MANIFEST)), time.thread_time),
            ),
            "package": Promise(
                Work(times(lambda: Package.read(archive)), time.thread_time),
                Work(times(unpack), time.thread_time),
            ),
            "call": Promise(Work(call, time.thread_time), Work(call_bare, time.thread_time)),
            "send": Promise(Work(send, time.thread_time), Work(ask, time.thread_time)),
        }
