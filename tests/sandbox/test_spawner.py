"""The life of the host and its spawner: nothing is left behind, whoever dies first."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from lambent.errors import SandboxError
from lambent.sandbox.host import NamespaceHost
from lambent.sandbox.spec import Exit

SOURCES = Path(__file__).parents[2] / "src"


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


async def until_gone(*pids: int) -> None:
    for pid in pids:
        while alive(pid):
            await asyncio.sleep(0.01)


def mounts_of(folder: Path) -> list[str]:
    return [
        line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line
    ]


def test_closing_leaves_nothing(world):
    async def main():
        async with world.host() as host:
            sandbox = await host.create(world.spec(ports=(9001,)))
            process = await world.start(sandbox, "/bin/sh", "-c", "setsid sleep 600 & sleep 600")
            pids = (process.pid, sandbox.pid1, host._link.pid)
            await sandbox.close()
            await sandbox.close()
            assert await process.exited == Exit(None, signal.SIGKILL)
            assert not alive(process.pid)
            assert not alive(sandbox.pid1)
            with pytest.raises(SandboxError):
                await world.start(sandbox, "/bin/true")
        assert not any(map(alive, pids))
        assert mounts_of(world.folder) == []
        await host.close()

    fds = len(list(Path("/proc/self/fd").iterdir()))
    world.go(main())
    assert len(list(Path("/proc/self/fd").iterdir())) == fds


def test_closing_the_host_closes_its_sandboxes(world):
    async def main():
        async with world.host() as host:
            sandboxes = await asyncio.gather(*(host.create(world.spec()) for _ in range(5)))
            processes = [await world.start(s, "/bin/sleep", "600") for s in sandboxes]
            sandboxes[0].freeze()
        assert not any(alive(process.pid) for process in processes)

    world.go(main())


@pytest.mark.slow
def test_a_spawner_killed_while_a_place_is_built_fails_that_place(world):
    """Its pid 1 dies without a word; whoever waits for it must hear that it is gone."""

    async def main():
        async with world.host() as host:
            link = host._link
            create = link.create

            async def create_then_die(fields, fds):
                pid1 = await create(fields, fds)
                os.kill(link.pid, signal.SIGKILL)
                return pid1

            link.create = create_then_die
            with suppress(SandboxError):  # or it was ready a moment before
                sandbox = await host.create(world.spec())
                await sandbox.close()
            fresh = await host.create(world.spec())
            assert await world.shell(fresh, "echo again") == "again\n"

    for _ in range(5):
        world.go(main())


def test_a_killed_spawner_takes_everything_along_and_is_replaced(world):
    async def main():
        async with world.host() as host:
            sandbox = await host.create(world.spec())
            process = await world.start(sandbox, "/bin/sleep", "600")
            os.kill(host._link.pid, signal.SIGKILL)
            assert (await process.exited).signal == signal.SIGKILL
            await until_gone(process.pid, sandbox.pid1)
            with pytest.raises(SandboxError) as caught:
                await world.start(sandbox, "/bin/true")
            assert caught.value.code == "SANDBOX_GONE"
            await sandbox.close()
            fresh = await host.create(world.spec())
            assert await world.shell(fresh, "echo again") == "again\n"

    world.go(main())


SERVER = """
import asyncio, sys
from pathlib import Path
from lambent.sandbox.host import NamespaceHost
from lambent.sandbox.spec import ProcessSpec, SandboxSpec
async def main():
    host = NamespaceHost(Path(sys.argv[1]))
    await host.open()
    pids = [host._link.pid]
    for n in range(2):
        spec = SandboxSpec(id=f"f{n}", owner="f", task_dir=Path(sys.argv[1]))
        sandbox = await host.create(spec)
        process = await sandbox.start(ProcessSpec(argv=("/bin/sleep", "600"), env={}, cwd="/"))
        pids += [sandbox.pid1, process.pid]
    sandbox.freeze()
    print(*pids, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def test_a_killed_server_leaves_nothing_that_its_successor_does_not_clean(world):
    async def main():
        world.data.mkdir()
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(world.data)],
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": str(SOURCES)},
        )
        with server:
            pids = [int(word) for word in server.stdout.readline().split()]
            server.kill()
        spawner, first, its_process, frozen, frozen_process = pids
        await until_gone(spawner, first, its_process)
        # The last one is frozen: where cgroups do that, it dies when the next start thaws it.
        host = NamespaceHost(world.data)
        await host.open()
        await until_gone(frozen, frozen_process)
        await host.close()
        assert mounts_of(world.folder) == []

    world.go(main())


def test_two_servers_do_not_share_a_data_folder(world):
    async def main():
        async with world.host():
            code = (
                "import asyncio, sys; from pathlib import Path\n"
                "from lambent.sandbox.host import NamespaceHost\n"
                "asyncio.run(NamespaceHost(Path(sys.argv[1])).open())"
            )
            second = await asyncio.create_subprocess_exec(
                sys.executable, "-c", code, str(world.data),
                env={"PYTHONPATH": str(SOURCES)}, stderr=subprocess.PIPE,
            )  # fmt: skip
            _, said = await second.communicate()
            assert b"SandboxError" in said

    world.go(main())


def test_what_cannot_be_made_is_explained_and_given_back(world):
    async def main():
        async with world.host() as host:
            spec = world.spec(task_dir=world.folder / "absent")
            with pytest.raises(SandboxError, match=r"absent.*No such file"):
                await host.create(spec)
            # The id is free again, and so is all that was taken for it.
            sandbox = await host.create(world.spec(id=spec.id))
            with pytest.raises(SandboxError) as caught:
                await host.create(world.spec(id=spec.id))
            assert caught.value.code == "SANDBOX_EXISTS"
            assert await world.shell(sandbox, "echo fine") == "fine\n"

    world.go(main())


def test_a_cancelled_create_leaves_nothing(world):
    async def main():
        async with world.host() as host:
            for delay in (0, 0.001, 0.002, 0.004, 0.008, 0.016):
                creating = asyncio.create_task(host.create(world.spec()))
                await asyncio.sleep(delay)
                creating.cancel()
                with suppress(asyncio.CancelledError):
                    await (await creating).close()
            sandbox = await host.create(world.spec())
            assert await world.shell(sandbox, "echo fine") == "fine\n"
            await sandbox.close()
            while host._link._gone:
                await asyncio.sleep(0.01)
            assert not host._sandboxes

    world.go(main())


def test_a_burst_of_sandboxes(world):
    async def main():
        async with world.host() as host:
            sandboxes = await asyncio.gather(*(host.create(world.spec()) for _ in range(40)))
            said = await asyncio.gather(
                *(world.shell(s, f"echo {n} > /tmp/n; cat /tmp/n") for n, s in enumerate(sandboxes))
            )
            assert said == [f"{n}\n" for n in range(40)]
            assert len({sandbox.pid1 for sandbox in sandboxes}) == 40

    world.go(main())
