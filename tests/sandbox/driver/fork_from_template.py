"""Forks an environment from a template, with nothing but the standard library: a script, so that a
test can run it as another user with another interpreter. Argument: a folder to work in. Prints JSON.
"""

import asyncio
import json
import os
import resource
import socket
import sys
from pathlib import Path

import lambent.runtimes
from lambent.engine.snapshot_link import SnapshotLink
from lambent.runtimes import frames
from lambent.sandbox.host import NamespaceHost
from lambent.sandbox.namespaces import SPACES
from lambent.sandbox.spec import ProcessSpec, SandboxSpec, Template

HANDLER = """
import os, resource
ballast = bytearray(8 << 20)

def refused(path):
    try:
        open(path, "rb").close()
    except OSError as error:
        return error.errno

def handler(event, context):
    status = dict(line.split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
    names = ("CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp_filters")
    return {**{name: status[name].strip() for name in names}, "uid": os.getuid(),
            "processes": resource.getrlimit(resource.RLIMIT_NPROC),
            "pid 1": [refused("/proc/1/" + name) for name in ("mem", "maps", "environ", "ns/net")],
            "pids": sorted(int(name) for name in os.listdir("/proc") if name.isdigit())}
"""


def spec(folder, number, **more):
    return SandboxSpec(
        id=f"f{number:04x}", owner="function", task_dir=folder / "task", memory_mb=256,
        lang_dir=Path(sys.base_prefix), runtime_dir=Path(lambent.runtimes.__file__).parent / "python",
        **more,
    )  # fmt: skip


async def frame(sock):
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < 5 or len(data) < 4 + int.from_bytes(data[:4], "big"):
        data += await loop.sock_recv(sock, 65536)
    return data[4], data[5:]


async def main(folder):
    (folder / "task").mkdir()
    (folder / "task" / "app.py").write_text(HANDLER)
    host = NamespaceHost(folder / "data")
    await host.open()
    try:
        home = await host.create(spec(folder, 0, forkable=True))
        link = SnapshotLink(asyncio.get_running_loop())
        python = f"/var/lang/bin/python3.{sys.version_info.minor}"
        env = {"_HANDLER": "app.handler", "_LAMBENT_TEMPLATE": "1", "LAMBDA_TASK_ROOT": "/var/task",
               "LD_LIBRARY_PATH": "/var/lang/lib", "_LAMBDA_TELEMETRY_LOG_FD": "4"}  # fmt: skip
        argv = (python, "-S", "-B", "/var/runtime/bootstrap.py")
        null = os.open("/dev/null", os.O_RDWR)
        fds = {1: 2, 2: 2, 3: link.runtime_end.fileno(), 4: null}
        template = await home.start(ProcessSpec(argv=argv, env=env, fds=fds))
        found = json.loads(await link.ready)
        home.settle()
        may_fork = resource.prlimit(template.pid, resource.RLIMIT_NPROC)[0]
        place = await host.create(spec(folder, 1, template=Template(home)))
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        forked = await link.fork(
            [kind for _, kind in SPACES], [*place.spaces, theirs.fileno(), null]
        )
        process = await place.adopt(forked.pidfd, forked.pid, home)
        theirs.close()
        ours.send(frames.encode(frames.RESTORE, b"{}"))
        assert (await frame(ours))[0] == frames.READY
        header = b"\n".join((b"id", b"9999999999999", b"arn", b"", b"", b"", b""))
        ours.send(frames.encode_invoke(header, b"{}"))
        kind, body = await frame(ours)
        assert kind == frames.RESPONSE, body
        await place.kill()
        assert (await process.exited).signal == 9
        link.close()
        print(json.dumps({"found": found, "template's processes": may_fork, **json.loads(body)}))
    finally:
        await host.close()


asyncio.run(main(Path(sys.argv[1])))
