"""The way out of an environment's network namespace, in egress mode `nat`.

Each environment has a namespace with only a loopback; `attach` adds a link whose packets leave under
the host's address and reach nothing nearer: no other environment, no address of the host, no cloud
metadata (`nftables`). Links end with their namespace. As root by veth (`links`), otherwise by pasta
(`pasta`) where that is installed; where neither works, environments stay without a way out and
`feature` says so. Modes `none` and `host` need nothing from here.
"""

from __future__ import annotations

import ipaddress
import itertools
import os
import threading
from collections.abc import Iterable
from contextlib import suppress

from lambent.errors import SandboxError
from lambent.sandbox import links, nftables
from lambent.sandbox.instance import Instance
from lambent.sandbox.netlink import NETLINK_ROUTE, Netlink, is_missing
from lambent.sandbox.pasta import Pasta
from lambent.sandbox.spec import Egress, Feature

POOLS = tuple(map(ipaddress.IPv4Network, ("100.64.0.0/10", "10.0.0.0/8", "172.16.0.0/12")))
"""Private ranges, the least likely to be in use first."""
PREFIX = 18
"""16,382 environments."""
FORWARDING = "ip_forward"


class Network:
    """Egress of one server's environments. Methods block for milliseconds: call them in a thread."""

    def __init__(self, instance: Instance, resolv_conf: str = "") -> None:
        self._instance = instance
        self._prefix = interface_prefix(instance)
        self._name_servers = link_local_servers(resolv_conf)
        self._addresses: ipaddress.IPv4Network | None = None
        self._next = itertools.count(1)
        self._links: dict[str, links.Link] = {}
        self._lock = threading.Lock()
        self._pasta: Pasta | None = None
        self._missing = "not opened"
        self._fix = ""

    @property
    def available(self) -> bool:
        """Whether `nat` works here."""
        return not self._missing

    def open(self) -> None:
        """Choose addresses and put the firewall in; what is missing afterwards is in `feature`."""
        self._missing = self._fix = ""
        if os.geteuid() != 0:
            self._pasta = Pasta.find(self._instance)
            if self._pasta is None:
                self._missing = "without root, functions reach the network only through pasta"
                self._fix = 'install passt, run as root, or set network = "host"'
            return
        try:
            self._open_nat()
        except OSError as error:
            self._missing = f"the kernel refused network address translation: {error}"
            self._fix = "load the modules nf_tables, nft_masq and veth; a container, --privileged"

    def _open_nat(self) -> None:
        with Netlink(NETLINK_ROUTE) as route:
            taken = links.destinations(route)
        self._addresses = free_range(int(self._instance.digest, 16), taken)
        self._instance.remember("network", [self._prefix])
        nftables.install(
            nftables.Policy(self._instance.name, self._prefix, self._addresses, self._name_servers)
        )
        if not links.forwards():
            self._instance.remember("network", [FORWARDING])
            links.forward(enabled=True)

    def attach(self, environment_id: str, pid: int) -> None:
        """Give the network namespace of `pid` its way out. Raises `SandboxError`."""
        if not self.available:
            raise SandboxError(
                f"egress nat is not available: {self._missing}", code="NO_EGRESS", fix=self._fix
            )
        if self._pasta is not None:
            self._pasta.attach(environment_id, pid)
            return
        try:
            namespace_fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                with Netlink(NETLINK_ROUTE) as route:
                    links.create(route, self._reserve(environment_id), namespace_fd)
            finally:
                os.close(namespace_fd)
        except OSError as error:
            self._forget(environment_id)
            raise SandboxError(
                f"no network link for environment {environment_id}: {error}", code="NO_EGRESS"
            ) from error

    def detach(self, environment_id: str) -> None:
        """Its namespace is gone, and with it the link; its address may be given to another."""
        if self._pasta is not None:
            self._pasta.detach(environment_id)
        else:
            self._forget(environment_id)

    def close(self) -> None:
        """Take everything out again, and restore forwarding if it was us who enabled it."""
        if self._pasta is not None:
            self._pasta.close()
        self._links.clear()
        self._missing = "closed"
        if os.geteuid() == 0:
            remove_network(self._instance)

    def feature(self, mode: Egress) -> Feature:
        """What functions can reach in `mode`, for `lambent up` and `doctor`."""
        if mode == "host":
            return Feature(
                "egress",
                enforced=False,
                how="host",
                missing="functions share the host's network: its loopback, its addresses, its peers",
                fix='set network = "nat" or "none"',
            )
        if mode == "none":
            return Feature("egress", enforced=True, how="none: loopback only")
        if self._pasta is not None:
            return Feature(
                "egress",
                enforced=False,
                how="pasta",
                missing="functions reach whatever the server's user reaches, but the host's loopback",
                fix="run as root for a firewall",
            )
        if self.available:
            return Feature("egress", enforced=True, how=f"nat, nftables, {self._addresses}")
        missing = f"functions cannot reach the network: {self._missing}"
        return Feature("egress", enforced=False, how="none", missing=missing, fix=self._fix)

    def _reserve(self, environment_id: str) -> links.Link:
        """An address that is the longest out of use: a dying namespace may hold its link a moment."""
        assert self._addresses is not None
        size = self._addresses.num_addresses - 2
        with self._lock:
            used = {link.address for link in self._links.values()}
            for number in itertools.islice(self._next, size):
                offset = (number - 1) % size + 1
                address = self._addresses[offset]
                if address not in used:
                    link = links.Link(f"{self._prefix}{offset:x}", address)
                    self._links[environment_id] = link
                    return link
        raise SandboxError("every address for environments is in use", code="NO_EGRESS")

    def _forget(self, environment_id: str) -> None:
        with self._lock:
            self._links.pop(environment_id, None)


def interface_prefix(instance: Instance) -> str:
    """How our interfaces' names begin; a name has 15 characters at most."""
    return f"lb{instance.digest}"


def free_range(seed: int, taken: Iterable[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    """A private range that no route leads into; servers on one machine begin at different places."""
    taken = list(taken)
    for pool in POOLS:
        count = 1 << (PREFIX - pool.prefixlen)
        step = 1 << (32 - PREFIX)
        for turn in range(count):
            start = pool.network_address + ((seed + turn) % count) * step
            candidate = ipaddress.IPv4Network((start, PREFIX))
            if not any(candidate.overlaps(network) for network in taken):
                return candidate
    raise SandboxError("every private address range is in use on this machine", code="NO_EGRESS")


def link_local_servers(resolv_conf: str) -> tuple[ipaddress.IPv4Address, ...]:
    """Name servers that the firewall would otherwise refuse, such as 169.254.169.253 on EC2."""
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            with suppress(ValueError):
                address = ipaddress.IPv4Address(words[1])
                if address.is_link_local:
                    found.append(address)
    return tuple(found)


def remove_network(instance: Instance) -> list[str]:
    """Delete links and table of the instance, in this life or an earlier one; what could not be.

    Forwarding goes back to off only if nobody else of us still needs it.
    """
    known = instance.recall("network")
    if not known:
        return []
    stuck = []
    with Netlink(NETLINK_ROUTE) as route:
        for name in links.names(interface_prefix(instance)):
            try:
                links.delete(route, name)
            except OSError as error:
                if not is_missing(error):
                    stuck.append(f"{name}: {error}")
    try:
        nftables.remove(instance.name)
        if FORWARDING in known and not any(t.startswith("lambent-") for t in nftables.tables()):
            links.forward(enabled=False)
    except OSError as error:
        stuck.append(f"nftables {instance.name}: {error}")
    if not stuck:
        instance.forget("network")
    return stuck
