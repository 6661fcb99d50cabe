"""Listening takes a grant for address and port, and opens loopback unless the grant names more."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio
import pytest
from airswasm.osl import (
    BLOCK,
    Doorman,
    Network,
    NetworkPolicy,
    OslPolicy,
    Tcp,
    Udp,
    folders_below,
)
from airswasm.osl._network.gate import LISTEN_TCP
from airswasm.osl._network.listening import LISTEN
from airswasm.osl._probing import probe_port
from airswasm.osl.errors import AccessDenied, ListenRefused, Malformed
from airswasm.runtime import Caller, Case, Err, HostInterface, Ok, Services
from airswasm.security import Grants, Guard, InvalidResource, Kinds

KINDS = Kinds(BLOCK.capabilities)
LOOPBACK = "127.0.0.1:*"

pytestmark = pytest.mark.anyio


class Setting:
    """The interfaces of a host with one component."""

    def __init__(self, policy: NetworkPolicy | None = None, **grants: Sequence[str]) -> None:
        allow = {name.replace("_", ":", 1): tuple(found) for name, found in grants.items()}
        self.guard = Guard(KINDS, {"local/a": Grants(allow)})
        self.network = Network(Doorman(self.guard), policy or NetworkPolicy())
        self.caller = Caller("local/a")
        self.tcp, self.udp = Tcp(self.network).interface(), Udp(self.network).interface()

    async def call(self, interface: HostInterface, name: str, *arguments: object) -> object:
        answer = interface.functions[name](self.caller, *arguments)
        return answer if isinstance(answer, str) else await answer  # type: ignore[misc]

    async def listen(self, address: str = "127.0.0.1:0") -> tuple[object, tuple[str, int]]:
        opened = await self.call(self.tcp, "listen", address)
        assert isinstance(opened, Ok), opened
        at = await self.call(self.tcp, "[method]listener.address", opened.value)
        host, _, port = str(at).rpartition(":")
        return opened.value, (host.strip("[]"), int(port))


@pytest.fixture
async def setting(anyio_backend: str) -> AsyncIterator[Setting]:
    made = Setting(tcp_listen=[LOOPBACK], udp_listen=[LOOPBACK], udp_send=[LOOPBACK])
    yield made
    made.caller._close()


async def test_an_exchange_with_a_peer(setting: Setting) -> None:
    """Accepted, read, answered, ended on one side, and closed with the instance."""
    listener, at = await setting.listen()
    with socket.create_connection(at) as peer:
        accepted = await setting.call(setting.tcp, "[method]listener.accept", listener, 5_000)
        assert isinstance(accepted, Ok)
        peer.sendall(b"ping")
        peer.shutdown(socket.SHUT_WR)
        call, connection = setting.call, accepted.value
        assert await call(setting.tcp, "[method]connection.receive", connection, 100) == Ok(b"ping")
        assert await call(setting.tcp, "[method]connection.receive", connection, 100) == Ok(b"")
        assert await call(setting.tcp, "[method]connection.send", connection, b"pong") == Ok(None)
        assert await call(setting.tcp, "[method]connection.finish", connection) == Ok(None)
        mine = "{}:{}".format(*peer.getsockname())
        assert await call(setting.tcp, "[method]connection.peer", connection) == mine
        assert peer.recv(100) == b"pong"
        assert peer.recv(100) == b""
    setting.caller._close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(at)


async def test_datagrams(setting: Setting) -> None:
    """Of any peer, with its address; sending takes a grant of its own."""
    opened = await setting.call(setting.udp, "bind", "127.0.0.1:0")
    assert isinstance(opened, Ok)
    host, _, port = str(
        await setting.call(setting.udp, "[method]socket.address", opened.value)
    ).rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.sendto(b"ping", (host, int(port)))
        got = await setting.call(setting.udp, "[method]socket.receive", opened.value, 5_000)
        mine = "{}:{}".format(*peer.getsockname())
        assert got == Ok({"sender": mine, "data": b"ping"})
        sent = await setting.call(setting.udp, "[method]socket.send", opened.value, mine, b"pong")
        assert sent == Ok(None)
        assert peer.recv(100) == b"pong"
    refused = await setting.call(
        setting.udp, "[method]socket.send", opened.value, "10.0.0.1:9", b"x"
    )
    assert isinstance(refused, Err)
    assert refused.value.name == "denied"
    silent = await setting.call(setting.udp, "[method]socket.receive", opened.value, 10)
    assert silent == Err(Case("timed-out"))


@pytest.mark.parametrize(
    ("pattern", "address", "kind"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8081", AccessDenied),
        ("**", "0.0.0.0:8080", ListenRefused),
        ("*.*.*.*:*", "0.0.0.0:0", ListenRefused),
        ("**", "[::]:8080", ListenRefused),
        ("**", "192.0.2.1:8080", ListenRefused),
        (LOOPBACK, "127.0.0.1:80", ListenRefused),
        ("127.0.0.1:1023", "127.0.0.1:1023", ListenRefused),
        (LOOPBACK, "127.0.0.1:9999", ListenRefused),
        (LOOPBACK, "127.0.0.1", Malformed),
        (LOOPBACK, "127.1:8080", Malformed),
        (LOOPBACK, "2130706433:8080", Malformed),
        (LOOPBACK, "127.0.0.1:08080", None),
        (LOOPBACK, "127.0.0.1:99999", Malformed),
        (LOOPBACK, "127.0.0.1:-1", Malformed),
        (LOOPBACK, ":8080", Malformed),
        ("**", "example.com:8080", Malformed),
        ("**", "[::ffff:127.0.0.1]:8080", Malformed),
        ("0.0.0.0:0", "0.0.0.0:0", None),
        ("localhost:*", "localhost:0", None),
        ("**", "[::1]:0", None),
    ],
)
async def test_where_a_component_may_listen(
    anyio_backend: str, pattern: str, address: str, kind: type[Exception] | None
) -> None:
    """Loopback under a pattern, another address by its name, never a port of the host's."""
    setting = Setting(NetworkPolicy(reserved_ports=(9999,)), tcp_listen=[pattern])
    gate = setting.network.gate
    if kind is None:
        gate.listen_at(setting.caller, LISTEN_TCP, address)
        return
    with pytest.raises(kind) as refused:
        gate.listen_at(setting.caller, LISTEN_TCP, address)
    assert type(refused.value) is kind


