"""Interfaces, addresses and routes by rtnetlink: the few that `network` needs.

An environment's link is a veth pair whose inner end is born in the environment's namespace. It has
one address and no neighbours to ask: both ends know each other's hardware address from the start,
so no ARP is spoken and the host's end needs no address that a function could reach.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lambent.sandbox.netlink import (
    CREATE,
    EXCL,
    NETLINK_ROUTE,
    Netlink,
    attribute,
    attributes,
    inside,
    nested,
    number,
    text,
)

NEWLINK, DELLINK, GETLINK = 16, 17, 18
NEWADDR = 20
NEWROUTE, GETROUTE = 24, 26
NEWNEIGH = 28
IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINKINFO, IFLA_NET_NS_FD = 1, 3, 18, 28
INFO_KIND, INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFA_ADDRESS, IFA_LOCAL = 1, 2
RTA_DST, RTA_OIF, RTA_GATEWAY = 1, 4, 5
NDA_DST, NDA_LLADDR = 1, 2
IFF_UP = 1
NUD_PERMANENT = 0x80
RT_TABLE_MAIN, RTPROT_STATIC, RTN_UNICAST = 254, 4, 1
SCOPE_UNIVERSE, SCOPE_LINK = 0, 253
RTNH_F_ONLINK = 4
INNER_NAME = "eth0"
OUTER_MAC, INNER_MAC = bytes.fromhex("02000a000001"), bytes.fromhex("02000a000002")
"""The same on every pair: each is a network of its own."""
GATEWAY = ipaddress.IPv4Address("169.254.1.1")
"""A next hop that exists nowhere; its hardware address is the outer end's."""


@dataclass(frozen=True, slots=True)
class Link:
    name: str
    """Of the outer end."""
    address: ipaddress.IPv4Address
    """Of the inner end."""


def _link_message(index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, change)


def create(route: Netlink, link: Link, namespace_fd: int) -> None:
    """Make the pair, its inner end in `namespace_fd`, and bring both ends up with their routes."""
    peer = _link_message() + text(IFLA_IFNAME, INNER_NAME)
    peer += attribute(IFLA_ADDRESS, INNER_MAC) + number(IFLA_NET_NS_FD, namespace_fd)
    payload = _link_message() + text(IFLA_IFNAME, link.name) + attribute(IFLA_ADDRESS, OUTER_MAC)
    payload += nested(
        IFLA_LINKINFO,
        text(INFO_KIND, "veth"),
        nested(INFO_DATA, attribute(VETH_INFO_PEER, peer)),
    )
    route.request(NEWLINK, CREATE | EXCL, payload)
    with inside(namespace_fd):
        inner = Netlink(NETLINK_ROUTE)
        inner_index = socket.if_nametoindex(INNER_NAME)
    with inner:
        _configure_inner(inner, inner_index, link.address)
    _silence_ipv6(link.name)
    _configure_outer(route, socket.if_nametoindex(link.name), link.address)


def _silence_ipv6(name: str) -> None:
    """Before it is up: a link-local address of the host's end would be one that functions reach."""
    with suppress(FileNotFoundError):  # a kernel without IPv6
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")


def _configure_inner(inner: Netlink, index: int, address: ipaddress.IPv4Address) -> None:
    own = attribute(IFA_LOCAL, address.packed) + attribute(IFA_ADDRESS, address.packed)
    message = struct.pack("=BBBBI", socket.AF_INET, 32, 0, SCOPE_UNIVERSE, index)
    inner.request(NEWADDR, CREATE | EXCL, message + own)
    _set_up(inner, index)
    _neighbour(inner, index, GATEWAY, OUTER_MAC)
    default = attribute(RTA_GATEWAY, GATEWAY.packed) + number(RTA_OIF, index)
    inner.request(NEWROUTE, CREATE, _route_message(0, SCOPE_UNIVERSE, RTNH_F_ONLINK) + default)


def _configure_outer(route: Netlink, index: int, address: ipaddress.IPv4Address) -> None:
    _set_up(route, index)
    _neighbour(route, index, address, INNER_MAC)
    destination = attribute(RTA_DST, address.packed) + number(RTA_OIF, index)
    route.request(NEWROUTE, CREATE, _route_message(32, SCOPE_LINK, 0) + destination)


def _set_up(route: Netlink, index: int) -> None:
    route.request(NEWLINK, 0, _link_message(index, IFF_UP, IFF_UP))


def _neighbour(route: Netlink, index: int, address: ipaddress.IPv4Address, mac: bytes) -> None:
    message = struct.pack("=BxxxiHBB", socket.AF_INET, index, NUD_PERMANENT, 0, RTN_UNICAST)
    message += attribute(NDA_DST, address.packed) + attribute(NDA_LLADDR, mac)
    route.request(NEWNEIGH, CREATE, message)


def _route_message(length: int, scope: int, flags: int) -> bytes:
    return struct.pack(
        "=BBBBBBBBI",
        socket.AF_INET, length, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, scope, RTN_UNICAST, flags,
    )  # fmt: skip


def delete(route: Netlink, name: str) -> None:
    """Remove a pair by its outer end; its routes go with it."""
    route.request(DELLINK, 0, _link_message() + text(IFLA_IFNAME, name))


def names(prefix: str) -> list[str]:
    """Our interfaces in the calling thread's namespace."""
    return [name for _, name in socket.if_nameindex() if name.startswith(prefix)]


def destinations(route: Netlink) -> list[ipaddress.IPv4Network]:
    """Every IPv4 network that some routing table of the machine leads to, but the default."""
    found = []
    for payload in route.dump(GETROUTE, _route_message(0, 0, 0)):
        length = payload[1]
        for kind, value in attributes(payload[12:]):
            if kind == RTA_DST and len(value) == 4 and length:
                found.append(ipaddress.IPv4Network((value, length), strict=False))
    return found


def forwards() -> bool:
    return Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1"


def forward(enabled: bool) -> None:  # noqa: FBT001  the value of the switch
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1" if enabled else "0")
