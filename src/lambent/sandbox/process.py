"""The process sandbox: plain processes, for where nothing can be isolated.

Used off Linux and where user namespaces are forbidden, and said loudly: functions run as the
server's user and can read and write whatever it can. Paths are rewritten to the real folders
(`addresses`), memory is limited per process, and what leaves its process group escapes. A shell
beside the server ends all groups should the server be killed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal

from lambent.errors import SandboxError
from lambent.sandbox import layers
from lambent.sandbox.addresses import Addresses
from lambent.sandbox.process_sandbox import ProcessSandbox
from lambent.sandbox.spec import Feature, SandboxSpec

FIX: Final = "run on Linux with user namespaces, then: lambent up --sandbox namespaces"

# Reads `+ PGID` and `- PGID`; at the end of its input, which is the server's, kills what remains.
GUARDIAN: Final = """
trap '' INT TERM HUP
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) groups="${groups%%" $group "*} ${groups#*" $group "}" ;;
  esac
done
for group in $groups; do kill -9 "-$group" 2>/dev/null; done
"""


class Guardian:
    """The shell that outlives a killed server for the moment it takes to end what it left."""

    def __init__(self) -> None:
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", GUARDIAN],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, group: int) -> None:
        self._tell(b"+ %d\n" % group)

    def forget(self, group: int) -> None:
        self._tell(b"- %d\n" % group)

    def _tell(self, line: bytes) -> None:
        assert self._shell.stdin is not None
        os.write(self._shell.stdin.fileno(), line)

    @property
    def alive(self) -> bool:
        return self._shell.poll() is None

    def close(self) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait(10)


class ProcessHost:
    """Sandboxes that are only folders and process groups."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir.resolve() / "run"
        self._sandboxes: dict[str, ProcessSandbox] = {}
        self._guardian: Guardian | None = None
        self._waiters: ThreadPoolExecutor | None = None

    @property
    def kind(self) -> Literal["process"]:
        return "process"

    async def open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._folder / "places", ignore_errors=True)
        # One thread waits for each process; waiting is portable, pidfds are not.
        self._waiters = ThreadPoolExecutor(4096, thread_name_prefix="wait")
        self._guardian = Guardian()

    def features(self) -> tuple[Feature, ...]:
        """All that is missing, for `lambent up` and `doctor`."""
        return tuple(
            Feature(name, enforced=False, how=how, missing=missing, fix=FIX)
            for name, how, missing in (
                (
                    "isolation",
                    "none",
                    "functions can read and write whatever the server's user can",
                ),
                ("own uid per function", "none", "functions run as the server's user"),
                ("memory limit", "RLIMIT_DATA", "memory is limited per process, where at all"),
                ("cpu share", "none", "functions use as much CPU as the machine has"),
                ("process limit", "none", "a function may start any number of processes"),
                ("freeze", "SIGSTOP", "what leaves its process group runs on"),
                ("/tmp limit", "none", "a function may fill the disk"),  # noqa: S108  a name to read
                ("egress", "host", "functions have the host's network, its loopback included"),
            )
        )

    async def check(self) -> None:
        if self._guardian is None or not self._guardian.alive:
            raise SandboxError(
                "the shell that ends what a killed server leaves is not running; restart the server"
            )

    async def create(self, spec: SandboxSpec) -> ProcessSandbox:
        if self._guardian is None or self._waiters is None:
            raise SandboxError("the sandbox host is not open", code="SANDBOX_UNAVAILABLE")
        if spec.id in self._sandboxes:
            raise SandboxError(f"environment {spec.id} exists already", code="SANDBOX_EXISTS")
        if spec.mounts:
            raise SandboxError(
                "the process sandbox cannot show a file system at /mnt",
                code="SANDBOX_CANNOT_MOUNT",
                fix="run where functions are isolated (lambent doctor), or take the "
                "FileSystemConfigs off the function",
            )
        place = self._folder / "places" / spec.id
        loop = asyncio.get_running_loop()
        folders = await loop.run_in_executor(None, self._lay_out, spec, place)
        listeners = {port: _listen() for port in spec.ports}
        ports = {port: sock.getsockname()[1] for port, sock in listeners.items()}

        def release() -> None:
            self._sandboxes.pop(spec.id, None)
            shutil.rmtree(place, ignore_errors=True)

        sandbox = ProcessSandbox(
            spec, Addresses(folders, ports), listeners, self._guardian, self._waiters, release
        )
        self._sandboxes[spec.id] = sandbox
        return sandbox

    def _lay_out(self, spec: SandboxSpec, place: Path) -> dict[str, str]:
        """Where the folders of an environment really are; makes those that nobody gave."""
        tmp, empty = place / "tmp", place / "empty"
        tmp.mkdir(parents=True)
        empty.mkdir()
        opt = layers.merged(spec.layer_dirs, self._folder / "layers") if spec.layer_dirs else empty
        return {
            "/var/task": str(spec.task_dir),
            "/var/lang": str(spec.lang_dir or empty),
            "/var/runtime": str(spec.runtime_dir or empty),
            "/opt": str(opt),
            "/tmp": str(tmp),  # noqa: S108  the function's name for it
        }

    async def close(self) -> None:
        for sandbox in list(self._sandboxes.values()):
            await sandbox.close()
        if self._guardian is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, self._guardian.close)
            self._guardian = None
        if self._waiters is not None:
            self._waiters.shutdown()
            self._waiters = None


def _listen() -> socket.socket:
    """Any free port: all environments share the host's loopback."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=128)
    sock.setblocking(False)
    return sock
