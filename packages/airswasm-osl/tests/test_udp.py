"""One datagram out, one back, from the peer that was asked."""

from __future__ import annotations

import socket
import threading

import pytest
from airswasm.osl import BLOCK, Doorman, Network, NetworkPolicy, Udp
from airswasm.osl._network.traffic import DATAGRAM_BYTES, Ledger
from airswasm.runtime import Caller, Case, Err, Ok
from airswasm.security import Grants, Guard, Kinds

KINDS = Kinds(BLOCK.capabilities)

pytestmark = pytest.mark.anyio


def exchange(grant: str, address: str, data: bytes, timeout_ms: int = 2_000):  # type: ignore[no-untyped-def]
    guard = Guard(KINDS, {"local/a": Grants({"udp:send": (grant,)})})
    udp = Udp(Network(Doorman(guard), NetworkPolicy())).interface()
    return udp.functions["exchange"](Caller("local/a"), address, data, timeout_ms)


async def test_an_exchange(anyio_backend: str) -> None:
    """The answer of the peer is the result; datagrams of strangers are not."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def serve() -> None:
            data, peer = server.recvfrom(65536)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(b"forged", peer)
            server.sendto(data.upper(), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert await exchange(address, address, b"ping") == Ok(b"PING")
        thread.join()


async def test_no_answer_times_out(anyio_backend: str) -> None:
    """A lost datagram costs the given time and no more."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert await exchange(address, address, b"ping", 20) == Err(Case("timed-out"))


async def test_a_port_without_a_listener(anyio_backend: str) -> None:
    """A closed port is told as such."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    answer = await exchange(address, address, b"ping")
    assert isinstance(answer, Err)
    assert answer.value.name == "disconnected"


async def test_what_is_refused(anyio_backend: str) -> None:
    """Loopback under a wildcard, and more than a datagram holds."""
    answer = await exchange("**", "127.0.0.1:9", b"")
    assert isinstance(answer, Err)
    assert answer.value.name == "denied"
    answer = await exchange("127.0.0.1:9", "127.0.0.1:9", b"x" * 70_000)
    assert isinstance(answer, Err)
    assert answer.value.name == "limit-exceeded"


async def test_a_rate_holds_for_large_datagrams(anyio_backend: str) -> None:
    """A datagram moves as a whole, and the next waits until the rate has paid for it."""
    ledger = Ledger(NetworkPolicy(bytes_per_second=1_000))
    assert ledger.room_bytes("local/a", 1) == 1
    ledger.note_sent("local/a", DATAGRAM_BYTES)
    assert ledger.room_bytes("local/a", 1) == 0
    assert ledger.delay("local/a") > 60


async def test_what_moved_without_a_rate_is_not_owed(anyio_backend: str) -> None:
    """An operator who sets one stops no component for hours."""
    ledger = Ledger(NetworkPolicy(bytes_per_second=0))
    ledger.note_sent("local/a", 10**12)
    ledger.policy = NetworkPolicy(bytes_per_second=100_000)
    assert ledger.delay("local/a") < 2
