"""The record of what came of each operation: one line after its effect, and what it says."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from airswasm.osl import BLOCK, OslPolicy, ProcessPolicy, folders_below, provide
from airswasm.runtime import Caller, Case, HostFunction, Services
from airswasm.runtime.wasi import WASI_VERSION
from airswasm.security import AuditEvent, EffectLines, Grants, Guard, Kinds
from airswasm.wit import contract

if TYPE_CHECKING:
    from conftest import HttpServer

PROGRAMS = ProcessPolicy(readable=(sys.prefix, sys.base_prefix))
KINDS = Kinds(BLOCK.capabilities)
GRANTS = Grants(
    {
        each.name.replace(".", ":"): ("everything",)
        for each in BLOCK.capabilities
        if not each.name.startswith(("tcp", "udp", "http"))
    }
    | {
        "tcp:connect": ("127.0.0.1:*",),
        "udp:send": ("127.0.0.1:*",),
        "http:request": ("http://127.0.0.1:*/**",),
    }
)

pytestmark = pytest.mark.anyio


class Notebook:
    def __init__(self) -> None:
        self.effects: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> None:
        if event.kind == "effect":
            self.effects.append(event)


class Door:
    """One component in front of a host's functions, and the effects that it had."""

    def __init__(self, folder: Path) -> None:
        self.notebook, services = Notebook(), Services()
        guard = Guard(KINDS, {"local/a": GRANTS}, audit=self.notebook)
        services.add(Guard, guard)
        services.add(OslPolicy, OslPolicy(folders_below(folder), processes=PROGRAMS))
        services.add(EffectLines, EffectLines(self.notebook, guard.line_of, written="every"))
        self._functions: Mapping[str, Mapping[str, HostFunction]] = {
            each.name: each.functions
            if each.name.startswith("wasi:")
            else guard.guarded(each, contract()).functions
            for each in provide(services)
        }
        self.caller = Caller("local/a")

    async def call(self, interface: str, function: str, *args: object) -> object:
        name = (
            f"{interface}@{WASI_VERSION}"
            if interface.startswith("wasi:")
            else f"airswasm:component/{interface}@0.1.0"
        )
        answer = self._functions[name][function](self.caller, *args)
        value = await answer if hasattr(answer, "__await__") else answer  # type: ignore[misc]
        return getattr(value, "value", value)

    def told(self) -> list[tuple[str, ...]]:
        """Return what the effects so far say, without their times and decisions."""
        told: list[tuple[str, ...]] = []
        for event in self.notebook.effects:
            detail = {
                key: value
                for key, value in event.detail.items()
                if key not in ("seconds", "decision")
            }
            rest = (f"{key}={value}" for key, value in detail.items())
            told.append((event.capability, event.resource, event.outcome, *rest))
        self.notebook.effects.clear()
        return told


@pytest.fixture
async def door(anyio_backend: str, tmp_path: Path) -> AsyncIterator[Door]:
    door = Door(tmp_path)
    yield door
    door.caller._close()


async def test_files(door: Door, tmp_path: Path, anyio_backend: str) -> None:
    """Each operation has its bytes; what fails has its reason, and no bytes."""
    for function, *args in (
        ("write", "/a", b"12345"), ("append", "/a", b"678"), ("read", "/a", 0, 100),
        ("create-directory", "/d"), ("list-directory", "/"), ("stat", "/a"), ("remove", "/d"),
        ("read", "/none", 0, 1),
    ):  # fmt: skip
        await door.call("filesystem", str(function), *args)
    assert door.told() == [
        ("filesystem:write", "/a", "done", "out=5"),
        ("filesystem:write", "/a", "done", "act=append", "out=3"),
        ("filesystem:read", "/a", "done", "in=8"),
        ("filesystem:write", "/d", "done", "act=create-directory"),
        ("filesystem:list", "/", "done"),
        ("filesystem:read", "/a", "done", "act=stat"),
        ("filesystem:delete", "/d", "done"),
        ("filesystem:read", "/none", "failed"),
    ]
    (tmp_path / "local/a/link").symlink_to("/etc/passwd")
    await door.call("filesystem", "read", "/link", 0, 100)
    assert door.notebook.effects[0].reason.startswith("denied: ")
    assert door.told() == [("filesystem:read", "/link", "deny", "layer=system")]


