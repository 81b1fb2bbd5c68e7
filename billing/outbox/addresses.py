"""Addresses that no event is sent to: whatever is not an ordinary public host.

Written out, because what `ipaddress` calls global differs between versions of Python.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_CLOSED_V4: Final = {
    IPv4Network(network): why
    for network, why in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),  # also where clouds keep their machines' credentials
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "reserved"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "reserved"),
        ("198.51.100.0/24", "reserved"),
        ("203.0.113.0/24", "reserved"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
}
# Of IPv6 only what is handed out for global unicast is open, and of that not these.
_OPEN_V6: Final = IPv6Network("2000::/3")
_CLOSED_V6: Final = {
    IPv6Network(network): why
    for network, why in (
        ("2001::/23", "reserved"),  # with Teredo's tunnels, which carry an IPv4 address
        ("2001:db8::/32", "reserved"),
        ("2002::/16", "a 6to4 tunnel"),  # carries an IPv4 address
        ("3fff::/20", "reserved"),
    )
}
_NAT64: Final = IPv6Network("64:ff9b::/96")  # networks without IPv4 reach it through these: the last 32 bits


def closed(address: str) -> str | None:
    """Why nothing is sent to `address`, an IP address as text; None where it may be. Raises ValueError."""
    return _closed(ip_address(address))


def _closed(ip: IPv4Address | IPv6Address) -> str | None:
    if isinstance(ip, IPv4Address):
        return next((why for network, why in _CLOSED_V4.items() if ip in network), None)
    if ip in _NAT64:
        return _closed(IPv4Address(int(ip) & 0xFFFF_FFFF))
    if ip not in _OPEN_V6:
        return "not a public address"
    return next((why for network, why in _CLOSED_V6.items() if ip in network), None)
