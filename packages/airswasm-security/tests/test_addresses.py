"""Which addresses are public, in whatever spelling they come."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from airswasm.security.addresses import as_address, innermost, problem_with
from hypothesis import given
from hypothesis import strategies as st

SPELLINGS = ("::ffff:{}", "64:ff9b::{}", "64:ff9b:1::{}", "::{}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("8.8.8.8", None),
        ("2606:4700::1111", None),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("127.255.0.1", "loopback"),
        ("::1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("10.1.2.3", "private"),
        ("192.168.0.1", "private"),
        ("fd00::1", "private"),
        ("240.0.0.1", "private"),
        ("100.64.0.1", "not global"),
        ("2002:7f00:1::", "loopback"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "private"),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", "loopback"),
        ("2001:0:4136:e378:8000:63bf:f7f7:f7f7", None),
    ],
)
def test_an_address_is_public_or_says_why_not(text: str, problem: str | None) -> None:
    """6to4 and Teredo addresses are judged by the IPv4 address inside of them."""
    address = as_address(text)
    assert address is not None
    assert problem_with(address) == problem


@given(st.ip_addresses(v=4).filter(lambda each: int(each) > 0xFFFF))
def test_a_wrapped_address_has_the_problem_of_the_one_inside(address: IPv4Address) -> None:
    """Mapped, compatible, 6to4 and NAT64: no spelling makes a private address public."""
    wrapped = [IPv6Address(spelling.format(address)) for spelling in SPELLINGS]
    wrapped.append(IPv6Address((0x2002 << 112) | (int(address) << 80)))
    for each in wrapped:
        assert innermost(each) == address
        assert problem_with(each) == problem_with(address)


@given(st.text(max_size=20))
def test_any_other_text_is_no_address(text: str) -> None:
    """Names are resolved elsewhere; nothing is guessed here."""
    address = as_address(text)
    assert address is None or as_address(str(address)) == address