async def test_an_open_file_has_one_line_at_its_end(door: Door, anyio_backend: str) -> None:
    """With what was read and written meanwhile, whichever function did it."""
    types = "wasi:filesystem/types"
    ((root, _),) = await door.call("wasi:filesystem/preopens", "get-directories")  # type: ignore[misc]
    method = "[method]descriptor."
    file = await door.call(
        types, f"{method}open-at", root, frozenset(), "f", {"create"}, {"read", "write"}
    )
    await door.call(types, f"{method}write", file, b"12345", 0)
    stream = await door.call(types, f"{method}append-via-stream", file)
    await stream.write(b"678")  # type: ignore[attr-defined]
    stream = await door.call(types, f"{method}read-via-stream", file, 0)
    await stream.read(100)  # type: ignore[attr-defined]
    await door.call(types, f"{method}read", file, 2, 0)
    assert door.told() == []
    file.close()  # type: ignore[attr-defined]
    assert door.told() == [("filesystem:write", "/f", "done", "act=open", "in=10", "out=8")]
    await door.call(types, f"{method}rename-at", root, "f", root, "g")
    await door.call(types, f"{method}unlink-file-at", root, "g")
    await door.call(types, f"{method}unlink-file-at", root, "g")
    assert door.told() == [
        ("filesystem:write", "/g", "done", "act=rename"),
        ("filesystem:delete", "/g", "done"),
        ("filesystem:delete", "/g", "failed"),
    ]


async def test_a_connection_has_one_line_at_its_end(door: Door, anyio_backend: str) -> None:
    """A refused one has it at once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        connection = await door.call("tcp", "connect", address, 1_000)
        peer, _ = listening.accept()
        with peer:
            await door.call("tcp", "[method]connection.send", connection, b"12345")
            peer.sendall(b"123")
            await door.call("tcp", "[method]connection.receive", connection, 100)
            assert door.told() == []
            connection.close()  # type: ignore[attr-defined]
    assert door.told() == [("tcp:connect", address, "done", "in=3", "out=5")]
    await door.call("tcp", "connect", address, 1_000)
    assert door.told() == [("tcp:connect", address, "failed")]


async def test_http_and_udp(door: Door, server: HttpServer, anyio_backend: str) -> None:
    """Bodies and datagrams count; what exceeds a limit has failed."""
    url = f"{server.url}/echo"
    await door.call("http", "request", "POST", url, [], b"12345", 5_000)
    assert door.told() == [("http:request", f"POST {url}", "done", "in=5", "out=5")]
    assert await door.call("udp", "exchange", "127.0.0.1:9", b"x" * 70_000, 10) == Case(
        "limit-exceeded", "a datagram carries at most 65,507 bytes"
    )
    assert door.told() == [("udp:send", "127.0.0.1:9", "failed")]


async def test_a_program(door: Door, anyio_backend: str) -> None:
    """Its input and output count, and its command line is the resource of the decision."""
    code = "import sys; print(sys.stdin.read() * 2, end='')"
    await door.call("process", "run", sys.executable, ["-ISc", code], b"123", 10_000)
    ((capability, resource, outcome, *amounts),) = door.told()
    assert (capability, outcome, amounts) == ("process:spawn", "done", ["in=6", "out=3"])
    assert resource.startswith(f"{sys.executable} -ISc ")


async def test_what_a_cancel_interrupts_has_failed(door: Door, anyio_backend: str) -> None:
    """The line is written although the caller is gone."""
    with anyio.move_on_after(0.2):
        await door.call(
            "process", "run", sys.executable, ["-ISc", "import time; time.sleep(60)"], b"", 0
        )
    (event,) = door.notebook.effects
    assert (event.outcome, event.reason) == ("failed", "cancelled")
