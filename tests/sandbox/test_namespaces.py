"""Every sandbox has namespaces, a network and host ids of its own."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from lambent.sandbox import namespaces
from lambent.sandbox.spec import Exit

KINDS = ("user", "mnt", "pid", "ipc", "uts", "net")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="host ids per function need root")


def namespaces_of(pid: int) -> list[str]:
    return [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in KINDS]


@pytest.mark.root
@as_root
def test_each_has_its_own_of_every_kind(world):
    async def main():
        async with world.host() as host:
            first, second = [await host.create(world.spec()) for _ in range(2)]
            process = await world.start(first, "/bin/sleep", "600")
            seen = [namespaces_of(pid) for pid in (os.getpid(), first.pid1, second.pid1)]
            for kinds in zip(*seen, strict=True):
                assert len(set(kinds)) == 3, kinds
            assert namespaces_of(process.pid) == seen[1]

    world.go(main())


@pytest.mark.root
@as_root
def test_functions_have_host_ids_that_no_other_has(world):
    async def main():
        async with world.host() as host:
            same = [await host.create(world.spec(owner="one")) for _ in range(2)]
            other = await host.create(world.spec(owner="two"))
            uids = []
            for sandbox in (*same, other):
                process = await world.start(sandbox, "/bin/sleep", "600")
                uids.append(Path(f"/proc/{process.pid}").stat().st_uid)
                uids.append(_uid(sandbox.pid1))
            function, pid1, function_again, pid1_again, other_function, other_pid1 = uids
            assert (function, pid1) == (function_again, pid1_again)
            assert len({function, pid1, other_function, other_pid1}) == 4
            assert min(uids) >= namespaces.FIRST_HOST_ID

    world.go(main())


def _uid(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("Uid:")[2].split()[0])


def test_listeners_are_made_inside_with_the_same_ports_in_each(world):
    async def answer(sandbox, word: bytes) -> None:
        loop = asyncio.get_running_loop()
        connection, _ = await loop.sock_accept(sandbox.listeners[9001])
        with connection:
            await loop.sock_sendall(connection, word)

    async def main():
        ask = (
            "import socket; s = socket.create_connection(('127.0.0.1', 9001), 5); "
            "print(s.recv(99).decode())"
        )
        async with world.host() as host:
            sandboxes = [await host.create(world.spec(ports=(9001, 1338))) for _ in range(2)]
            for number, sandbox in enumerate(sandboxes):
                assert sorted(sandbox.listeners) == [1338, 9001]
                assert sandbox.listeners[9001].getsockname() == ("127.0.0.1", 9001)
                assert not sandbox.listeners[9001].getblocking()
                (_, said), _ = await asyncio.gather(
                    world.run(sandbox, world.python, "-c", ask), answer(sandbox, b"of %d" % number)
                )
                assert said == f"of {number}\n"
            with pytest.raises(OSError), socket.create_connection(("127.0.0.1", 1338), 2):
                pass

    world.go(main())


def test_the_hosts_network_when_asked_for(world):
    """Ports cannot be had then; addresses in arguments and environment are rewritten."""

    async def main():
        async with world.sandbox(egress="host", ports=(9001,)) as sandbox:
            real = sandbox.listeners[9001].getsockname()[1]
            said = await world.shell(
                sandbox, "echo $API; ls /proc/sys/net/ipv4 | wc -l", API="127.0.0.1:9001"
            )
            assert said.splitlines()[0] == f"127.0.0.1:{real}"
            with socket.create_server(("127.0.0.1", 0)) as server:
                code = f"import socket; socket.create_connection({server.getsockname()!r}, 5)"
                process = await world.start(sandbox, world.python, "-c", code)
                assert await process.exited == Exit(0)

    world.go(main())


@pytest.mark.root
@as_root
def test_nat_gives_a_link_of_its_own(tmp_path, isolation, world):
    from lambent.sandbox.host import NamespaceHost

    async def main():
        host = NamespaceHost(world.data, egress="nat")
        await host.open()
        try:
            egress = next(f for f in host.features() if f.name == "egress")
            if not egress.enforced:
                pytest.skip(egress.missing)
            show = "import socket; print(*sorted(n for _, n in socket.if_nameindex()))"
            with_link = await host.create(world.spec(egress="nat"))
            without = await host.create(world.spec())
            _, said = await world.run(with_link, world.python, "-c", show)
            assert len(said.split()) == 2
            _, said = await world.run(without, world.python, "-c", show)
            assert said.split() == ["lo"]
        finally:
            await host.close()

    world.go(main())
