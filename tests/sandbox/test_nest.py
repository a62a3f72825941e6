"""Places below a template: how they are made, what their pid 1 is, what happens when one fails."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lambent.errors import SandboxError
from lambent.sandbox import wire
from lambent.sandbox.nest_link import failed_step
from lambent.sandbox.place_steps import CALLS, LABELS, ROOT
from lambent.sandbox.spec import Template
from lambent.sandbox.steps import CONTROL_FD, Starter, Table

pytestmark = pytest.mark.skipif(
    os.uname().machine != "x86_64", reason="templates are written for x86_64"
)
PORT = 9001


@asynccontextmanager
async def home(world):
    """(a way to make places, the sandbox of their template, the host)."""
    async with world.host() as host:
        template = await host.create(world.spec(forkable=True))

        async def place():
            return await host.create(world.spec(template=Template(template), ports=(PORT,)))

        yield place, template, host


def status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_pid_1_is_small_and_can_only_kill(world):
    async def main():
        async with home(world) as (make, _, _):
            place = await make()
            facts = status(place.pid1)
            kept = 1 << 5 if os.geteuid() == 0 else 0  # CAP_KILL
            for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
                assert int(facts[name], 16) == kept, name
            assert int(facts["CapBnd"], 16) == 0
            assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
            assert facts["Name"] == "lambent-sandbox"
            assert int(facts["VmSize"].split()[0]) < 512
            folder = Path(f"/proc/{place.pid1}/fd")
            while {entry.name for entry in folder.iterdir()} != {"0", "3"}:
                await asyncio.sleep(0.01)  # it closes what it has handed over a moment later

    world.go(main())


def test_every_place_has_namespaces_and_a_network_of_its_own(world):
    async def main():
        async with home(world) as (make, template, _):
            places = await asyncio.gather(*(make() for _ in range(20)))
            pids = [os.getpid(), template.pid1, *(place.pid1 for place in places)]
            for kind in ("user", "pid", "mnt", "ipc", "uts", "net"):
                assert len({os.readlink(f"/proc/{pid}/ns/{kind}") for pid in pids}) == len(pids)
            assert {p.listeners[PORT].getsockname() for p in places} == {("127.0.0.1", PORT)}
            await asyncio.gather(*(place.close() for place in places))
            assert not any(Path(f"/proc/{place.pid1}").exists() for place in places)

    world.go(main())


def test_a_place_answers_to_kill_and_its_network_is_opened_from_outside(world):
    async def main():
        async with home(world) as (make, _, _):
            place, other = await make(), await make()
            await place.kill()
            if os.geteuid() != 0:
                with pytest.raises(SandboxError, match="could not open a socket"):
                    await place.open_socket("tcp")
                return
            before = os.readlink("/proc/thread-self/ns/net")
            sockets = [await each.open_socket("udp", 2000) for each in (place, other)]
            assert {one.getsockname() for one in sockets} == {("127.0.0.1", 2000)}
            assert not any(one.getblocking() for one in sockets)
            with pytest.raises(SandboxError, match="Address already in use"):
                await place.open_socket("udp", 2000)
            assert os.readlink("/proc/thread-self/ns/net") == before
            assert place.alive
            for one in sockets:
                one.close()

    world.go(main())


def test_a_nest_that_was_killed_comes_back(world):
    async def main():
        async with home(world) as (make, template, _):
            first = await make()
            os.kill(template.nest.result().pid, signal.SIGKILL)
            while template.nest.result().alive:
                await asyncio.sleep(0.01)
            second = await make()
            assert first.alive
            await first.close()
            await second.close()

    world.go(main())


def test_a_template_that_is_gone_has_no_more_places(world):
    async def main():
        async with home(world) as (make, template, host):
            await make()
            await template.close()
            with pytest.raises(SandboxError, match="template of this version is gone"):
                await make()
            other = await host.create(world.spec())  # and nobody else has lost anything
            await other.close()

    world.go(main())


def test_a_disk_that_cannot_be_mounted_is_told(world):
    async def main():
        async with home(world) as (make, template, _):
            await make()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            null = os.open("/dev/null", os.O_RDONLY)
            with ours, theirs:
                pid1 = await template.nest.result().place([theirs.fileno(), null])
                theirs.close()
                os.close(null)
                await pid1.gone
                message = wire.receive(ours)
                assert message.kind == wire.STEP_FAILED
                error = str(failed_step(message.fields[0]))
                assert f"{LABELS[ROOT]}: Invalid argument" in error

    world.go(main())


def test_steps_end_at_the_first_that_fails():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        table = Table([
            (CALLS["dup2"], theirs.fileno(), CONTROL_FD, 1),
            (CALLS["close"], CONTROL_FD + 1000, 2),
            (CALLS["chdir"], 0, 3),
        ])  # fmt: skip
        starter = Starter()  # the new process runs in its memory
        pid = starter.start(table, 0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
        theirs.close()
        assert not table.busy.value
        message = wire.receive(ours)
        assert message.kind == wire.STEP_FAILED
        assert message.fields[0] == (2).to_bytes(8, "little") + (-9).to_bytes(
            8, "little", signed=True
        )
        assert wire.receive(ours).kind == 0
