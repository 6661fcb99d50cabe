"""Connections: to granted addresses, closed when they are dropped, whatever happens."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import anyio
import pytest
from airswasm.osl import BLOCK, Doorman, Network, NetworkPolicy, Tcp
from airswasm.runtime import Caller, Case, Err, HostInterface, Ok
from airswasm.security import ForbiddenLayer, Grants, Guard, Kinds
from airswasm.wit import Forbidden

KINDS = Kinds(BLOCK.capabilities)

pytestmark = pytest.mark.anyio


class Server:
    """A loopback server that echoes, in a thread."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listening.getsockname()[1]}"
        self.ended = threading.Semaphore(0)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(peer,), daemon=True).start()

    def _echo(self, peer: socket.socket) -> None:
        with peer:
            while data := peer.recv(65536):
                if data == b"close":
                    break
                peer.sendall(data)
        self.ended.release()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.listening.shutdown(socket.SHUT_RDWR)
    server.listening.close()
    server.thread.join()


def interface(*grants: str, policy: NetworkPolicy | None = None) -> HostInterface:
    guard = Guard(KINDS, {"local/a": Grants({"tcp:connect": grants})})
    return Tcp(Network(Doorman(guard), policy or NetworkPolicy())).interface()


async def connect(tcp: HostInterface, caller: Caller, address: str) -> object:
    return await tcp.functions["connect"](caller, address, 1_000)  # type: ignore[misc]


async def call(tcp: HostInterface, method: str, *args: object) -> object:
    function = tcp.functions[f"[method]connection.{method}"]
    return await function(Caller("local/a"), *args)  # type: ignore[misc]


async def test_an_exchange(server: Server, anyio_backend: str) -> None:
    """What is sent comes back, in pieces of at most what was asked for; then the end."""
    tcp = interface(server.address)
    opened = await connect(tcp, Caller("local/a"), server.address)
    assert isinstance(opened, Ok)
    assert await call(tcp, "send", opened.value, b"hello") == Ok(None)
    assert await call(tcp, "receive", opened.value, 2) == Ok(b"he")
    assert await call(tcp, "receive", opened.value, 100) == Ok(b"llo")
    assert await call(tcp, "send", opened.value, b"close") == Ok(None)
    assert await call(tcp, "receive", opened.value, 100) == Ok(b"")
    tcp.resources["connection"].drop(opened.value)


async def test_much_data_both_ways(server: Server, anyio_backend: str) -> None:
    """Sending waits while the peer's buffers are full."""
    tcp = interface(server.address)
    opened = await connect(tcp, Caller("local/a"), server.address)
    assert isinstance(opened, Ok)
    data, received = bytes(range(256)) * 8_192, bytearray()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call, tcp, "send", opened.value, data)
        while len(received) < len(data):
            answer = await call(tcp, "receive", opened.value, 1_000_000)
            assert isinstance(answer, Ok)
            received += answer.value
    assert bytes(received) == data
    tcp.resources["connection"].drop(opened.value)


async def test_a_wildcard_does_not_open_this_host(server: Server, anyio_backend: str) -> None:
    """Loopback is denied unless the grant names it, and the text says so."""
    answer = await connect(interface("**"), Caller("local/a"), server.address)
    assert isinstance(answer, Err)
    assert answer.value.name == "denied"
    assert "loopback" in answer.value.value


async def test_dropping_closes_at_once(server: Server, anyio_backend: str) -> None:
    """The peer sees the end when the guest drops its handle, and using it then is an error."""
    tcp = interface(server.address)
    opened = await connect(tcp, Caller("local/a"), server.address)
    assert isinstance(opened, Ok)
    tcp.resources["connection"].drop(opened.value)
    tcp.resources["connection"].drop(opened.value)
    assert server.ended.acquire(timeout=5)
    answer = await call(tcp, "send", opened.value, b"x")
    assert isinstance(answer, Err)
    assert answer.value.name == "disconnected"


async def test_the_end_of_an_instance_closes_all(server: Server, anyio_backend: str) -> None:
    """A stopped component leaves no connection behind."""
    tcp, caller = interface(server.address), Caller("local/a")
    for _ in range(3):
        assert isinstance(await connect(tcp, caller, server.address), Ok)
    caller._close()
    for _ in range(3):
        assert server.ended.acquire(timeout=5)


async def test_connections_are_counted(server: Server, anyio_backend: str) -> None:
    """A component holds no more than its bound, and a dropped one makes room."""
    tcp = interface(server.address, policy=NetworkPolicy(connections=1))
    caller = Caller("local/a")
    first = await connect(tcp, caller, server.address)
    assert isinstance(first, Ok)
    refused = await connect(tcp, caller, server.address)
    assert isinstance(refused, Err)
    assert refused.value.name == "limit-exceeded"
    tcp.resources["connection"].drop(first.value)
    assert isinstance(await connect(tcp, caller, server.address), Ok)
    caller._close()


async def test_a_port_without_a_listener(anyio_backend: str) -> None:
    """A refused connection is told as such."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    answer = await connect(interface(address), Caller("local/a"), address)
    assert isinstance(answer, Err)
    assert answer.value.name == "disconnected"


async def test_a_slow_connect_times_out(anyio_backend: str) -> None:
    """Resolving counts towards the time; the timeout is a case of its own."""

    async def never(_host: str, _port: int) -> list[str]:
        await anyio.sleep_forever()
        return []

    guard = Guard(KINDS, {"local/a": Grants({"tcp:connect": ("**",)})})
    tcp = Tcp(Network(Doorman(guard, resolve=never), NetworkPolicy())).interface()
    answer = await tcp.functions["connect"](Caller("local/a"), "slow.example:80", 20)  # type: ignore[misc]
    assert answer == Err(Case("timed-out"))


async def test_a_cancelled_receive_ends(server: Server, anyio_backend: str) -> None:
    """A guest that is stopped while it waits for a peer stops waiting."""
    tcp, caller = interface(server.address), Caller("local/a")
    opened = await connect(tcp, caller, server.address)
    assert isinstance(opened, Ok)
    with anyio.move_on_after(0.05) as scope:
        await call(tcp, "receive", opened.value, 10)
    assert scope.cancelled_caught
    caller._close()


@pytest.mark.parametrize("rule", ["grant", "address"])
async def test_a_connection_ends_with_its_grant(
    server: Server, anyio_backend: str, rule: str
) -> None:
    """At once, in the middle of a wait, with the denial; also when its address becomes denied."""
    name = server.address.replace("127.0.0.1", "localhost") if rule == "address" else server.address
    guard = Guard(KINDS, {"local/a": Grants({"tcp:connect": (name,)})})
    tcp = Tcp(Network(Doorman(guard), NetworkPolicy())).interface()
    opened = await connect(tcp, Caller("local/a"), name)
    assert isinstance(opened, Ok)
    answers: list[object] = []

    async def receive() -> None:
        answers.append(await call(tcp, "receive", opened.value, 10))

    async with anyio.create_task_group() as group:
        group.start_soon(receive)
        await anyio.wait_all_tasks_blocked()
        if rule == "grant":
            guard.revoke("local/a")
        else:
            guard.add_layer(ForbiddenLayer(KINDS, [Forbidden("it", "tcp", (server.address,))]))
    answers.append(await call(tcp, "send", opened.value, b"x"))
    for answer in answers:
        assert isinstance(answer, Err)
        assert answer.value.name == "denied"
        assert "denied" in answer.value.value
    assert server.ended.acquire(timeout=60), "the peer sees the end"
    assert guard.count_held("local/a") == 0
    tcp.resources["connection"].drop(opened.value)
