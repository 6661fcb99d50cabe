"""Where a name leads is checked, however it is spelt or wrapped."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, ip_address

import pytest
from airswasm.osl import BLOCK, Doorman, Endpoint
from airswasm.osl._network.addresses import named_hosts
from airswasm.osl.errors import AccessDenied, Malformed, NotFound
from airswasm.security import Grants, Guard, Kinds
from airswasm.security.addresses import innermost, problem_with
from hypothesis import given
from hypothesis import strategies as st

KINDS = Kinds(BLOCK.capabilities)

pytestmark = pytest.mark.anyio

INSIDE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "::127.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:db8::1",
]
OUTSIDE = ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
SPELLINGS = [
    "2130706433:80",
    "0177.0.0.1:80",
    "127.1:80",
    "0x7f.1:80",
    "0:80",
    "①②⑦.0.0.1:80",
    "ⓛocalhost:80",
    "127.0.0.1:0",
    "127.0.0.1:99999",
    "127.0.0.1",
    "user@host:80",
    "host\\@evil:80",
    "host#@evil:80",
    "host:80 ",
    "ho st:80",
    "host\t:80",
    "[::1:80",
    "::1:80",
    "[fe80::1%eth0]:80",
    "[::0001]:80",
    "-host:80",
    "host-.:80",
    ":80",
]


def doorman(
    *answers: str, grants: Sequence[str] = ("**",), internal: Sequence[str] = ()
) -> Doorman:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        if not answers:
            raise OSError("unknown")
        return answers

    guard = Guard(KINDS, {"local/a": Grants({"tcp:connect": tuple(grants)})})
    return Doorman(guard, internal, resolve)


async def reached(door: Doorman, address: str) -> list[str]:
    endpoint = Endpoint.read(address)
    return [
        str(a)
        for a in await door.addresses("local/a", "tcp:connect", address, endpoint, endpoint.at)
    ]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_have_a_problem(address: str) -> None:
    """Loopback, private, link-local, reserved and the rest, also when they are wrapped."""
    assert problem_with(ip_address(address)) is not None


@pytest.mark.parametrize("address", OUTSIDE)
def test_addresses_outside_have_none(address: str) -> None:
    """What is out in the world may be reached."""
    assert problem_with(ip_address(address)) is None


@given(st.integers(0, 2**32 - 1))
def test_wrapping_hides_nothing(number: int) -> None:
    """An IPv4 address is judged the same in each of its IPv6 wrappings."""
    inner = IPv4Address(number)
    wrapped = [
        ip_address(f"::ffff:{inner}"),
        ip_address((0x64FF9B << 96) | number),
        ip_address((0x2002 << 112) | (number << 80)),
    ]
    assert {innermost(address) for address in wrapped} == {inner}
    assert {problem_with(address) for address in wrapped} == {problem_with(inner)}


@pytest.mark.parametrize("address", SPELLINGS)
def test_odd_spellings_are_no_addresses(address: str) -> None:
    """Only ASCII names and canonical IP addresses have a reading."""
    with pytest.raises(Malformed):
        Endpoint.read(address)


@pytest.mark.parametrize("answer", INSIDE)
async def test_a_name_that_leads_inside_is_refused(answer: str, anyio_backend: str) -> None:
    """A public name with a private address is an attack on the host's network."""
    with pytest.raises(AccessDenied):
        await reached(doorman(answer), "rebind.example:80")


async def test_one_bad_answer_spoils_all(anyio_backend: str) -> None:
    """A resolver cannot slip an address in between good ones."""
    with pytest.raises(AccessDenied):
        await reached(doorman("1.1.1.1", "127.0.0.1"), "mixed.example:80")
    assert await reached(doorman("1.1.1.1", "8.8.8.8"), "good.example:80") == [
        "1.1.1.1",
        "8.8.8.8",
    ]


