"""Processes in a sandbox: what they are given, how their ends are told, what survives them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from lambent.errors import SandboxError
from lambent.sandbox.spec import Exit, ProcessSpec


@pytest.mark.parametrize(
    ("argv", "end"),
    [
        (("/bin/sh", "-c", "exit 0"), Exit(0)),
        (("/bin/sh", "-c", "exit 42"), Exit(42)),
        (("/bin/sh", "-c", "kill -SEGV $$"), Exit(None, signal.SIGSEGV)),
        (("/var/task/absent",), Exit(127)),
        (("absent-from-path",), Exit(127)),
        (("/var/task",), Exit(126)),
        (("sh", "-c", "exit 5"), Exit(5)),
    ],
)
def test_ends_are_told(world, argv, end):
    async def main():
        async with world.sandbox() as sandbox:
            process = await world.start(sandbox, *argv)
            assert await process.exited == end

    world.go(main())


def test_why_a_program_could_not_start_is_in_its_log(world):
    async def main():
        async with world.sandbox() as sandbox:
            _, text = await world.run(sandbox, "/var/task/bootstrap")
            assert text == "/var/task/bootstrap: No such file or directory\n"

    world.go(main())


def test_arguments_environment_and_folder_arrive_unchanged(world):
    show = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))"
    env = {**world.env, "EMPTY": "", "EQUALS": "a=b=c", "LINES": "one\ntwo", "UNICODE": "żółć"}

    async def main():
        async with world.sandbox() as sandbox:
            read_end, write_end = os.pipe()
            argv = (world.python, "-c", show, "", "two words", "żółć")
            process = await sandbox.start(
                ProcessSpec(argv=argv, env=env, cwd="/var/task", fds={1: write_end})
            )
            os.close(write_end)
            assert await process.exited == Exit(0)
            with os.fdopen(read_end) as file:
                arguments, environment, folder = json.load(file)
            environment.pop("LC_CTYPE", None)  # Python's own
            assert arguments == ["", "two words", "żółć"]
            assert environment == env
            assert folder == "/var/task"

    world.go(main())


def test_descriptors_land_on_their_numbers_even_when_these_cross(world):
    """Descriptor a goes where b is and the other way round; nothing else is open."""
    show = "for n in 3 4 9; do echo $n >&$n; done; ls /proc/self/fd | tr '\\n' ' ' >&9"

    async def main():
        async with world.sandbox() as sandbox:
            pipes = [os.pipe() for _ in range(3)]
            numbers = sorted(write for _, write in pipes)
            fds = {3: numbers[1], 4: numbers[0], 9: numbers[2]}
            process = await world.start(sandbox, "/bin/sh", "-c", show, fds=fds)
            for _, write in pipes:
                os.close(write)
            assert await process.exited == Exit(0)
            said = {}
            for read, write in pipes:
                with os.fdopen(read) as file:
                    said[write] = file.read()
            assert said[numbers[1]] == "3\n"
            assert said[numbers[0]] == "4\n"
            # ls has its own descriptor for the folder: the lowest free one.
            assert said[numbers[2]] == "9\n0 1 2 3 4 5 9 "

    world.go(main())


def test_a_socket_passes_in(world):
    async def main():
        async with world.sandbox() as sandbox:
            ours, theirs = socket.socketpair()
            with ours, theirs:
                code = "import socket; s = socket.socket(fileno=3); s.send(s.recv(9)[::-1])"
                process = await world.start(
                    sandbox, world.python, "-c", code, fds={3: theirs.fileno()}
                )
                theirs.close()
                ours.send(b"channel")
                assert await process.exited == Exit(0)
                assert ours.recv(9) == b"lennahc"

    world.go(main())


def test_a_shell_can_open_its_own_standard_streams(world):
    async def main():
        async with world.sandbox() as sandbox:
            script = "echo one > /dev/stdout; echo two > /dev/stderr; echo three > /proc/self/fd/1"
            assert await world.shell(sandbox, script) == "one\ntwo\nthree\n"

    world.go(main())


def test_pid_is_the_host_pid(world):
    async def main():
        async with world.sandbox() as sandbox:
            process = await world.start(sandbox, "/bin/sleep", "600")
            status = Path(f"/proc/{process.pid}/status").read_text()
            inside = status.partition("NSpid:")[2].split("\n")[0].split()
            assert inside[0] == str(process.pid)
            assert len(inside) == 2
            os.kill(process.pid, signal.SIGKILL)
            assert await process.exited == Exit(None, signal.SIGKILL)

    world.go(main())


def test_kill_ends_everything_but_the_place(world):
    async def main():
        async with world.sandbox() as sandbox:
            script = "echo kept > /tmp/kept; setsid sleep 600 & sleep 600 & wait"
            process = await world.start(sandbox, "/bin/sh", "-c", script)
            second = await world.start(sandbox, "/bin/sleep", "600")
            while "kept" not in await world.shell(sandbox, "cat /tmp/kept 2>/dev/null || true"):
                pass
            await sandbox.kill()
            assert process.exited.result() == second.exited.result() == Exit(None, signal.SIGKILL)
            left = await world.shell(sandbox, "cat /tmp/kept; exec cat /proc/[0-9]*/comm")
            assert left == "kept\nlambent-sandbox\ncat\n"
            await sandbox.kill()

    world.go(main())


def test_kill_stops_a_fork_bomb(world):
    async def main():
        async with world.sandbox(pids_max=48) as sandbox:
            bomb = "f() { f & f & wait; }; f"
            process = await world.start(sandbox, "/bin/sh", "-c", bomb)
            await asyncio.sleep(0.3)  # let it grow to its limit
            await sandbox.kill()
            assert process.exited.done()
            assert (await world.shell(sandbox, "ls -d /proc/[0-9]*")).split()[0] == "/proc/1"

    world.go(main())


def test_terminate_reaches_what_was_started(world):
    async def main():
        async with world.sandbox() as sandbox:
            read_end, write_end = os.pipe()
            script = "trap 'exit 9' TERM; echo ready >&3; exec 3>&-; while :; do sleep 600 & wait $!; done"
            process = await world.start(sandbox, "/bin/sh", "-c", script, fds={3: write_end})
            os.close(write_end)
            loop = asyncio.get_running_loop()
            assert await loop.run_in_executor(None, os.read, read_end, 9) == b"ready\n"
            os.close(read_end)
            sandbox.terminate()
            assert await process.exited == Exit(9)

    world.go(main())


def test_frozen_processes_stand_still_and_can_still_be_killed(world):
    async def main():
        async with world.sandbox() as sandbox:
            process = await world.start(sandbox, "/bin/sh", "-c", "while :; do :; done")
            sandbox.freeze()
            sandbox.freeze()
            used = _cpu_ticks(process.pid)
            await asyncio.sleep(0.2)
            assert _cpu_ticks(process.pid) - used <= 1
            sandbox.thaw()
            while _cpu_ticks(process.pid) - used < 5:
                await asyncio.sleep(0.02)
            sandbox.freeze()
            await sandbox.kill()
            assert process.exited.result() == Exit(None, signal.SIGKILL)
            sandbox.freeze()
            process = await world.start(sandbox, "/bin/true")
            assert await process.exited == Exit(0)
            await world.start(sandbox, "/bin/sleep", "600")
            sandbox.freeze()

    world.go(main())


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_orphans_are_reaped(world):
    async def main():
        async with world.sandbox() as sandbox:
            await world.shell(sandbox, "for i in 1 2 3; do (sleep 0.01 &) ; done; sleep 0.1")
            assert (
                await world.shell(sandbox, "exec cat /proc/[0-9]*/comm") == "lambent-sandbox\ncat\n"
            )

    world.go(main())


def test_many_processes_start_at_once(world):
    async def main():
        async with world.sandbox() as sandbox:
            started = await asyncio.gather(
                *(world.start(sandbox, "/bin/sh", "-c", f"exit {n}") for n in range(30))
            )
            ends = await asyncio.gather(*(process.exited for process in started))
            assert [end.code for end in ends] == list(range(30))

    world.go(main())


def test_a_request_that_does_not_fit_is_refused(world):
    async def main():
        async with world.sandbox() as sandbox:
            with pytest.raises(SandboxError) as caught:
                await world.start(sandbox, "/bin/true", BIG="x" * 70_000)
            assert caught.value.code == "SANDBOX_REQUEST_TOO_LARGE"
            assert await world.shell(sandbox, "echo fine") == "fine\n"

    world.go(main())


def test_limits_of_a_process(world):
    async def main():
        async with world.sandbox(pids_max=100) as sandbox:
            limits = (await world.shell(sandbox, "ulimit -n; ulimit -c")).split()
            assert limits == ["1024", "0"]

    world.go(main())
