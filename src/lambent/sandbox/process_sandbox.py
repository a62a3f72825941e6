"""One environment of the process sandbox: process groups, and a folder for its /tmp."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, Protocol

from lambent.errors import SandboxError
from lambent.sandbox.addresses import Addresses
from lambent.sandbox.spec import Exit, ProcessSpec, SandboxSpec

PARKED_FDS: Final = 200
"""Descriptors are first moved out of the way of the numbers that they shall have."""

# posix_spawn knows no working folder and no limits. A limit that this system lacks is passed over.
TRAMPOLINE: Final = """
cd "$1" || exit 127
ulimit -c 0 2>/dev/null; ulimit -n 1024 2>/dev/null; ulimit -d "$2" 2>/dev/null
shift 2
exec "$@"
"""


class Watcher(Protocol):
    """Whoever ends process groups after the server's death: `process.Guardian`."""

    def watch(self, group: int) -> None: ...

    def forget(self, group: int) -> None: ...


class PlainProcess:
    """A process in a group of its own."""

    __slots__ = ("_exited", "_pid")

    def __init__(self, pid: int, exited: asyncio.Future[Exit]) -> None:
        self._pid = pid
        self._exited = exited

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def exited(self) -> asyncio.Future[Exit]:
        return self._exited


class ProcessSandbox:
    """A place without walls."""

    def __init__(
        self,
        spec: SandboxSpec,
        addresses: Addresses,
        listeners: Mapping[int, socket.socket],
        guardian: Watcher,
        waiters: Executor,
        release: Callable[[], None],
    ) -> None:
        self._spec = spec
        self._addresses = addresses
        self._listeners = listeners
        self._guardian = guardian
        self._waiters = waiters
        self._release = release
        self._loop = asyncio.get_running_loop()
        self._running: dict[int, PlainProcess] = {}
        self._frozen = False
        self._most_kb = 0
        self._closed = False

    @property
    def id(self) -> str:
        return self._spec.id

    @property
    def listeners(self) -> Mapping[int, socket.socket]:
        return self._listeners

    async def start(self, process: ProcessSpec) -> PlainProcess:
        """Start a process; it exits 127 if there is no such program or working folder."""
        if self._closed:
            raise SandboxError("the sandbox is gone", code="SANDBOX_GONE")
        self.thaw()
        real = self._addresses.rewrite(process)
        tmp = self._addresses.folders["/tmp"]  # noqa: S108  the function's name for it
        limit_kb = str((self._spec.memory_mb + self._spec.reserved_mb) * 1024)
        argv = ("/bin/sh", "-c", TRAMPOLINE, "sh", real.cwd, limit_kb, *real.argv)
        pid = _spawn(argv, {"TMPDIR": tmp, **real.env}, real.fds)
        self._guardian.watch(pid)
        started = PlainProcess(pid, self._loop.create_future())
        self._running[pid] = started
        waiting = self._loop.run_in_executor(self._waiters, os.wait4, pid, 0)
        waiting.add_done_callback(lambda done: self._ended(pid, *done.result()[1:]))
        return started

    def _ended(self, pid: int, status: int, usage: object) -> None:
        self._most_kb = max(self._most_kb, _peak_kb(usage))
        process = self._running.pop(pid)
        self._signal_group(pid, signal.SIGKILL)
        with suppress(OSError):
            self._guardian.forget(pid)
        code = os.waitstatus_to_exitcode(status)
        end = Exit(None, -code) if code < 0 else Exit(code)
        if not process.exited.done():
            process.exited.set_result(end)

    async def open_socket(self, kind: Literal["tcp", "udp"], port: int = 0) -> socket.socket:  # noqa: ARG002  any port: the loopback is the host's
        made = socket.socket(type=socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        made.setblocking(False)
        if kind == "udp":
            made.bind(("127.0.0.1", 0))
        return made

    async def kill(self) -> None:
        ending = [process.exited for process in self._running.values()]
        self._signal(signal.SIGKILL)
        if ending:
            await asyncio.wait(ending)

    def terminate(self) -> None:
        self.thaw()
        self._signal(signal.SIGTERM)

    def limit_cpu(self, limited: bool) -> None:  # noqa: FBT001  the protocol's own form
        """Not possible here; `features` says so."""

    def freeze(self) -> None:
        if not self._frozen:
            self._frozen = True
            self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._frozen:
            self._frozen = False
            self._signal(signal.SIGCONT)

    def memory_mb(self) -> int:
        """The largest resident process so far, where /proc tells; else the largest that ended."""
        for pid in self._running:
            self._most_kb = max(self._most_kb, _high_water_kb(pid))
        return -(-self._most_kb // 1024)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self.kill()
        for sock in self._listeners.values():
            sock.close()
        await self._loop.run_in_executor(None, self._release)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._running:
            self._signal_group(pid, number)

    @staticmethod
    def _signal_group(group: int, number: signal.Signals) -> None:
        # PermissionError is macOS's answer for a group of zombies.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def _spawn(argv: tuple[str, ...], env: Mapping[str, str], fds: Mapping[int, int]) -> int:
    """Start a process that leads a group and has exactly these descriptors."""
    first = max([PARKED_FDS, *(target + 1 for target in fds)])
    parked: dict[int, int] = {}
    try:
        for target, fd in fds.items():
            parked[target] = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, first)
        actions: list[tuple[int, int] | tuple[int, int, int] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_OPEN, standard, "/dev/null", os.O_RDWR, 0)
            for standard in range(3)
            if standard not in fds
        ]
        actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in _inheritable() - set(fds)]
        actions += [(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in parked.items()]
        return os.posix_spawn(
            argv[0], argv, env, file_actions=actions, setpgroup=0,
            setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM), setsigmask=(),
        )  # fmt: skip
    finally:
        for fd in parked.values():
            os.close(fd)


def _inheritable() -> set[int]:
    """What whoever started the server left open for its children."""
    found = set()
    for name in os.listdir("/dev/fd"):  # noqa: PTH208  numbers, not paths
        fd = int(name)
        with suppress(OSError):  # the one that reads the folder is closed by now
            if fd > 2 and os.get_inheritable(fd):
                found.add(fd)
    return found


def _peak_kb(usage: object) -> int:
    peak = int(getattr(usage, "ru_maxrss", 0))
    return peak // 1024 if os.uname().sysname == "Darwin" else peak


def _high_water_kb(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    _, _, rest = status.partition("VmHWM:")
    return int(rest.split(None, 1)[0]) if rest else 0
