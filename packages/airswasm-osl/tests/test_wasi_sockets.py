"""wasi:sockets without a guest: its states, its codes, and what is left when a guest ends."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from airswasm.osl import BLOCK, Doorman, Network, NetworkPolicy, WasiSockets
from airswasm.osl._effects import Effects
from airswasm.osl._network.places import Sockets
from airswasm.osl._wasi_sockets.codes import wasi_address
from airswasm.osl._wasi_sockets.streams import TcpInput, TcpOutput
from airswasm.runtime import Caller, Case, Engine, EngineConfig, Err, Ok, Trapped, WasiConfig
from airswasm.runtime.wasi import StreamClosed, StreamFailed
from airswasm.security import AuditEvent, EffectLines, Grants, Guard, Kinds
from airswasm.security.addresses import as_address

KINDS = Kinds(BLOCK.capabilities)
LOOPBACK = "127.0.0.1:*"

pytestmark = pytest.mark.anyio


class Address:
    """An `ipv4-socket-address`, as a guest gives it."""

    def __init__(self, host: str, port: int) -> None:
        found = as_address(host)
        assert found is not None
        self.family = wasi_address(found).name
        self.address, self.port = wasi_address(found).value, port

    @property
    def case(self) -> Case:
        return Case(self.family, self)


class Datagram:
    """An `outgoing-datagram`."""

    def __init__(self, data: bytes, remote: Address | None = None) -> None:
        self.data, self.remote_address = data, remote.case if remote else None


class Lines:
    """A sink that keeps what it was given."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def line(self, _caller: Caller, _stream: str, text: str) -> None:
        self.all.append(text)


class Guest:
    """The functions, called as one instance would."""

    def __init__(self, caller: Caller, lines: Lines) -> None:
        self.caller, self.lines = caller, lines
        self.guard = Guard(KINDS)
        self.told: list[tuple[str, ...]] = []
        effects = Effects(EffectLines(self, self.guard.line_of, written="every"))
        self.network = Network(Doorman(self.guard), NetworkPolicy(), effects=effects)
        self.functions = {
            name: function
            for interface in WasiSockets(self.network).interfaces()
            for name, function in interface.functions.items()
        }

    def record(self, event: AuditEvent) -> None:
        """Keep what an effect's line says, without its times and decision."""
        detail = [f"{name}={event.detail[name]}" for name in ("act", "in", "out", "reason")
                  if name in event.detail]  # fmt: skip
        reason = [event.reason] if event.reason else []
        self.told.append((event.capability, event.resource, event.outcome, *detail, *reason))

    def grant(self, **grants: Sequence[str]) -> None:
        allow = {name.replace("_", ":", 1): tuple(found) for name, found in grants.items()}
        self.guard.grant("local/a", Grants(allow))

    def __call__(self, name: str, *arguments: object) -> object:
        if "." in name:
            name = f"[method]{name}"
        answer = self.functions[name](self.caller, *arguments)
        return answer.value if isinstance(answer, Ok) else answer

    def create(self, kind: str = "tcp", family: str = "ipv4") -> object:
        made = self(f"create-{kind}-socket", family)
        assert not isinstance(made, Err), made
        return made

    async def connect(self, at: tuple[str, int]) -> tuple[object, TcpInput, TcpOutput]:
        opened = self.create()
        assert self("tcp-socket.start-connect", opened, None, Address(*at).case) is None
        await ready(self("tcp-socket.subscribe", opened))
        streams = self("tcp-socket.finish-connect", opened)
        assert isinstance(streams, tuple), streams
        return opened, *streams

    def listen(self, host: str = "127.0.0.1") -> tuple[object, tuple[str, int]]:
        opened = self.create()
        for name, *arguments in (
            ("start-bind", None, Address(host, 0).case),
            ("finish-bind",),
            ("start-listen",),
            ("finish-listen",),
        ):
            assert self(f"tcp-socket.{name}", opened, *arguments) is None
        at = self("tcp-socket.local-address", opened)
        assert isinstance(at, Case)
        return opened, (host, at.value["port"])  # type: ignore[index]


async def ready(pollable: Any) -> None:
    while not pollable.is_ready():
        event = anyio.Event()
        unwatch = pollable.watch(event.set)
        await event.wait()
        unwatch()


