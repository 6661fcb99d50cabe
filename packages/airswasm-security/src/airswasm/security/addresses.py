"""IP addresses: what stands behind each spelling, and which of them are public.

Whatever connects on behalf of another asks here before it does: a host for its components, an
install for the source of a package.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias

__all__ = ("Address", "as_address", "innermost", "problem_with")

Address: TypeAlias = IPv4Address | IPv6Address

_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_COMPATIBLE = ip_network("::/96")


def as_address(text: str) -> Address | None:
    """Return a text's IP address; None for any other text."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def innermost(address: Address) -> Address:
    """Return the IPv4 address inside an IPv6 one, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    for wrapped in (address.ipv4_mapped, address.sixtofour):
        if wrapped is not None:
            return wrapped
    if address.teredo is not None:
        return address.teredo[1]
    in_nat64 = any(address in network for network in _NAT64)
    if in_nat64 or (address in _COMPATIBLE and int(address) > 0xFFFF):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def problem_with(address: Address) -> str | None:
    """Return why an address is not public, or None if it is."""
    inner = innermost(address)
    for problem, is_so in (
        ("unspecified", inner.is_unspecified),
        ("loopback", inner.is_loopback),
        ("link-local", inner.is_link_local),
        ("multicast", inner.is_multicast),
        ("private", inner.is_private),
        ("reserved", inner.is_reserved),
        ("not global", not inner.is_global),
    ):
        if is_so:
            return problem
    return None
