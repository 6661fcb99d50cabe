"""An address that a name led to is permitted as that name is, for this instance and for a while."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Sequence
from ipaddress import ip_address

import anyio
import pytest
from airswasm.osl import BLOCK, Dns, Doorman, Network, NetworkPolicy
from airswasm.osl._network.gate import CONNECT, Gate
from airswasm.osl._network.names import RememberedNames
from airswasm.osl.errors import AccessDenied, AddressRefused, LimitReached, Malformed, NotFound
from airswasm.runtime import Caller, Err, Ok
from airswasm.security import ForbiddenLayer, Grants, Guard, Kinds
from airswasm.wit import Forbidden
from hypothesis import given
from hypothesis import strategies as st

KINDS = Kinds(BLOCK.capabilities)
FIRST, SECOND, STRANGER = (ip_address(f"93.184.216.{last}") for last in (34, 35, 36))
INSIDE = (
    "127.0.0.1",
    "10.0.0.1",
    "169.254.169.254",
    "::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
)
UNREADABLE = (
    "2130706433", "127.1", "0x7f.1", "0177.0.0.1", "①②⑦.0.0.1", "ⓛocalhost", "a b", "a\0b", "",
    ".", "a..b", "user@a", "a:80", "[::1", "fe80::1%eth0",
)  # fmt: skip

pytestmark = pytest.mark.anyio


class Names:
    """A resolver whose answers a test changes."""

    def __init__(self, **answers: Sequence[str]) -> None:
        self.answers = {name.replace("_", "."): tuple(found) for name, found in answers.items()}

    async def resolve(self, host: str, _port: int) -> Sequence[str]:
        if host not in self.answers:
            raise OSError(f"no {host}")
        return self.answers[host]


def gate_of(names: Names, policy: NetworkPolicy | None = None, **grants: Sequence[str]) -> Gate:
    allow = {name.replace("_", ":", 1): tuple(found) for name, found in grants.items()}
    guard = Guard(KINDS, {"local/a": Grants(allow)})
    doorman = Doorman(guard, resolve=names.resolve)
    return Network(doorman, policy or NetworkPolicy()).gate


async def test_a_name_opens_its_addresses() -> None:
    """At the granted port, for the instance that looked it up; nothing else is opened by it."""
    names = Names(db_example=[str(FIRST), str(SECOND)])
    gate = gate_of(names, tcp_connect=["db.example:5432"])
    caller = Caller("local/a")
    with pytest.raises(AccessDenied):
        gate.permit(caller, CONNECT, FIRST, 5432)
    assert list(await gate.resolve(caller, "DB.example")) == [FIRST, SECOND]
    assert gate.permit(caller, CONNECT, SECOND, 5432).host == "db.example"
    for stranger, address, port in (
        (caller, FIRST, 5433),
        (caller, STRANGER, 5432),
        (Caller("local/a"), FIRST, 5432),
    ):
        with pytest.raises(AccessDenied):
            gate.permit(stranger, CONNECT, address, port)


async def test_a_name_that_moves_takes_its_permit_along() -> None:
    """After the next look-up the old address is closed, and the new one is checked."""
    names = Names(a_example=[str(FIRST)])
    gate = gate_of(names, tcp_connect=["a.example:80"])
    caller = Caller("local/a")
    await gate.resolve(caller, "a.example")
    names.answers["a.example"] = (str(SECOND),)
    gate.permit(caller, CONNECT, FIRST, 80)
    await gate.resolve(caller, "a.example")
    gate.permit(caller, CONNECT, SECOND, 80)
    with pytest.raises(AccessDenied):
        gate.permit(caller, CONNECT, FIRST, 80)


@pytest.mark.parametrize("inside", INSIDE)
async def test_a_name_that_rebinds_to_the_inside(inside: str) -> None:
    """The look-up is refused as a whole, and what was known of the name is no way in."""
    names = Names(evil_example=[str(FIRST)])
    gate = gate_of(names, tcp_connect=["evil.example:80", "*.example:80"])
    caller = Caller("local/a")
    await gate.resolve(caller, "evil.example")
    names.answers["evil.example"] = (str(SECOND), inside)
    with pytest.raises(AddressRefused):
        await gate.resolve(caller, "evil.example")
    for address in (ip_address(inside), SECOND):
        with pytest.raises(AccessDenied):
            gate.permit(caller, CONNECT, address, 80)


async def test_an_answer_to_look_at_opens_nothing() -> None:
    """`dns.resolve` tells an address inside the host's networks; no connection leads there."""
    gate = gate_of(
        Names(db_internal=["10.0.0.5"]), dns_resolve=["**"], tcp_connect=["*.internal:5432"]
    )
    caller = Caller("local/a")
    assert list(await gate.resolve(caller, "db.internal")) == [ip_address("10.0.0.5")]
    with pytest.raises(AccessDenied):
        gate.permit(caller, CONNECT, ip_address("10.0.0.5"), 5432)


async def test_names_expire() -> None:
    """With a time of nothing the address is closed at once."""
    gate = gate_of(
        Names(a_example=[str(FIRST)]), NetworkPolicy(lookup_seconds=0), tcp_connect=["a.example:80"]
    )
    caller = Caller("local/a")
    await gate.resolve(caller, "a.example")
    with pytest.raises(AccessDenied):
        gate.permit(caller, CONNECT, FIRST, 80)
    assert len(RememberedNames.of(caller)) == 0