@pytest.fixture
async def guest(anyio_backend: str, cache_folder: Path) -> AsyncIterator[Guest]:
    lines = Lines()
    async with Engine(EngineConfig(cache_folder=cache_folder)) as engine:
        component = await engine.load(b"\0asm\x0d\0\x01\0", name="empty")
        caller = Caller("local/a")
        await component.link(()).instantiate(caller=caller, wasi=WasiConfig(stderr=lines))
        yield Guest(caller, lines)
        caller._close()


async def read(stream: TcpInput, size: int = 100) -> bytes:
    """Read something, or the end as nothing."""
    while True:
        await ready(stream.pollable())
        try:
            if data := stream.read(size):
                return data
        except StreamClosed:
            return b""


async def read_on(stream: TcpInput) -> None:
    """Read to the end."""
    while await read(stream):
        pass


async def test_both_sides_of_a_connection(guest: Guest) -> None:
    """Connected, accepted, written, read, ended on one side; addresses are told after the end."""
    guest.grant(tcp_listen=[LOOPBACK], tcp_connect=[LOOPBACK])
    listener, at = guest.listen()
    assert guest("tcp-socket.accept", listener) == Err("would-block")
    assert guest("tcp-socket.is-listening", listener) is True
    client, received, sent = await guest.connect(at)
    await ready(guest("tcp-socket.subscribe", listener))
    accepted = guest("tcp-socket.accept", listener)
    assert isinstance(accepted, tuple)
    peer, peer_received, peer_sent = accepted
    sent.write(b"ping")
    assert await read(peer_received) == b"ping"
    peer_sent.write(b"pong")
    assert await read(received) == b"pong"
    assert guest("tcp-socket.shutdown", client, "send") is None
    assert await read(peer_received) == b""
    with pytest.raises(StreamClosed):
        sent.permit_bytes()
    peer.close()
    assert await read(received) == b""
    mine = guest("tcp-socket.local-address", client)
    assert mine == guest("tcp-socket.remote-address", peer)
    assert guest("tcp-socket.remote-address", client) == guest("tcp-socket.local-address", listener)


async def test_without_a_grant(guest: Guest) -> None:
    """Each step says `access-denied`, and the guest's stderr has the line that would grant it."""
    for name, at, line in (
        ("tcp-socket.start-connect", Address("127.0.0.1", 80), "tcp.connect"),
        ("tcp-socket.start-bind", Address("127.0.0.1", 8080), "tcp.listen"),
        ("tcp-socket.start-bind", Address("0.0.0.0", 8080), "tcp.listen"),
    ):
        assert guest(name, guest.create(), None, at.case) == Err("access-denied")
        assert f'{line} = ["' in guest.lines.all[-1]
    opened = guest.create("udp")
    at = Address("127.0.0.1", 5353)
    assert guest("udp-socket.start-bind", opened, None, at.case) == Err("access-denied")
    anywhere = guest.create()
    assert guest("tcp-socket.start-bind", anywhere, None, Address("0.0.0.0", 0).case) is None
    assert guest("tcp-socket.finish-bind", anywhere) is None
    assert guest("tcp-socket.start-listen", anywhere) == Err("access-denied")


@pytest.mark.parametrize("name", ["finish-bind", "finish-connect", "finish-listen"])
async def test_ends_without_a_start(guest: Guest, name: str) -> None:
    """WASI has a code of its own for them."""
    assert guest(f"tcp-socket.{name}", guest.create()) == Err("not-in-progress")


@pytest.mark.parametrize("name", ["start-listen", "accept", "local-address", "remote-address"])
async def test_steps_before_their_time(guest: Guest, name: str) -> None:
    """A socket that was only made has no address and no peers."""
    assert guest(f"tcp-socket.{name}", guest.create()) == Err("invalid-state")


@pytest.mark.parametrize(
    ("family", "host", "port"),
    [("ipv4", "::1", 80), ("ipv6", "127.0.0.1", 80), ("ipv6", "::ffff:127.0.0.1", 80),
     ("ipv4", "127.0.0.1", 0), ("ipv4", "0.0.0.0", 80), ("ipv6", "::", 80)],
)  # fmt: skip
async def test_addresses_to_connect_to(guest: Guest, family: str, host: str, port: int) -> None:
    """Of the socket's family, without another inside, and of a host and a port."""
    guest.grant(tcp_connect=["**"])
    opened = guest.create(family=family)
    at = Address(host, port).case
    assert guest("tcp-socket.start-connect", opened, None, at) == Err("invalid-argument")