async def test_an_inside_address_must_be_granted_by_itself(anyio_backend: str) -> None:
    """A wildcard does not open this host; naming the address does."""
    for grants in (("**",), ("*:80",), ("127.0.0.*:80",)):
        with pytest.raises(AccessDenied):
            await reached(doorman(grants=grants), "127.0.0.1:80")
    for grants in (("127.0.0.1:80",), ("127.0.0.1:*",)):
        assert await reached(doorman(grants=grants), "127.0.0.1:80") == ["127.0.0.1"]
    assert await reached(doorman("::1", grants=("localhost:80",)), "localhost:80") == ["::1"]
    with pytest.raises(AccessDenied):
        await reached(doorman("10.0.0.1", grants=("localhost:80",)), "localhost:80")
    with pytest.raises(AccessDenied):
        await reached(doorman("127.0.0.1", grants=("db.example:80",)), "db.example:80")
    with pytest.raises(AccessDenied):
        await reached(doorman(grants=("0.0.0.0:80",)), "0.0.0.0:80")


async def test_the_host_can_open_a_network(anyio_backend: str) -> None:
    """`internal_networks` makes names that lead there usable, and nothing else."""
    door = doorman("10.1.2.3", internal=("10.0.0.0/8",))
    assert await reached(door, "db.internal:5432") == ["10.1.2.3"]
    with pytest.raises(AccessDenied):
        await reached(doorman("192.168.0.1", internal=("10.0.0.0/8",)), "db.internal:5432")


async def test_without_a_grant_nothing_is_resolved(anyio_backend: str) -> None:
    """Not even the question leaves the host."""
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["1.1.1.1"]

    door = Doorman(Guard(KINDS), resolve=resolve)
    with pytest.raises(AccessDenied, match=r"tcp\.connect"):
        await reached(door, "good.example:80")
    assert asked == []


async def test_unknown_names(anyio_backend: str) -> None:
    """A name without an answer is not found; an answer that is no address likewise."""
    with pytest.raises(NotFound):
        await reached(doorman(), "nowhere.example:80")
    with pytest.raises(NotFound):
        await reached(doorman("not an address"), "odd.example:80")


def test_the_host_of_a_pattern() -> None:
    """What a grant names is read the same for URLs and for addresses."""
    assert named_hosts("https://api.example.com:8443/v1/**") == "api.example.com"
    assert named_hosts("127.0.0.1:*") == "127.0.0.1"
    assert named_hosts("http://[::1]:80/**") == "::1"
    assert named_hosts("[::1]:80") == "::1"
    assert named_hosts("**") == "**"


@pytest.mark.parametrize("answer", ["93.184.216.34", "64:ff9b::5db8:d822"])
async def test_a_denied_address_is_denied_by_every_name(answer: str, anyio_backend: str) -> None:
    """A resolver can give any name to an address; a denial of the address holds for all of them."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return [answer]

    denying = Grants({"tcp:connect": ("everything",)}, {"tcp:connect": ("93.184.*.*:*",)})
    door = Doorman(Guard(KINDS, {"local/a": denying}), (), resolve)
    with pytest.raises(AccessDenied, match=r"93\.184"):
        await reached(door, "some.example:443")
    allowing = Grants(denying.allow, {"tcp:connect": ("93.184.*.*:80",)})
    assert await reached(Doorman(Guard(KINDS, {"local/a": allowing}), (), resolve), "b.example:443")


@pytest.mark.parametrize(
    ("grants", "is_allowed"),
    [
        (["**", "127.0.0.1:80"], True),
        (["127.0.0.1:80", "**"], True),
        (["everything", "127.0.0.1:*"], True),
        (["**", "127.0.0.1:81"], False),
        (["**", "*.0.0.1:80"], False),
    ],
)
async def test_a_grant_that_names_the_address_counts_beside_others(
    grants: list[str], is_allowed: bool
) -> None:
    """Whichever of them is found first: a wider grant takes nothing away."""
    at = Endpoint.read("127.0.0.1:80")
    guard = Guard(KINDS, {"local/a": Grants({"tcp:connect": tuple(grants)})})
    found = Doorman(guard).addresses("local/a", "tcp:connect", str(at), at, at.at)
    if is_allowed:
        assert await found == (IPv4Address("127.0.0.1"),)
        return
    with pytest.raises(AccessDenied, match="loopback"):
        await found
