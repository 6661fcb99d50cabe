"""Peers that drip, reset, vanish, say nothing or come by the thousand: bounded, and told."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest
from airswasm.osl import BLOCK, Doorman, Network, NetworkPolicy, Tcp
from airswasm.osl._network.connections import Connection, Listener
from airswasm.osl._network.places import Sockets
from airswasm.osl.errors import ConnectionEnded, Disconnected, TooManySockets
from airswasm.runtime import Caller, Engine, EngineConfig, Err, HostInterface, Ok
from airswasm.security import Grants, Guard, Kinds

KINDS = Kinds(BLOCK.capabilities)
LOOPBACK = "127.0.0.1:*"
MANY = 10_000
RESET = struct.pack("ii", 1, 0)

pytestmark = pytest.mark.anyio


class Host:
    """A host with one component that may listen, and connect to loopback."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        grants = Grants({"tcp:listen": (LOOPBACK,), "tcp:connect": (LOOPBACK,)})
        self.guard = Guard(KINDS, {"local/a": grants, "local/b": grants})
        self.network = Network(Doorman(self.guard), NetworkPolicy())
        self.tcp: HostInterface = Tcp(self.network).interface()

    async def caller(self, name: str = "local/a") -> Caller:
        component = await self.engine.load(b"\0asm\x0d\0\x01\0", name="empty")
        caller = Caller(name)
        await component.link(()).instantiate(caller=caller)
        return caller

    async def call(self, caller: Caller, name: str, *arguments: object) -> object:
        return await self.tcp.functions[name](caller, *arguments)  # type: ignore[misc]

    async def listen(self, caller: Caller) -> tuple[Listener, tuple[str, int]]:
        answer = await self.call(caller, "listen", "127.0.0.1:0")
        assert isinstance(answer, Ok)
        listener = answer.value
        assert isinstance(listener, Listener)
        return listener, listener.plain.getsockname()

    async def connect(self, caller: Caller, at: tuple[str, int]) -> Connection:
        answer = await self.call(caller, "connect", f"{at[0]}:{at[1]}", 10_000)
        assert isinstance(answer, Ok), answer
        assert isinstance(answer.value, Connection)
        return answer.value


@pytest.fixture
async def host(anyio_backend: str, cache_folder: Path) -> AsyncIterator[Host]:
    async with Engine(EngineConfig(cache_folder=cache_folder)) as engine:
        yield Host(engine)


async def test_peers_that_say_nothing(host: Host) -> None:
    """A slow loris takes the places of its target for `idle_timeout`, and no longer."""
    host.network.policy = NetworkPolicy(connections=4, idle_timeout=0.2)
    mine = await host.caller()
    listener, at = await host.listen(mine)
    silent = [socket.create_connection(at) for _ in range(3)]
    taken = [await listener.accept() for _ in silent]
    with socket.create_connection(at), pytest.raises(TooManySockets):
        listener.accept_now()
    with anyio.fail_after(60):
        for each in taken:
            with pytest.raises(ConnectionEnded, match=r"network\.idle_timeout"):
                await each.receive(1)
    for each in silent:
        assert each.recv(1) == b""
        each.close()
    with socket.create_connection(at) as honest:
        honest.sendall(b"hello")
        with anyio.fail_after(60):
            while await (await listener.accept()).receive(9) != b"hello":
                pass  # the one that left before it was accepted
    mine._close()


async def test_other_components_go_on(host: Host) -> None:
    """One that is out of places, and whose peers say nothing, takes none of another's."""
    host.network.policy = NetworkPolicy(connections=2)
    mine, other = await host.caller(), await host.caller("local/b")
    listener, at = await host.listen(mine)
    with socket.create_connection(at), socket.create_connection(at):
        await listener.accept()
        with pytest.raises(TooManySockets):
            await listener.accept()
        theirs, their_at = await host.listen(other)
        with socket.create_connection(their_at) as peer:
            peer.sendall(b"x")
            assert await (await theirs.accept()).receive(1) == b"x"
    mine._close()
    other._close()


