"""Runs every program of ../programs in a sandbox of its own and prints how each ended, as JSON.

A script, so that a test can run it as another user with another interpreter. Arguments: a folder
to work in, and the programs' names.
"""

import asyncio
import json
import os
import shutil
import socket
import sys
from pathlib import Path

from lambent.sandbox.host import NamespaceHost
from lambent.sandbox.spec import ProcessSpec, SandboxSpec

PROGRAMS = Path(__file__).parents[1] / "programs"
PYTHON = f"/var/lang/bin/python{sys.version_info.major}.{sys.version_info.minor}"
MEMORY_MB, TMP_MB, PIDS_MAX = 128, 48, 24


async def output_of(process, read_end):
    loop = asyncio.get_running_loop()

    def read_all():
        with open(read_end, "rb") as file:
            return file.read().decode(errors="replace")

    text = await loop.run_in_executor(None, read_all)
    return await process.exited, text


def spec(number, folder):
    return SandboxSpec(
        id=f"a{number:04x}", owner=f"function-{number % 3}", task_dir=folder / "task",
        lang_dir=Path(sys.base_prefix), memory_mb=MEMORY_MB, ephemeral_mb=TMP_MB, pids_max=PIDS_MAX,
    )  # fmt: skip


async def attack(host, number, folder, name, env):
    sandbox = await host.create(spec(number, folder))
    try:
        read_end, write_end = os.pipe()
        env = {**env, "NAMES": ",".join([*env, "NAMES"])}
        argv = (PYTHON, "-B", f"/var/task/{name}.py")
        process = await sandbox.start(
            ProcessSpec(argv=argv, env=env, fds={1: write_end, 2: write_end})
        )
        os.close(write_end)
        end, text = await asyncio.wait_for(output_of(process, read_end), 60)
        # Whatever was done to it, the place must still obey.
        again = await sandbox.start(ProcessSpec(argv=("/bin/sh", "-c", "exit 3"), env={}))
        alive = (await asyncio.wait_for(again.exited, 30)).code == 3
        return {
            "code": end.code,
            "signal": end.signal,
            "oom": end.oom,
            "text": text,
            "alive": alive,
        }
    finally:
        await sandbox.close()


async def main(folder, names):
    shutil.copytree(PROGRAMS, folder / "task")
    secret = folder / "secret"
    secret.write_text("of the host")
    env = {
        "PATH": "/var/lang/bin:/usr/bin:/bin",
        "LD_LIBRARY_PATH": "/var/lang/lib",
        "HOST_PID": str(os.getpid()),
        "HOST_FILE": str(secret),
        "OTHER_FILE": "/tmp/secret-of-another",
        "HOST_ABSTRACT": f"lambent-test-{os.getpid()}",
        "PIDS_MAX": str(PIDS_MAX),
        "TMP_MB": str(TMP_MB),
    }
    if os.geteuid() == 0:
        shutil.copy("/usr/bin/id", folder / "task" / "id")
        (folder / "task" / "id").chmod(0o6755)
        env["SETUID_ROOT"] = "/var/task/id"
    # Open and inheritable in the server: a leak would show.
    os.set_inheritable(os.open(secret, os.O_RDONLY), True)
    host = NamespaceHost(folder / "data")
    await host.open()
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            socket.socket(socket.AF_UNIX) as abstract,
        ):
            abstract.bind("\0" + env["HOST_ABSTRACT"])
            abstract.listen()
            env["HOST_PORT"] = str(listener.getsockname()[1])
            other = await host.create(spec(999, folder))
            script = "echo hidden > /tmp/secret-of-another; exec sleep 600"
            process = await other.start(ProcessSpec(argv=("/bin/sh", "-c", script), env={}))
            env["OTHER_PID"] = str(process.pid)
            results = {
                name: await attack(host, number, folder, name, env)
                for number, name in enumerate(names)
            }
            assert not process.exited.done(), "another environment was harmed"
    finally:
        await host.close()
    json.dump(results, sys.stdout)


asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
