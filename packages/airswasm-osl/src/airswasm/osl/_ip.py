"""IP addresses: the one spelling of each, and the IPv4 address that an IPv6 one stands for."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias

__all__ = ("Address", "as_address", "innermost")

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