async def test_a_port_without_a_listener(guest: Guest) -> None:
    """The code says so, and nothing is left."""
    guest.grant(tcp_connect=[LOOPBACK])
    with socket.create_server(("127.0.0.1", 0)) as unused:
        at = unused.getsockname()
    opened = guest.create()
    guest("tcp-socket.start-connect", opened, None, Address(*at).case)
    await ready(guest("tcp-socket.subscribe", opened))
    assert guest("tcp-socket.finish-connect", opened) == Err("connection-refused")
    assert len(Sockets.of(guest.caller)) == 0


async def test_a_peer_that_does_not_answer(guest: Guest) -> None:
    """Connecting ends after `connect_timeout`, and a guest that waits is woken."""
    guest.grant(tcp_connect=[LOOPBACK])
    guest.network.policy = NetworkPolicy(connect_timeout=0.05)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        opened = guest.create()
        guest("tcp-socket.start-connect", opened, None, Address(*full.getsockname()).case)
        with anyio.fail_after(20):
            await ready(guest("tcp-socket.subscribe", opened))
        assert guest("tcp-socket.finish-connect", opened) == Err("timeout")
        for filler in fillers:
            filler.close()
    assert len(Sockets.of(guest.caller)) == 0


async def test_options(guest: Guest) -> None:
    """Those that WASI has are set, and nothing is no value."""
    opened = guest.create()
    for name, value in (
        ("keep-alive-idle-time", 7_000_000_000),
        ("keep-alive-interval", 3_000_000_000),
        ("keep-alive-count", 5),
        ("hop-limit", 9),
    ):
        assert guest(f"tcp-socket.set-{name}", opened, value) is None
        assert guest(f"tcp-socket.{name}", opened) == value
        assert guest(f"tcp-socket.set-{name}", opened, 0) == Err("invalid-argument")
    assert guest("tcp-socket.set-keep-alive-enabled", opened, True) is None
    assert guest("tcp-socket.keep-alive-enabled", opened) is True
    for name in ("receive-buffer-size", "send-buffer-size"):
        assert guest(f"tcp-socket.set-{name}", opened, 2**40) is None
        size = guest(f"tcp-socket.{name}", opened)
        assert isinstance(size, int)
        assert 0 < size <= 512 * 1024
    assert guest("tcp-socket.address-family", opened) == "ipv4"


async def test_a_pair_of_sockets(guest: Guest) -> None:
    """A library's `socketpair` takes no grant, and the port is no door for other programs."""
    listener, at = guest.listen()
    with socket.create_connection(at) as stranger:
        await ready(guest("tcp-socket.subscribe", listener))
        assert guest("tcp-socket.accept", listener) == Err("would-block")
        assert stranger.recv(1) == b""
    _, received, _ = await guest.connect(at)
    await ready(guest("tcp-socket.subscribe", listener))
    accepted = guest("tcp-socket.accept", listener)
    assert isinstance(accepted, tuple)
    accepted[2].write(b"x")
    assert await read(received) == b"x"
    listener.close()  # type: ignore[attr-defined]
    with socket.create_server(at):
        denied = guest("tcp-socket.start-connect", guest.create(), None, Address(*at).case)
    assert denied == Err("access-denied"), "the port belongs to another program now"


async def test_a_slow_peer_slows_its_guest(guest: Guest) -> None:
    """What it does not take is one permit at most, on the account, and passed on as it reads."""
    guest.grant(tcp_connect=[LOOPBACK])
    with socket.create_server(("127.0.0.1", 0)) as server:
        opened, _, sent = await guest.connect(server.getsockname())
        peer, _ = server.accept()
        written = 0
        before = guest.caller.account.held_bytes
        while permit := sent.permit_bytes():
            sent.write(bytes(permit))
            written += permit
        assert 0 < guest.caller.account.held_bytes - before <= 64 * 1024
        assert not sent.pollable().is_ready()
        got = bytearray()
        opened.close()  # type: ignore[attr-defined]

        def drain() -> None:
            with peer:
                while data := peer.recv(65_536):
                    got.extend(data)

        with anyio.fail_after(60):
            await anyio.to_thread.run_sync(drain)
        assert len(got) == written, "what was written before the socket was dropped arrives"
    assert len(Sockets.of(guest.caller)) == 0