async def test_peers_that_reset(host: Host) -> None:
    """Before they are accepted, before a byte, in the middle of one; each is told once."""
    mine = await host.caller()
    listener, at = await host.listen(mine)
    for data in (None, b"", b"half"):
        peer = socket.create_connection(at)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if data is None:
            peer.close()
            accepted = await listener.accept()
        else:
            accepted = await listener.accept()
            peer.sendall(data)
            if data:
                assert await accepted.receive(9) == data
            peer.close()
        with pytest.raises(Disconnected, match=os.strerror(104)), anyio.fail_after(60):
            await accepted.receive(9)
        with pytest.raises(Disconnected):
            await accepted.send(b"x")
        accepted.close()
    assert len(Sockets.of(mine)) == 1
    mine._close()


async def test_a_peer_that_reads_nothing(host: Host) -> None:
    """A send waits and keeps nothing; cancelling it leaves a connection that can be closed."""
    mine = await host.caller()
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = await host.connect(mine, server.getsockname())
        peer, _ = server.accept()
        before = mine.account.held_bytes
        with anyio.move_on_after(0.2) as scope:
            await connection.send(bytes(64 * 1024 * 1024))
        assert scope.cancelled_caught
        assert mine.account.held_bytes == before
        connection.close()
        with peer, contextlib.suppress(ConnectionResetError):
            while peer.recv(1024 * 1024):
                pass
    assert len(Sockets.of(mine)) == 0


async def test_many_connections(host: Host) -> None:
    """Ten thousand come: the component holds its number, and the rest wait or are refused."""
    host.network.policy = NetworkPolicy(connections=32, backlog=8)
    mine = await host.caller()
    listener, at = await host.listen(mine)
    accepted, refused = 0, 0
    peers: list[socket.socket] = []
    for _ in range(MANY):
        peer = socket.socket()
        peer.setblocking(False)
        peer.connect_ex(at)
        peers.append(peer)
        try:
            accepted += listener.accept_now() is not None
        except TooManySockets:
            refused += 1
        if len(peers) >= 200:  # the descriptors of this process are bounded as well
            peers.pop(0).close()
    assert accepted == 31
    assert refused >= MANY - 200
    assert len(Sockets.of(mine)) == 32
    for peer in peers:
        peer.close()
    mine._close()
    assert len(Sockets.of(mine)) == 0
    assert mine.account.descriptors == 0


async def test_connecting_to_nothing_again_and_again(host: Host) -> None:
    """Nothing is left of a thousand refusals."""
    mine = await host.caller()
    with socket.create_server(("127.0.0.1", 0)) as unused:
        at = "{}:{}".format(*unused.getsockname())
    for _ in range(1_000):
        assert isinstance(await host.call(mine, "connect", at, 1_000), Err)
    assert len(Sockets.of(mine)) == 0
    assert (mine.account.descriptors, host.guard.count_held("local/a")) == (0, 0)


@contextlib.contextmanager
def never_answers() -> Iterator[tuple[str, int]]:
    """Give the address of a listener whose backlog is full."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as server,
        contextlib.ExitStack() as all_,
    ):
        for _ in range(4):
            filler = all_.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        yield server.getsockname()


@pytest.mark.parametrize("operation", ["connect", "accept", "receive", "send"])
async def test_an_instance_that_is_killed(host: Host, operation: str) -> None:
    """In the middle of each operation: the wait ends, and no socket is left."""
    mine = await host.caller()
    listener, at = await host.listen(mine)
    with socket.create_server(("127.0.0.1", 0)) as server, never_answers() as full:
        connection = await host.connect(mine, server.getsockname())
        peer, _ = server.accept()
        waits = {
            "connect": lambda: host.call(mine, "connect", "{}:{}".format(*full), 60_000),
            "accept": lambda: host.call(mine, "[method]listener.accept", listener, 60_000),
            "receive": lambda: host.call(mine, "[method]connection.receive", connection, 9),
            "send": lambda: host.call(mine, "[method]connection.send", connection, bytes(2**26)),
        }
        answers: list[object] = []

        async def wait() -> None:
            answers.append(await waits[operation]())

        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                mine._close()
        (answer,) = answers
        assert isinstance(answer, Err)
        assert len(Sockets.of(mine)) == 0
        with peer, contextlib.suppress(ConnectionResetError):
            while peer.recv(2**20):
                pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(at)
