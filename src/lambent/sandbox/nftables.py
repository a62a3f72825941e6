"""One nftables table per server: functions may speak outward, and nowhere else.

Written as netlink messages, so that no `nft` or `iptables` program is needed. The table is the
policy of egress mode `nat`; `network.Network` puts it in and takes it out. Facts: nft(8) for what
the rules mean, linux/netfilter/nf_tables.h for how they are said.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from lambent.sandbox.netlink import (
    ACK,
    APPEND,
    CREATE,
    NETLINK_NETFILTER,
    Netlink,
    attribute,
    attributes,
    nested,
    text,
)

SUBSYSTEM = 10 << 8
NEWTABLE, GETTABLE, DELTABLE, NEWCHAIN, NEWRULE = 0, 1, 2, 3, 6
BATCH_BEGIN, BATCH_END = 16, 17
INET = 1
TABLE_NAME = 1
CHAIN_TABLE, CHAIN_NAME, CHAIN_HOOK, CHAIN_TYPE = 1, 3, 4, 7
RULE_TABLE, RULE_CHAIN, RULE_EXPRESSIONS = 1, 2, 4
INPUT, FORWARD, POSTROUTING = 1, 2, 4
BEFORE_FILTER, SOURCE_NAT = -10, 100
DROP, ACCEPT = 0, 1
IIFNAME, OIFNAME, NFPROTO, L4PROTO = 6, 7, 15, 16
IPV4 = 2
EQUAL, DIFFERENT = 0, 1
ESTABLISHED_OR_RELATED = 2 | 4
UDP, TCP, DNS_PORT = 17, 6, 53
SOURCE, DESTINATION = 12, 16
"""Offsets of the addresses in an IPv4 header."""

NOT_OUTWARD = tuple(
    ipaddress.IPv4Network(text_)
    for text_ in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")
)
"""Nothing, loopback, link-local (cloud metadata is there), multicast and reserved."""


def _big(kind: int, value: int) -> bytes:
    """A 32-bit number in network order, as nftables has them."""
    return attribute(kind, struct.pack("!i", value))


def _expression(name: str, *parts: bytes) -> bytes:
    return nested(1, text(1, name), nested(2, *parts))


def _compare(value: bytes, operation: int = EQUAL) -> bytes:
    return _expression("cmp", _big(1, 1), _big(2, operation), nested(3, attribute(1, value)))


def _mask(length: int, mask: bytes) -> bytes:
    return _expression(
        "bitwise", _big(1, 1), _big(2, 1), _big(3, length),
        nested(4, attribute(1, mask)), nested(5, attribute(1, bytes(length))),
    )  # fmt: skip


def _meta(key: int, value: bytes, operation: int = EQUAL) -> bytes:
    return _expression("meta", _big(1, 1), _big(2, key)) + _compare(value, operation)


def _address(offset: int, network: ipaddress.IPv4Network, operation: int = EQUAL) -> bytes:
    load = _expression("payload", _big(1, 1), _big(2, 1), _big(3, offset), _big(4, 4))
    masked = _mask(4, network.netmask.packed)
    return load + masked + _compare(network.network_address.packed, operation)


def _port(port: int) -> bytes:
    load = _expression("payload", _big(1, 1), _big(2, 2), _big(3, 2), _big(4, 2))
    return load + _compare(struct.pack("!H", port))


def _answer() -> bytes:
    """The packet belongs to a conversation that is under way."""
    load = _expression("ct", _big(1, 1), _big(2, 0))
    return (
        load + _mask(4, struct.pack("=I", ESTABLISHED_OR_RELATED)) + _compare(bytes(4), DIFFERENT)
    )


def _verdict(code: int) -> bytes:
    return _expression("immediate", _big(1, 0), nested(2, nested(2, _big(1, code))))


@dataclass(frozen=True, slots=True)
class Policy:
    """What the table is made from."""

    table: str
    interfaces: str
    """How the names of our interfaces begin."""
    addresses: ipaddress.IPv4Network
    """What our environments' addresses are taken from."""
    name_servers: tuple[ipaddress.IPv4Address, ...] = ()
    """Reachable on port 53 even where they are link-local, as on EC2."""

    def input_rules(self) -> list[bytes]:
        """To the host itself: nothing from a function, whichever of its addresses is meant."""
        return [_meta(IIFNAME, self.interfaces.encode()) + _verdict(DROP)]

    def forward_rules(self) -> list[bytes]:
        ours = self.interfaces.encode()
        from_us, to_us = _meta(IIFNAME, ours), _meta(OIFNAME, ours)
        ipv4 = _meta(NFPROTO, bytes([IPV4]))
        rules = [
            from_us + to_us + _verdict(DROP),
            from_us + _meta(NFPROTO, bytes([IPV4]), DIFFERENT) + _verdict(DROP),
            from_us + ipv4 + _address(SOURCE, self.addresses, DIFFERENT) + _verdict(DROP),
        ]
        for server in self.name_servers:
            to_server = from_us + ipv4 + _address(DESTINATION, ipaddress.IPv4Network(server))
            rules += [
                to_server + _meta(L4PROTO, bytes([protocol])) + _port(DNS_PORT) + _verdict(ACCEPT)
                for protocol in (UDP, TCP)
            ]
        rules += [
            from_us + ipv4 + _address(DESTINATION, network) + _verdict(DROP)
            for network in NOT_OUTWARD
        ]
        rules += [from_us + _verdict(ACCEPT)]
        rules += [to_us + _answer() + _verdict(ACCEPT), to_us + _verdict(DROP)]
        return rules

    def nat_rules(self) -> list[bytes]:
        ipv4 = _meta(NFPROTO, bytes([IPV4]))
        return [ipv4 + _address(SOURCE, self.addresses) + _expression("masq")]