async def test_the_end_of_an_instance_closes_everything(guest: Guest) -> None:
    """In the middle of connecting, listening, writing, looking up: no socket is left."""
    guest.grant(tcp_connect=[LOOPBACK], tcp_listen=[LOOPBACK], dns_resolve=["**"])
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, received, sent = await guest.connect(server.getsockname())
        peer, _ = server.accept()
        while permit := sent.permit_bytes():
            sent.write(bytes(permit))
        watched = received.pollable().watch(lambda: None)
        _, at = guest.listen()
        guest("tcp-socket.start-connect", guest.create(), None, Address(*at).case)
        guest.create("udp")
        lookup = guest("resolve-addresses", None, "localhost")
        guest.caller._close()
        assert len(Sockets.of(guest.caller)) == 0
        with peer, contextlib.suppress(ConnectionResetError):
            while peer.recv(65_536):
                pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(at)
    watched()
    assert guest.guard.count_held("local/a") == 0
    assert lookup is not None


async def test_a_grant_that_ends_closes_connections(guest: Guest) -> None:
    """A waiting guest is woken, and is told."""
    guest.grant(tcp_connect=[LOOPBACK])
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, received, sent = await guest.connect(server.getsockname())
        woken = anyio.Event()
        received.pollable().watch(woken.set)
        await anyio.wait_all_tasks_blocked()
        guest.guard.revoke("local/a")
        with anyio.fail_after(20):
            await woken.wait()
        with pytest.raises(StreamFailed) as failed:
            received.read(10)
        assert failed.value.error.network_code == "access-denied"
        with pytest.raises(StreamFailed):
            sent.write(b"x")


async def test_sockets_are_counted(guest: Guest) -> None:
    """Of whatever kind; a dropped one makes room."""
    guest.network.policy = NetworkPolicy(connections=2)
    first = guest.create()
    guest.create("udp", "ipv6")
    for kind in ("tcp", "udp"):
        assert guest(f"create-{kind}-socket", "ipv4") == Err("new-socket-limit")
    first.close()  # type: ignore[attr-defined]
    first.close()  # type: ignore[attr-defined]
    guest.create()


async def test_datagrams_of_peers_only(guest: Guest) -> None:
    """A client's port is no open door: what it did not send to does not reach the guest."""
    guest.grant(udp_send=[LOOPBACK])
    opened, received, sent = bound(guest)
    with udp() as server, udp() as stranger:
        assert guest("outgoing-datagram-stream.check-send", sent)
        to = Address(*server.getsockname())
        assert guest("outgoing-datagram-stream.send", sent, [Datagram(b"ping", to)]) == 1
        data, client = server.recvfrom(100)
        assert data == b"ping"
        stranger.sendto(b"forged", client)
        server.sendto(b"pong", client)
        found: list[object] = []
        while not found:
            await ready(guest("incoming-datagram-stream.subscribe", received))
            answer = guest("incoming-datagram-stream.receive", received, 10)
            assert isinstance(answer, list)
            found += [each["data"] for each in answer]
        assert found == [b"pong"]
    assert guest("udp-socket.remote-address", opened) == Err("invalid-state")


async def test_datagrams_that_are_refused(guest: Guest) -> None:
    """Without a grant, without a peer, too large, to another peer, more than was permitted."""
    guest.grant(udp_send=[LOOPBACK])
    opened, _, sent = bound(guest)
    send, check = "outgoing-datagram-stream.send", "outgoing-datagram-stream.check-send"
    with udp() as server, udp() as other:
        to = Address(*server.getsockname())
        guest(check, sent)
        elsewhere = Datagram(b"x", Address("10.0.0.1", 53))
        assert guest(send, sent, [elsewhere]) == Err("access-denied")
        assert guest(send, sent, [Datagram(b"x")]) == Err("invalid-argument")
        assert guest(send, sent, [Datagram(bytes(65_508), to)]) == Err("datagram-too-large")
        assert guest(send, sent, [Datagram(b"x", to), elsewhere]) == 1
        with pytest.raises(Trapped, match="check-send permits"):
            guest(send, sent, [Datagram(b"x", to)] * 17)
        streams = guest("udp-socket.stream", opened, to.case)
        assert isinstance(streams, tuple)
        guest(check, streams[1])
        assert guest(send, streams[1], [Datagram(b"y")]) == 1
        another = Datagram(b"x", Address(*other.getsockname()))
        assert guest(send, streams[1], [another]) == Err("invalid-argument")
        assert guest("udp-socket.stream", opened, None) == Err("not-supported")


