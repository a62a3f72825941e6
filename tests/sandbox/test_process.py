"""The process sandbox: no walls, but the same contract for whoever uses it."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lambent.errors import SandboxError
from lambent.sandbox.spec import Exit, ProcessSpec

SOURCES = Path(__file__).parents[2] / "src"


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(
    ("argv", "end"),
    [
        (("/bin/sh", "-c", "exit 42"), Exit(42)),
        (("/bin/sh", "-c", "kill -SEGV $$"), Exit(None, signal.SIGSEGV)),
        (("/var/task/absent",), Exit(127)),
        (("absent-from-path",), Exit(127)),
    ],
)
def test_ends_are_told(plain_world, argv, end):
    async def main():
        async with plain_world.sandbox() as sandbox:
            process = await plain_world.start(sandbox, *argv)
            assert await process.exited == end

    plain_world.go(main())


def test_lambdas_paths_lead_to_the_real_folders(plain_world):
    world = plain_world
    (world.task / "mark").write_text("task")
    layers = (world.folder / "one", world.folder / "two")
    for layer in layers:
        layer.mkdir()
        (layer / "who").write_text(layer.name)

    async def main():
        async with world.sandbox(layer_dirs=layers) as sandbox:
            said = await world.shell(
                sandbox, 'cat "$A" "$B"; pwd', A="/var/task/mark", B="/opt/who"
            )
            assert said.startswith("tasktwo")
            assert "/places/" in said
            _, said = await world.run(sandbox, world.python, "-c", "import sys; print(sys.prefix)")
            assert os.path.samefile(said.strip(), sys.base_prefix)

    world.go(main())


def test_tmp_is_a_folder_that_survives_a_kill_and_goes_with_the_place(plain_world):
    world = plain_world
    write = "import os, tempfile; open(os.path.join(tempfile.gettempdir(), 'kept'), 'w').write('x')"

    async def main():
        async with world.sandbox() as sandbox:
            end, said = await world.run(sandbox, world.python, "-c", write)
            assert end == Exit(0), said
            await sandbox.kill()
            assert await world.shell(sandbox, "ls") == "kept\n"
            (place,) = (world.data / "run" / "places").iterdir()
        assert not place.exists()

    world.go(main())


def test_descriptors_environment_and_streams(plain_world):
    world = plain_world
    show = (
        "import os; print('lost'); os.write(3, "
        "' '.join([os.environ['NAME'], *sorted(os.listdir('/proc/self/fd'))]).encode())"
    )

    async def main():
        async with world.sandbox() as sandbox:
            read_end, write_end = os.pipe()
            env = {**world.env, "NAME": "value"}
            argv = (world.python, "-c", show)
            process = await sandbox.start(ProcessSpec(argv=argv, env=env, fds={3: write_end}))
            os.close(write_end)
            assert await process.exited == Exit(0)
            with os.fdopen(read_end) as file:
                # The last is the one that reads the folder.
                assert file.read().split() == ["value", "0", "1", "2", "3", "4"]

    world.go(main())


def test_kill_terminate_freeze(plain_world):
    world = plain_world

    async def main():
        async with world.sandbox() as sandbox:
            process = await world.start(sandbox, "/bin/sh", "-c", "sleep 600 & wait")
            sandbox.freeze()
            while ") T " not in Path(f"/proc/{process.pid}/stat").read_text():
                await asyncio.sleep(0.01)
            sandbox.thaw()
            sandbox.terminate()
            assert await process.exited == Exit(None, signal.SIGTERM)
            process = await world.start(sandbox, "/bin/sh", "-c", "sleep 600 & wait")
            sandbox.freeze()
            await sandbox.kill()
            assert process.exited.result() == Exit(None, signal.SIGKILL)

    world.go(main())


def test_ports_are_elsewhere_and_the_process_is_told(plain_world):
    world = plain_world

    async def main():
        async with world.host() as host:
            for sandbox in [await host.create(world.spec(ports=(9001,))) for _ in range(2)]:
                port = sandbox.listeners[9001].getsockname()[1]
                said = await world.shell(sandbox, "echo $API", API="127.0.0.1:9001/2018-06-01")
                assert said == f"127.0.0.1:{port}/2018-06-01\n"

    world.go(main())


def test_memory_is_told(plain_world):
    world = plain_world

    async def main():
        async with world.sandbox(memory_mb=512) as sandbox:
            code = "x = bytearray(b'x' * 100_000_000)"
            assert (await world.run(sandbox, world.python, "-c", code))[0] == Exit(0)
            # The kernel counts the memory of the process that spawned it too, where that is more.
            own_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            assert 95 <= sandbox.memory_mb() <= max(400, own_mb + 1)

    world.go(main())


SERVER = """
import asyncio, sys
from pathlib import Path
from lambent.sandbox.process import ProcessHost
from lambent.sandbox.spec import ProcessSpec, SandboxSpec
async def main():
    host = ProcessHost(Path(sys.argv[1]))
    await host.open()
    sandbox = await host.create(SandboxSpec(id="f0", owner="f", task_dir=Path(sys.argv[1])))
    gone = await sandbox.start(ProcessSpec(argv=("/bin/true",), env={}, cwd="/"))
    await gone.exited
    kept = [
        await sandbox.start(ProcessSpec(argv=("/bin/sleep", "600"), env={}, cwd="/"))
        for _ in range(3)
    ]
    print(*(process.pid for process in kept), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def test_a_killed_server_leaves_no_process(plain_world):
    async def main():
        with subprocess.Popen(
            [sys.executable, "-c", SERVER, str(plain_world.folder)],
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": str(SOURCES), "PATH": "/usr/bin:/bin"},
        ) as server:
            pids = [int(word) for word in server.stdout.readline().split()]
            assert len(pids) == 3
            server.kill()
        while any(map(alive, pids)):
            await asyncio.sleep(0.01)

    plain_world.go(main())


def test_a_closed_place_starts_nothing_and_everything_missing_is_said(plain_world):
    async def main():
        async with plain_world.host() as host:
            assert host.kind == "process"
            for feature in host.features():
                assert not feature.enforced
                assert feature.missing
                assert feature.fix
            sandbox = await host.create(plain_world.spec())
            await sandbox.close()
            await sandbox.close()
            with pytest.raises(SandboxError):
                await plain_world.start(sandbox, "/bin/true")

    plain_world.go(main())