async def test_a_denial_names_the_line() -> None:
    """Following the advice opens the port."""
    setting = Setting()
    with pytest.raises(AccessDenied, match=r'tcp\.listen = \["127\.0\.0\.1:8080"\]'):
        setting.network.gate.listen_at(setting.caller, LISTEN_TCP, "127.0.0.1:8080")


async def test_an_address_in_use(setting: Setting) -> None:
    """A listener of another program is not pushed aside, also if it listens on all addresses."""
    for host in ("127.0.0.1", "0.0.0.0"):
        with socket.create_server((host, 0)) as other:
            refused = await setting.call(
                setting.tcp, "listen", f"127.0.0.1:{other.getsockname()[1]}"
            )
        assert isinstance(refused, Err)
        assert refused.value.name == "exists"
    listener, at = await setting.listen()
    with pytest.raises(OSError, match=os.strerror(errno.EADDRINUSE)):
        socket.create_server(at)
    setting.tcp.resources["listener"].drop(listener)
    socket.create_server(at).close()


async def test_a_grant_that_ends_closes_the_door(setting: Setting) -> None:
    """The listener, a wait for it, and the connections that came through it."""
    listener, at = await setting.listen()
    with socket.create_connection(at) as peer:
        accepted = await setting.call(setting.tcp, "[method]listener.accept", listener, 5_000)
        assert isinstance(accepted, Ok)
        answers: list[object] = []

        async def accept() -> None:
            answers.append(
                await setting.call(setting.tcp, "[method]listener.accept", listener, 60_000)
            )

        async with anyio.create_task_group() as group:
            group.start_soon(accept)
            await anyio.wait_all_tasks_blocked()
            setting.guard.revoke("local/a")
        (answer,) = answers
        assert isinstance(answer, Err)
        assert answer.value.name == "denied"
        assert peer.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(at)
    assert setting.guard.count_held("local/a") == 0


async def test_peers_wait_where_there_is_no_place(anyio_backend: str) -> None:
    """A component that holds all it may accepts none; a dropped one makes room."""
    setting = Setting(NetworkPolicy(connections=2, backlog=1), tcp_listen=[LOOPBACK])
    listener, at = await setting.listen()
    peers = [socket.create_connection(at) for _ in range(2)]
    first = await setting.call(setting.tcp, "[method]listener.accept", listener, 5_000)
    assert isinstance(first, Ok)
    full = await setting.call(setting.tcp, "[method]listener.accept", listener, 5_000)
    assert isinstance(full, Err)
    assert full.value.name == "limit-exceeded"
    assert "network.connections" in str(full.value.value)
    setting.tcp.resources["connection"].drop(first.value)
    again = await setting.call(setting.tcp, "[method]listener.accept", listener, 5_000)
    assert isinstance(again, Ok)
    for peer in peers:
        peer.close()
    setting.caller._close()


async def test_a_cancelled_accept_leaves_nothing(setting: Setting) -> None:
    """No place stays taken for a connection that did not come."""
    listener, _ = await setting.listen()
    with anyio.move_on_after(0.05) as scope:
        await setting.call(setting.tcp, "[method]listener.accept", listener, 60_000)
    assert scope.cancelled_caught
    assert setting.network.ledger.of("local/a").sockets == 1


def test_port_zero_is_for_listening_only() -> None:
    """It is an address to listen on, granted by its pattern, and none to connect to."""
    assert LISTEN.pattern("127.0.0.1:0").text == "127.0.0.1:0"
    with pytest.raises(InvalidResource):
        KINDS.resource("tcp:connect", "127.0.0.1:0")


@pytest.mark.parametrize(
    ("resource", "key"),
    [
        ("127.0.0.1:80", "lowest_port"),
        ("[::1]:9999", "reserved_ports"),
        ("127.0.0.1:8080", None),
        ("127.0.0.1:0", None),
    ],
)
def test_why_tells_of_ports_that_the_host_keeps(
    tmp_path: Path, resource: str, key: str | None
) -> None:
    """`airswasm why` asks the probe, and says what listening would."""
    services = Services()
    policy = NetworkPolicy(reserved_ports=(9999,))
    services.add(OslPolicy, OslPolicy(folders_below(tmp_path), network=policy))
    told = probe_port(services, "local/a", resource)
    assert (told is None) == (key is None)
    assert key is None or f"network.{key}" in str(told)