def bound(guest: Guest) -> tuple[object, object, object]:
    opened = guest.create("udp")
    anywhere = Address("0.0.0.0", 0).case
    assert guest("udp-socket.start-bind", opened, None, anywhere) is None
    assert guest("udp-socket.finish-bind", opened) is None
    streams = guest("udp-socket.stream", opened, None)
    assert isinstance(streams, tuple)
    return opened, *streams


def udp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(60)
    return made


async def test_names(guest: Guest) -> None:
    """An answer that is waited for, then its end; a denial, an unknown name, too many at once."""
    guest.grant(tcp_connect=["localhost:80"])
    looked_up = guest("resolve-addresses", None, "localhost")
    await ready(guest("resolve-address-stream.subscribe", looked_up))
    found = []
    while (answer := guest("resolve-address-stream.resolve-next-address", looked_up)) is not None:
        found.append(answer)
    assert Case("ipv4", (127, 0, 0, 1)) in found
    for name, code in (("example.com", "access-denied"), ("127.1", "invalid-argument")):
        refused = guest("resolve-addresses", None, name)
        await ready(guest("resolve-address-stream.subscribe", refused))
        answer = guest("resolve-address-stream.resolve-next-address", refused)
        assert answer == Err(code)
    assert "dns.resolve" in guest.lines.all[-1]
    answers = [guest("resolve-addresses", None, "localhost") for _ in range(9)]
    assert answers[-1] == Err("temporary-resolver-failure")


async def test_a_rate_holds(guest: Guest) -> None:
    """A component that has used up its second waits, with what it reads and with what it writes."""
    guest.grant(tcp_connect=[LOOPBACK])
    rate = 100_000
    guest.network.policy = NetworkPolicy(bytes_per_second=rate)
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, received, sent = await guest.connect(server.getsockname())
        peer, _ = server.accept()
        threading.Thread(target=lambda: peer.sendall(bytes(3 * rate)), daemon=True).start()
        began, got = anyio.current_time(), 0
        while got < 2 * rate:
            got += len(await read(received, 65_536))
        assert anyio.current_time() - began >= 0.9, "one second's bytes are there at once"
        assert guest.network.ledger.of("local/a").received_bytes == got
        sent.write(b"x" * 10_000)
        with anyio.fail_after(60):
            await ready(sent.pollable())
        peer.close()


async def test_all_bytes_are_bounded(guest: Guest) -> None:
    """After `total_bytes` nothing moves, also for the component's next instance."""
    guest.grant(tcp_connect=[LOOPBACK])
    guest.network.policy = NetworkPolicy(total_bytes=1_000)
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, received, sent = await guest.connect(server.getsockname())
        peer, _ = server.accept()
        sent.write(bytes(600))
        peer.sendall(bytes(600))
        assert len(await read(received, 1_000)) == 400
        with pytest.raises(StreamFailed, match=r"network\.total_bytes"):
            received.read(1_000)
        with pytest.raises(StreamFailed, match=r"network\.total_bytes"):
            sent.write(b"x")
        peer.close()


@pytest.mark.parametrize(
    ("key", "reason"), [("idle_timeout", "idle"), ("longest_connection", "open")]
)
async def test_connections_end(guest: Guest, key: str, reason: str) -> None:
    """One without a byte, and one that lives too long however it drips; the guest is told why."""
    guest.grant(tcp_connect=[LOOPBACK])
    guest.network.policy = NetworkPolicy(**{key: 0.1})
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, received, _ = await guest.connect(server.getsockname())
        peer, _ = server.accept()
        over = threading.Event()

        def drip() -> None:
            while not over.wait(0.01):
                try:
                    peer.send(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=drip if reason == "open" else over.wait)
        thread.start()
        with anyio.fail_after(60), pytest.raises(StreamFailed, match=rf"{reason}.*network\.{key}"):
            await read_on(received)
        over.set()
        await anyio.to_thread.run_sync(thread.join)
        peer.close()
    assert len(Sockets.of(guest.caller)) == 0