async def test_names_are_bounded() -> None:
    """The oldest gives way, and a name looked up again is the youngest."""
    names = Names()
    names.answers = {f"{each}.example": (str(FIRST),) for each in "abcd"}
    gate = gate_of(names, NetworkPolicy(lookups=3), tcp_connect=["*.example:80"])
    caller = Caller("local/a")
    for name in "abcad":
        await gate.resolve(caller, f"{name}.example")
    found = RememberedNames.of(caller).names_at(FIRST)
    assert found == ("d.example", "a.example", "c.example")


async def test_a_denied_address_is_denied_under_its_name() -> None:
    """A rule about the address holds whatever name led there."""
    gate = gate_of(Names(a_example=[str(FIRST)]), tcp_connect=["a.example:80"])
    caller = Caller("local/a")
    await gate.resolve(caller, "a.example")
    gate._guard.add_layer(ForbiddenLayer(KINDS, [Forbidden("it", "tcp", (f"{FIRST}:*",))]))
    with pytest.raises(AccessDenied, match="forbidden"):
        gate.permit(caller, CONNECT, FIRST, 80)


@pytest.mark.parametrize(
    ("grants", "is_allowed"),
    [
        ({"dns_resolve": ["*.example"]}, True),
        ({"tcp_connect": ["a.example:*"]}, True),
        ({"udp_send": ["a.example:53"]}, True),
        ({"tcp_connect": ["**"]}, True),
        ({"tcp_connect": ["b.example:443"], "dns_resolve": ["b.example"]}, False),
        ({"http_request": ["https://a.example/**"]}, False),
        ({"tcp_listen": ["**"]}, False),
        ({}, False),
    ],
)
async def test_what_a_look_up_takes(grants: dict[str, list[str]], is_allowed: bool) -> None:
    """A grant for the name, at whatever port, or `dns.resolve`; the denial names that."""
    gate = gate_of(Names(a_example=[str(FIRST)]), **grants)
    caller = Caller("local/a")
    if is_allowed:
        assert list(await gate.resolve(caller, "a.example")) == [FIRST]
        return
    with pytest.raises(AccessDenied, match=r'dns\.resolve = \[.*"a\.example"\]'):
        await gate.resolve(caller, "a.example")


async def test_spellings_of_names() -> None:
    """An address is its own answer and opens nothing; what has no safe reading is refused."""
    gate = gate_of(Names(), tcp_connect=["**"])
    caller = Caller("local/a")
    assert list(await gate.resolve(caller, "127.0.0.1")) == [ip_address("127.0.0.1")]
    with pytest.raises(AccessDenied):
        gate.permit(caller, CONNECT, ip_address("127.0.0.1"), 80)
    for text in UNREADABLE:
        with pytest.raises((Malformed, NotFound)):
            await gate.resolve(caller, text)


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4))
async def test_only_addresses_of_the_answer_are_open(answer: bytes, asked: bytes) -> None:
    """Whatever a public name answers: another address is not permitted by it."""
    first, other = ip_address(answer), ip_address(asked)
    gate = gate_of(Names(a_example=[str(first)]), tcp_connect=["a.example:80"])
    caller = Caller("local/a")
    with contextlib.suppress(AddressRefused):
        await gate.resolve(caller, "a.example")
    try:
        gate.permit(caller, CONNECT, other, 80)
    except AccessDenied:
        return
    assert other == first
    assert first.is_global


async def test_the_interface_for_names() -> None:
    """Addresses as texts; an unknown name as an error."""
    guard = Guard(KINDS, {"local/a": Grants({"dns:resolve": ("**",)})})
    names = Names(a_example=[str(FIRST), "2606:2800::1"])
    dns = Dns(Network(Doorman(guard, resolve=names.resolve), NetworkPolicy())).interface()
    resolve = dns.functions["resolve"]
    answer = await resolve(Caller("local/a"), "a.example", 0)  # type: ignore[misc]
    assert answer == Ok([str(FIRST), "2606:2800::1"])
    answer = await resolve(Caller("local/a"), "b.example", 0)  # type: ignore[misc]
    assert isinstance(answer, Err)
    assert answer.value.name == "not-found"


async def test_look_ups_that_do_not_end_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of names that does not answer costs a component few threads, and no other one."""
    over, begun = threading.Event(), threading.Semaphore(0)

    def never(*_args: object, **_options: object) -> list[object]:
        begun.release()
        over.wait(60)
        return []

    async def give_up(component: str) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(gate.resolve, Caller(component), "slow.example")
            await anyio.to_thread.run_sync(begun.acquire)
            group.cancel_scope.cancel()

    monkeypatch.setattr(socket, "getaddrinfo", never)
    guard = Guard(
        KINDS, {each: Grants({"dns:resolve": ("**",)}) for each in ("local/a", "local/b")}
    )
    gate = Network(Doorman(guard), NetworkPolicy()).gate
    try:
        for _ in range(4):
            await give_up("local/a")
        with pytest.raises(LimitReached, match="not ended"):
            await gate.resolve(Caller("local/a"), "slow.example")
        await give_up("local/b")
    finally:
        over.set()
