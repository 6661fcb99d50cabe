"""Answers that a guest has no room for: refused or shortened by the host, never its end."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from airswasm.osl import (
    BLOCK,
    Doorman,
    Network,
    NetworkPolicy,
    OslPolicy,
    Processes,
    ProcessPolicy,
    Tcp,
    Udp,
    folders_below,
)
from airswasm.osl._files.filesystem import Filesystem
from airswasm.osl._files.tree import Tree
from airswasm.runtime import Caller, Err, HostInterface
from airswasm.security import Grants, Guard, Kinds

pytestmark = pytest.mark.anyio
ROOM = 1_000


@pytest.fixture
def caller() -> Iterator[Caller]:
    caller = Caller("local/a")
    caller.message_bytes = ROOM
    yield caller
    caller._close()


@pytest.fixture
def files(tmp_path: Path) -> HostInterface:
    return Filesystem(Tree(OslPolicy(folders_below(tmp_path)), Guard(Kinds()))).interface()


async def call(interface: HostInterface, name: str, *arguments: object) -> Any:
    return await cast("Callable[..., Awaitable[Any]]", interface.functions[name])(*arguments)


@pytest.mark.parametrize("size", [0, ROOM - 1, ROOM, ROOM + 1, 20 * ROOM])
async def test_a_file_comes_in_parts(files: HostInterface, caller: Caller, size: int) -> None:
    """A read is as long as the guest has room for, and the rest is read from there."""
    await call(files, "write", caller, "/f", bytes(size))
    read = bytearray()
    while part := (await call(files, "read", caller, "/f", len(read), 2**32 - 1)).value:
        assert len(part) <= ROOM
        read += part
    assert read == bytes(size)


@pytest.mark.parametrize(("entries", "fits"), [(0, True), (25, True), (26, False), (200, False)])
async def test_a_long_list_of_entries(
    files: HostInterface, caller: Caller, entries: int, fits: bool
) -> None:
    """Twelve bytes for each entry, and its name."""
    for number in range(entries):
        await call(files, "write", caller, f"/{number:028}", b"")
    answer = await call(files, "list-directory", caller, "/")
    if fits:
        assert len(answer.value) == entries
    else:
        assert isinstance(answer, Err)
        assert answer.value.name == "limit-exceeded"
        assert "limits.message_bytes" in str(answer.value.value)


@pytest.mark.skipif(os.name != "posix", reason="programs are run on POSIX systems only")
@pytest.mark.parametrize(("out", "err"), [(ROOM, 0), (0, ROOM), (400, 600), (401, 600), (600, 999)])
async def test_both_outputs_together(tmp_path: Path, caller: Caller, out: int, err: int) -> None:
    """One answer carries both."""
    code = f"import sys; sys.stdout.write('o' * {out}); sys.stderr.write('e' * {err})"
    guard = Guard(Kinds(BLOCK.capabilities))
    readable = ProcessPolicy(readable=(sys.prefix, sys.base_prefix))
    policy = OslPolicy(folders_below(tmp_path), processes=readable)
    processes = Processes(Tree(policy, guard)).interface()
    arguments = ["-I", "-S", "-c", code]
    answer = await call(processes, "run", caller, sys.executable, arguments, b"", 10_000)
    if out + err <= ROOM:
        assert (len(answer.value.stdout), len(answer.value.stderr)) == (out, err)
    else:
        assert isinstance(answer, Err)
        assert answer.value.name == "limit-exceeded"


def doorman(capability: str, address: str) -> Doorman:
    return Doorman(Guard(Kinds(BLOCK.capabilities), {"local/a": Grants({capability: (address,)})}))


@pytest.mark.parametrize("size", [ROOM, ROOM + 1, 60_000])
async def test_a_large_datagram(caller: Caller, size: int) -> None:
    """The peer decides how large its answer is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            _, peer = server.recvfrom(100)
            server.sendto(bytes(size), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        udp = Udp(Network(doorman("udp:send", address), NetworkPolicy())).interface()
        answer = await call(udp, "exchange", caller, address, b"", 10_000)
        thread.join()
    if size <= ROOM:
        assert answer.value == bytes(size)
    else:
        assert isinstance(answer, Err)
        assert answer.value.name == "limit-exceeded"


async def test_a_stream_comes_in_parts(caller: Caller) -> None:
    """However much the guest asks for."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(bytes(20 * ROOM))

        thread = threading.Thread(target=serve)
        thread.start()
        tcp = Tcp(Network(doorman("tcp:connect", address), NetworkPolicy())).interface()
        connection = (await call(tcp, "connect", caller, address, 10_000)).value
        received = 0
        method = "[method]connection.receive"
        while part := (await call(tcp, method, caller, connection, 2**32 - 1)).value:
            assert len(part) <= ROOM
            received += len(part)
        connection.close()
        thread.join()
    assert received == 20 * ROOM