async def test_an_idle_connection_that_is_used_stays(guest: Guest) -> None:
    """Each byte starts the time anew."""
    guest.grant(tcp_connect=[LOOPBACK])
    guest.network.policy = NetworkPolicy(idle_timeout=5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        opened, _, sent = await guest.connect(server.getsockname())
        connection = opened._opened  # type: ignore[attr-defined]
        connection._active_at -= 4.9
        sent.write(b"x")
        assert anyio.current_time() - connection._active_at < 4
        connection._watch()
        assert not connection.is_closed
        connection._active_at -= 5
        connection._watch()
        assert connection.is_closed


async def test_a_reset(guest: Guest) -> None:
    """A peer that resets is told as such, to a reader and to a writer."""
    guest.grant(tcp_connect=[LOOPBACK])
    with socket.create_server(("127.0.0.1", 0)) as server:
        _, received, sent = await guest.connect(server.getsockname())
        peer, _ = server.accept()
        linger = b"\1\0\0\0\0\0\0\0"
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        peer.close()
        await ready(received.pollable())
        with pytest.raises(StreamFailed) as failed:
            received.read(10)
        assert failed.value.error.network_code == "connection-reset"
        with pytest.raises(StreamFailed):
            sent.write(b"x")


async def test_what_the_audit_log_says(guest: Guest) -> None:
    """One line for each connection, both ways, each peer and each name, with bytes or a reason."""
    guest.grant(tcp_listen=[LOOPBACK], tcp_connect=["localhost:*", LOOPBACK], udp_send=[LOOPBACK])
    listener, at = guest.listen()
    client, received, sent = await guest.connect(at)
    await ready(guest("tcp-socket.subscribe", listener))
    accepted = guest("tcp-socket.accept", listener)
    assert isinstance(accepted, tuple)
    sent.write(b"12345")
    assert await read(accepted[1]) == b"12345"
    accepted[2].write(b"678")
    assert await read(received) == b"678"
    address = "{}:{}".format(*at)
    for each in (client, accepted[0], listener):
        each.close()  # type: ignore[attr-defined]
    opened = guest.create()
    guest("tcp-socket.start-connect", opened, None, Address(*at).case)
    await ready(guest("tcp-socket.subscribe", opened))
    assert guest("tcp-socket.finish-connect", opened) == Err("connection-refused")
    datagrams, incoming, outgoing = bound(guest)
    with udp() as server:
        to = "{}:{}".format(*server.getsockname())
        guest("outgoing-datagram-stream.check-send", outgoing)
        ping = Datagram(b"ping", Address(*server.getsockname()))
        assert guest("outgoing-datagram-stream.send", outgoing, [ping] * 2) == 2
        server.sendto(b"pong!", server.recvfrom(9)[1])
        await ready(guest("incoming-datagram-stream.subscribe", incoming))
        guest("incoming-datagram-stream.receive", incoming, 9)
    datagrams.close()  # type: ignore[attr-defined]
    looked_up = guest("resolve-addresses", None, "localhost")
    await ready(guest("resolve-address-stream.subscribe", looked_up))
    at_any = "127.0.0.1:0"
    assert guest.told[:5] == [
        ("tcp:connect", address, "done", "in=3", "out=5"),
        ("tcp:listen", at_any, "done", "act=accept", "in=5", "out=3"),
        ("tcp:listen", at_any, "done"),
        guest.told[3],
        ("udp:send", to, "done", "in=5", "out=8"),
    ]
    assert guest.told[3][:3] == ("tcp:connect", address, "failed")
    (name,) = guest.told[5:]
    assert name[0] == "tcp:connect"
    assert name[1].startswith("localhost:")
    assert name[2:] == ("done", "act=resolve")


async def test_what_the_host_refuses_is_told(guest: Guest) -> None:
    """The guard allowed it; the line says that the host did not, and why."""
    guest.grant(tcp_listen=["**"], tcp_connect=["**"])
    inside, low = Address("127.0.0.1", 9), Address("127.0.0.1", 80)
    refused = guest("tcp-socket.start-connect", guest.create(), None, inside.case)
    assert refused == Err("access-denied")
    assert guest("tcp-socket.start-bind", guest.create(), None, low.case) == Err("access-denied")
    connect, listen = guest.told
    assert connect[:3] == ("tcp:connect", "127.0.0.1:9", "deny")
    assert "loopback" in connect[3]
    assert listen[:3] == ("tcp:listen", "127.0.0.1:80", "deny")
    assert "network.lowest_port" in listen[3]
