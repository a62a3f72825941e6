"""Egress for real: a host, an outside and environments, each a network namespace of this test.

Nothing of the machine's own network is touched: "the host" is a namespace too, and every call that
configures it runs in a thread that has entered it.
"""

import contextlib
import ipaddress
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from lambent.errors import SandboxError
from lambent.sandbox import links, nftables
from lambent.sandbox.instance import Instance
from lambent.sandbox.netlink import NETLINK_ROUTE, Netlink, inside
from lambent.sandbox.network import (
    Network,
    free_range,
    interface_prefix,
    link_local_servers,
    remove_network,
)

OUTSIDE, HOST, FAR, METADATA = "10.99.0.1", "10.99.0.2", "203.0.113.5", "169.254.169.254"
root = pytest.mark.root
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="veth and nftables need root")


class Namespace:
    """A network namespace, held by a sleeping process, with its loopback up."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "-n", "sleep", "100"])
        path, home = Path(f"/proc/{self.process.pid}/ns/net"), Path("/proc/self/ns/net").readlink()
        deadline = time.monotonic() + 20
        while path.readlink() == home or self._program() != "sleep":
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._servers = []
        self.ip("link set lo up")

    def _program(self):
        return Path(f"/proc/{self.process.pid}/comm").read_text().strip()

    @property
    def pid(self):
        return self.process.pid

    def ip(self, command):
        with inside(self.fd):
            subprocess.run(["ip", *command.split()], check=True, timeout=20)

    def serve(self, port, address="0.0.0.0"):
        """Answer each connection with the address that it came from."""
        with inside(self.fd):
            listener = socket.create_server((address, port))
        listener.settimeout(60)

        def run():
            with contextlib.suppress(OSError):
                while True:
                    connection, peer = listener.accept()
                    with connection:
                        connection.sendall(peer[0].encode())

        thread = threading.Thread(target=run)
        thread.start()
        self._servers.append((listener, thread))

    def ask(self, address, port, *, source="", timeout_s=20.0):
        """What a server answers; None if it cannot be reached."""
        with inside(self.fd):
            connection = socket.socket()
        with connection:
            connection.settimeout(timeout_s)
            try:
                if source:
                    connection.bind((source, 0))
                connection.connect((address, port))
                return connection.recv(100).decode()
            except OSError:
                return None

    def refused(self, address, port, **how):
        return self.ask(address, port, timeout_s=0.7, **how) is None

    def close(self):
        for listener, thread in self._servers:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)
            listener.close()
        os.close(self.fd)
        self.process.kill()
        self.process.wait(20)


@pytest.fixture
def spaces():
    made = []

    def make():
        made.append(Namespace())
        return made[-1]

    yield make
    for space in made:
        space.close()


@pytest.fixture
def host(spaces):
    """A host whose only neighbour is the outside, which has a far address and cloud metadata."""
    host, outside = spaces(), spaces()
    host.ip(f"link add up0 type veth peer name down0 netns /proc/{outside.pid}/ns/net")
    host.ip(f"addr add {HOST}/24 dev up0")
    host.ip("link set up0 up")
    with inside(host.fd):
        links.forward(enabled=False)  # a new namespace may inherit it from the machine
    outside.ip(f"addr add {OUTSIDE}/24 dev down0")
    outside.ip("link set down0 up")
    outside.ip(f"addr add {FAR}/32 dev lo")
    outside.ip(f"addr add {METADATA}/32 dev lo")
    host.ip(f"route add default via {OUTSIDE}")
    outside.serve(8080)
    outside.serve(53)
    host.serve(7070)
    host.outside = outside
    return host


@pytest.fixture
def network(host, tmp_path):
    made = Network(Instance(tmp_path), f"nameserver {METADATA}\n")
    with inside(host.fd):
        made.open()
    if not made.available:
        pytest.skip(made.feature("nat").missing)
    yield made
    with inside(host.fd):
        made.close()
        assert nftables.tables() == []
        assert links.names(interface_prefix(Instance(tmp_path))) == []
        assert not links.forwards()


def attach(network, host, name, space):
    with inside(host.fd):
        network.attach(name, space.pid)
    return str(network._links[name].address)


@root
@needs_root
def test_functions_speak_outward_under_the_hosts_address(network, host, spaces):
    inner = spaces()
    attach(network, host, "one", inner)
    assert inner.ask(OUTSIDE, 8080) == HOST
    assert inner.ask(FAR, 8080) == HOST


@pytest.mark.slow
@root
@needs_root
def test_and_reach_nothing_nearer(network, host, spaces):
    one, two = spaces(), spaces()
    attach(network, host, "one", one)
    two_address = attach(network, host, "two", two)
    two.serve(6060)
    assert two.ask("127.0.0.1", 6060) == "127.0.0.1"
    assert host.ask(HOST, 7070) == HOST
    assert one.ask(OUTSIDE, 8080) == HOST
    assert one.refused(two_address, 6060), "another environment"
    assert one.refused(HOST, 7070), "an address of the host"
    assert one.refused(str(links.GATEWAY), 7070), "the next hop"
    assert one.refused("127.0.0.1", 7070), "the host's loopback"
    assert host.ask(METADATA, 8080) == HOST, "the host itself reaches cloud metadata"
    assert one.refused(METADATA, 8080), "cloud metadata"
    assert one.ask(METADATA, 53) == HOST, "but a name server there, on its port"


@pytest.mark.slow
@root
@needs_root
def test_nobody_outside_reaches_in(network, host, spaces):
    inner = spaces()
    address = attach(network, host, "one", inner)
    inner.serve(6060)
    host.outside.ip(f"route add {address}/32 via {HOST}")
    assert host.outside.refused(address, 6060)


@pytest.mark.slow
@root
@needs_root
def test_a_foreign_source_address_is_dropped(network, host, spaces):
    inner = spaces()
    attach(network, host, "one", inner)
    inner.ip("addr add 192.0.2.77/32 dev eth0")
    host.ip(f"route add 192.0.2.77/32 dev {network._links['one'].name}")
    host.outside.ip(f"route add 192.0.2.77/32 via {HOST}")
    assert inner.ask(OUTSIDE, 8080) == HOST
    assert inner.refused(OUTSIDE, 8080, source="192.0.2.77")


@root
@needs_root
def test_the_hosts_end_has_no_address_at_all(network, host, spaces):
    attach(network, host, "one", spaces())
    with inside(host.fd):
        shown = subprocess.run(
            ["ip", "-o", "addr", "show", "dev", network._links["one"].name],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    assert shown == ""


@root
@needs_root
def test_a_link_ends_with_its_namespace(network, host, spaces):
    inner = spaces()
    attach(network, host, "one", inner)
    prefix = interface_prefix(network._instance)
    os.close(inner.fd)
    inner.fd = os.open("/dev/null", os.O_RDONLY)
    inner.process.kill()
    inner.process.wait(20)
    network.detach("one")
    deadline = time.monotonic() + 20
    while True:
        with inside(host.fd):
            left = links.names(prefix)
        if not left:
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)


@root
@needs_root
def test_many_links_at_once(network, host, spaces):
    inner = [spaces() for _ in range(6)]

    def one(number):
        attach(network, host, f"e{number}", inner[number])

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [space.ask(FAR, 8080) for space in inner] == [HOST] * 6
    assert len({link.address for link in network._links.values()}) == 6


@root
@needs_root
def test_a_dead_process_gets_no_link_and_takes_no_address(network, host, spaces):
    with pytest.raises(SandboxError, match="one"):
        attach(network, host, "one", type("Dead", (), {"pid": 2**22 - 1}))
    assert not network._links


@root
@needs_root
def test_a_successor_takes_everything_out(host, spaces, tmp_path):
    killed = Network(Instance(tmp_path))
    inner = spaces()
    with inside(host.fd):
        killed.open()
        killed.attach("one", inner.pid)
        assert links.forwards()
        assert remove_network(Instance(tmp_path / "other")) == []
        assert nftables.tables() == [Instance(tmp_path).name], "another server's is left alone"
        assert remove_network(Instance(tmp_path)) == []
        assert nftables.tables() == []
        assert links.names("lb") == []
        assert not links.forwards()
        assert remove_network(Instance(tmp_path)) == []


@root
@needs_root
def test_forwarding_stays_on_while_another_server_needs_it(host, tmp_path):
    first, second = Network(Instance(tmp_path / "a")), Network(Instance(tmp_path / "b"))
    with inside(host.fd):
        first.open()
        second.open()
        assert first._addresses != second._addresses
        first.close()
        assert links.forwards()
        second.close()
        assert nftables.tables() == []


@root
@needs_root
def test_routes_of_the_machine_are_seen(host):
    with inside(host.fd), Netlink(NETLINK_ROUTE) as route:
        assert ipaddress.ip_network("10.99.0.0/24") in links.destinations(route)


def test_the_address_range_avoids_what_is_in_use():
    carrier = ipaddress.ip_network("100.64.0.0/10")
    assert free_range(7, []).subnet_of(carrier)
    busy = [free_range(7, [])]
    second = free_range(7, busy)
    assert not second.overlaps(busy[0])
    assert second.subnet_of(carrier)
    assert free_range(7, [carrier]).subnet_of(ipaddress.ip_network("10.0.0.0/8"))
    with pytest.raises(SandboxError):
        free_range(7, [ipaddress.ip_network("0.0.0.0/0")])


def test_only_link_local_name_servers_need_a_rule():
    text = (
        "search x\nnameserver 8.8.8.8\nnameserver 169.254.169.253\nnameserver fe80::1\nnameserver\n"
    )
    assert link_local_servers(text) == (ipaddress.ip_address("169.254.169.253"),)


def test_features_say_what_each_mode_means(tmp_path):
    network = Network(Instance(tmp_path))
    assert network.feature("none").enforced
    shared = network.feature("host")
    assert not shared.enforced
    assert "host's network" in shared.missing
    closed = network.feature("nat")
    assert not closed.enforced
    assert closed.missing
    with pytest.raises(SandboxError, match="not available"):
        network.attach("one", 1)