def _message(netlink: Netlink, kind: int, flags: int, *parts: bytes) -> bytes:
    head = struct.pack("!BBH", INET, 0, 0)
    return netlink.message(SUBSYSTEM | kind, flags, head + b"".join(parts))


def _commit(netlink: Netlink, messages: list[bytes]) -> None:
    """One transaction: all messages hold or none; OSError is the first refusal."""
    head = struct.pack("!BBH", 0, 0, SUBSYSTEM >> 8)
    # The kernel numbers nothing itself: begin and end are told from the rest by their type alone.
    begin, end = netlink.message(BATCH_BEGIN, 0, head), netlink.message(BATCH_END, 0, head)
    netlink.transaction([begin, *messages, end])


def install(policy: Policy) -> None:
    """Put the table in, replacing one of that name, in one transaction."""
    name = text(TABLE_NAME, policy.table)
    chains = (
        ("input", b"filter", INPUT, BEFORE_FILTER, policy.input_rules()),
        ("forward", b"filter", FORWARD, BEFORE_FILTER, policy.forward_rules()),
        ("postrouting", b"nat", POSTROUTING, SOURCE_NAT, policy.nat_rules()),
    )
    with Netlink(NETLINK_NETFILTER) as netlink:
        messages = [
            _message(netlink, NEWTABLE, CREATE, name),
            _message(netlink, DELTABLE, 0, name),
            _message(netlink, NEWTABLE, CREATE, name),
        ]
        for chain, kind, hook, priority, rules in chains:
            place = nested(CHAIN_HOOK, _big(1, hook), _big(2, priority))
            messages.append(
                _message(
                    netlink, NEWCHAIN, CREATE,
                    text(CHAIN_TABLE, policy.table), text(CHAIN_NAME, chain), place,
                    attribute(CHAIN_TYPE, kind + b"\0"),
                )
            )  # fmt: skip
            messages += [
                _message(
                    netlink, NEWRULE, CREATE | APPEND | ACK,
                    text(RULE_TABLE, policy.table), text(RULE_CHAIN, chain),
                    nested(RULE_EXPRESSIONS, rule),
                )
                for rule in rules
            ]  # fmt: skip
        _commit(netlink, messages)


def remove(table: str) -> bool:
    """Take the table out; False if there was none."""
    if table not in tables():
        return False
    with Netlink(NETLINK_NETFILTER) as netlink:
        _commit(netlink, [_message(netlink, DELTABLE, ACK, text(TABLE_NAME, table))])
    return True


def tables() -> list[str]:
    """Names of all tables of the inet family."""
    with Netlink(NETLINK_NETFILTER) as netlink:
        payloads = netlink.dump(SUBSYSTEM | GETTABLE, struct.pack("!BBH", INET, 0, 0))
    return [
        value.rstrip(b"\0").decode()
        for payload in payloads
        for kind, value in attributes(payload[4:])
        if kind == TABLE_NAME
    ]
