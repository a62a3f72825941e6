"""One isolated sandbox as the engine holds it: a pid 1 to talk to, a control group, a /tmp disk.

Made by `host.NamespaceHost.create`. Everything the function does happens behind `Messenger`; what
comes back is only descriptors and numbers.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import signal
import socket
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, Protocol

from lambent.errors import SandboxError
from lambent.sandbox import forks, wire
from lambent.sandbox.addresses import Addresses
from lambent.sandbox.cgroup import Cgroup
from lambent.sandbox.forks import Forks
from lambent.sandbox.messenger import Messenger
from lambent.sandbox.namespaces import SPACES, open_socket
from lambent.sandbox.nest_link import NestLink, failed_step
from lambent.sandbox.netlink import inside
from lambent.sandbox.spawner_link import END_S, refusal
from lambent.sandbox.spec import Exit, ProcessSpec, Sandbox

KILLED_BY_KERNEL: Final = 9


class Pid1(Protocol):
    """The first process of a place, seen from the host; with it all that is there ends."""

    @property
    def pid(self) -> int: ...

    @property
    def gone(self) -> asyncio.Future[None]: ...

    def end(self) -> None: ...

    def forget(self) -> None: ...


class NamespaceProcess:
    """A process in a sandbox, seen from the host."""

    __slots__ = ("_exited", "_pid", "started")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._pid = 0
        self._exited: asyncio.Future[Exit] = loop.create_future()
        self.started: asyncio.Future[None] = loop.create_future()

    @property
    def pid(self) -> int:
        """0 if it could not even be forked."""
        return self._pid

    @property
    def exited(self) -> asyncio.Future[Exit]:
        return self._exited

    def start_seen(self, pid: int) -> None:
        self._pid = pid
        if not self.started.done():
            self.started.set_result(None)

    def end_seen(self, end: Exit) -> None:
        if not self.started.done():
            self.started.set_result(None)
        if not self._exited.done():
            self._exited.set_result(end)


class NamespaceSandbox:
    """A place with its own namespaces."""

    def __init__(
        self,
        sandbox_id: str,
        control: socket.socket,
        group: Cgroup,
        most_processes: int,
        function_ids: tuple[int, int] | None,
        release: Callable[[NamespaceSandbox], None],
    ) -> None:
        """Not made by hand, see `host`.

        `function_ids`: host uid and gid of the function, as root; `release` runs in a thread after
        the last process is gone.
        """
        self._id = sandbox_id
        self.group = group
        self._most_processes = most_processes
        self._function_ids = function_ids
        self._release = release
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._processes: dict[bytes, NamespaceProcess] = {}
        self._kills: dict[bytes, asyncio.Future[None]] = {}
        self._opens: dict[bytes, asyncio.Future[socket.socket]] = {}
        self._listeners: dict[int, socket.socket] = {}
        self._addresses = Addresses()
        self.spaces: list[int] = []
        """A template's or a fork's namespaces, opened, in the order of `namespaces.SPACES`."""
        self._forks = Forks()
        self._adopted: set[NamespaceProcess] = set()
        self._oom_seen = 0
        self._closing: asyncio.Task[None] | None = None
        self.first: Pid1 | None = None
        self.nest: asyncio.Task[NestLink] | None = None
        """A template's: what makes the places of its forks."""
        self.ready: asyncio.Future[list[int]] = self._loop.create_future()
        """The descriptors of the listeners, once the place stands."""
        self._messenger = Messenger(control, self._on_message, self._on_gone)

    @property
    def id(self) -> str:
        return self._id

    @property
    def listeners(self) -> Mapping[int, socket.socket]:
        return self._listeners

    @property
    def pid1(self) -> int:
        """On the host; 0 as long as there is none."""
        return 0 if self.first is None else self.first.pid

    @property
    def alive(self) -> bool:
        """Whether its pid 1 still serves; a dead place can only be closed."""
        return self._messenger.open

    def take_listeners(self, ports: tuple[int, ...], fds: list[int]) -> None:
        fds, self.spaces = fds[: len(ports)], fds[len(ports) :]
        for port, fd in zip(ports, fds, strict=True):
            sock = socket.socket(fileno=fd)
            sock.setblocking(False)
            self._listeners[port] = sock
        # Where the network is the host's, the ports could not be had.
        real = {port: sock.getsockname()[1] for port, sock in self._listeners.items()}
        self._addresses = Addresses(ports={p: r for p, r in real.items() if p != r})

    async def start(self, process: ProcessSpec) -> NamespaceProcess:
        """Start a process; it exits 127 if there is no such program, 126 if it cannot run."""
        process = self._addresses.rewrite(process)
        number = b"%d" % next(self._numbers)
        if self._function_ids is not None:
            _give_pipes(process.fds.values(), *self._function_ids)
        self.thaw()
        data = wire.encode(
            wire.START,
            number,
            wire.join(os.fsencode(argument) for argument in process.argv),
            wire.join(os.fsencode(f"{name}={value}") for name, value in process.env.items()),
            os.fsencode(process.cwd),
            wire.join(b"%d" % target for target in process.fds),
        )
        started = NamespaceProcess(self._loop)
        self._messenger.send(data, tuple(process.fds.values()))
        self._processes[number] = started
        await asyncio.shield(started.started)
        return started

    async def adopt(self, pidfd: int, pid: int, template: Sandbox) -> NamespaceProcess:
        """Take a process that was forked from `template` into this place, and limit it.

        `pid` is its number in the template's namespace, where its end will be told; whoever owns
        `pidfd` keeps it. Raises `SandboxError` if it is not what it should be: it runs no code of
        the function until its caller lets it.
        """
        assert isinstance(template, NamespaceSandbox)
        host_pid = forks.host_pid(pidfd)
        forks.check(host_pid, self.spaces)
        process = NamespaceProcess(self._loop)
        process.start_seen(host_pid)
        _limit_processes(host_pid, self._most_processes)
        self._adopted.add(process)
        process.exited.add_done_callback(lambda _: self._adopted.discard(process))
        template.watch(pid, self, process)
        await self._loop.run_in_executor(None, self._enlist, host_pid)
        return process

    def _enlist(self, host_pid: int) -> None:
        """The OOM killer prefers it already: its template was offered to it."""
        with suppress(ProcessLookupError):  # its end is told to whoever waits for it
            self.group.add(host_pid)

    def watch(self, pid: int, place: NamespaceSandbox, process: NamespaceProcess) -> None:
        """Hand on the end of a process here that lives in another place."""
        self._forks.expect(pid, lambda status: place.fork_ended(process, status))

    def fork_ended(self, process: NamespaceProcess, status: int) -> None:
        process.end_seen(self._exit(status))

    def settle(self) -> None:
        """It is a template now, that only forks.

        The kernel counts what is in the places below among its processes. Its own are limited by
        its group; forks get the limit back.
        """
        self.group.lift_memory()
        for process in self._processes.values():
            with suppress(OSError):
                _, most = resource.prlimit(process.pid, resource.RLIMIT_NPROC)
                _limit_processes(process.pid, most)

    async def open_socket(self, kind: Literal["tcp", "udp"], port: int = 0) -> socket.socket:
        number = b"%d" % next(self._numbers)
        opened: asyncio.Future[socket.socket] = self._loop.create_future()
        self._messenger.send(wire.encode(wire.OPEN, number, kind.encode(), port))
        self._opens[number] = opened
        try:
            return await opened
        except SandboxError:
            # The pid 1 of a fork knows nothing of sockets, but its network is at hand here.
            if len(self.spaces) < len(SPACES) or not self.alive:
                raise
            return await asyncio.to_thread(_open_inside, self.spaces[-1], kind, port)

    async def kill(self) -> None:
        if not self.alive:
            return
        self._let_it_end()
        number = b"%d" % next(self._numbers)
        done: asyncio.Future[None] = self._loop.create_future()
        self._messenger.send(wire.encode(wire.KILL, number))
        self._kills[number] = done
        try:
            async with asyncio.timeout(END_S):
                await done
                for process in tuple(self._adopted):  # their ends are told by their template
                    await asyncio.shield(process.exited)
        except TimeoutError:
            raise SandboxError(
                f"the processes of environment {self._id} did not end", code="SANDBOX_STUCK"
            ) from None

    def terminate(self) -> None:
        if self.alive:
            self.thaw()
            self._messenger.send(wire.encode(wire.TERMINATE))
            for process in self._adopted:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGTERM)

    def limit_cpu(self, limited: bool) -> None:  # noqa: FBT001  the protocol's own form
        self.group.limit_cpu(limited)

    def freeze(self) -> None:
        self.group.freeze()

    def thaw(self) -> None:
        self.group.thaw()

    def memory_mb(self) -> int:
        return self.group.memory_mb()

    async def close(self) -> None:
        """Idempotent; a second caller waits for the first. Goes on if the caller is cancelled."""
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._let_it_end()
        if self.nest is not None:
            self.nest.cancel()
            with suppress(asyncio.CancelledError, SandboxError):
                (await self.nest).close()
        if self.first is not None:
            self.first.end()
            async with asyncio.timeout(END_S):
                await asyncio.shield(self.first.gone)
            self.first.forget()
        if self._messenger.open:
            self._messenger.close()
            self._on_gone()
        await self._loop.run_in_executor(None, self._give_back)

    def _give_back(self) -> None:
        """In a thread: with the last descriptor of a namespace the kernel takes it apart."""
        for sock in self._listeners.values():
            sock.close()
        spaces, self.spaces = self.spaces, []
        for fd in spaces:
            os.close(fd)
        self._release(self)

    def _let_it_end(self) -> None:
        """Dying takes CPU time too, and none is left where the OOM killer has written its reports."""
        self.thaw()  # a frozen process cannot be killed in cgroup v1
        self.limit_cpu(False)

    def _on_message(self, message: wire.Message) -> None:
        if message.kind == wire.STARTED:
            process = self._processes.get(message.fields[0])
            if process is not None:
                if self._function_ids is not None:
                    _offer_to_the_oom_killer(message.pid)
                process.start_seen(message.pid)
        elif message.kind == wire.EXITED:
            self._end(message.fields[0], int(message.fields[1]))
        elif message.kind == wire.ORPHANED:
            self._forks.ended(int(message.fields[0]), int(message.fields[1]))
        elif message.kind == wire.KILLED:
            done = self._kills.pop(message.fields[0], None)
            if done is not None and not done.done():
                done.set_result(None)
        elif message.kind == wire.OPENED:
            self._opened(message)
        elif not self.ready.done():
            self._first_words(message)

    def _first_words(self, message: wire.Message) -> None:
        if message.kind == wire.READY:
            self.ready.set_result(message.fds)
        elif message.kind == wire.FAILED:
            code, text = message.fields
            self.ready.set_exception(refusal(int(code), text.decode(errors="replace")))
        elif message.kind == wire.STEP_FAILED:
            self.ready.set_exception(failed_step(message.fields[0]))

    def _opened(self, message: wire.Message) -> None:
        waiting = self._opens.pop(message.fields[0], None)
        if waiting is None or waiting.done():
            for fd in message.fds:
                os.close(fd)
        elif message.fds:
            sock = socket.socket(fileno=message.fds[0])
            sock.setblocking(False)
            waiting.set_result(sock)
        else:
            waiting.set_exception(SandboxError("the sandbox could not open a socket"))

    def _end(self, number: bytes, status: int) -> None:
        process = self._processes.pop(number, None)
        if process is not None:
            process.end_seen(self._exit(status))

    def _exit(self, status: int) -> Exit:
        oom = self._ran_out_of_memory()
        if os.WIFSIGNALED(status):
            return Exit(None, os.WTERMSIG(status), oom)
        return Exit(os.WEXITSTATUS(status), None, oom)

    def _ran_out_of_memory(self) -> bool:
        kills = self.group.oom_kills()
        new = kills > self._oom_seen
        self._oom_seen = kills
        return new

    def _on_gone(self) -> None:
        """Pid 1 has ended, and everything inside with it."""
        if not self.ready.done():
            self.ready.set_exception(
                SandboxError("its first process ended before it was ready", code="SANDBOX_GONE")
            )
        if self._processes:
            end = Exit(None, KILLED_BY_KERNEL, self._ran_out_of_memory())
            for process in self._processes.values():
                process.end_seen(end)
            self._processes.clear()
        for process in tuple(self._adopted):
            process.end_seen(Exit(None, KILLED_BY_KERNEL, self._ran_out_of_memory()))
        self._forks.lost()
        for done in self._kills.values():
            if not done.done():
                done.set_result(None)
        self._kills.clear()
        for opened in self._opens.values():
            if not opened.done():
                opened.set_exception(SandboxError("the sandbox is gone", code="SANDBOX_GONE"))
        self._opens.clear()


def _limit_processes(pid: int, count: int) -> None:
    """RLIMIT_NPROC of a process that waits."""
    with suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_NPROC, (count, count))


def _offer_to_the_oom_killer(pid: int) -> None:
    """Pid 1 is larger than each process of a fork bomb; were it chosen, the place would be lost."""
    with suppress(OSError):  # it has ended already
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")


def _give_pipes(fds: Iterable[int], uid: int, gid: int) -> None:
    """Let the function open /dev/stdout and /dev/stderr, as shell scripts do on Lambda."""
    for fd in fds:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.fchown(fd, uid, gid)


def _open_inside(network_fd: int, kind: Literal["tcp", "udp"], port: int) -> socket.socket:
    """A socket of another network namespace, which takes root; raises `SandboxError`."""
    try:
        with inside(network_fd):
            made = open_socket(kind == "udp", port)
    except OSError as error:
        raise SandboxError(f"the sandbox could not open a socket: {error}") from None
    sock = socket.socket(fileno=made.detach())
    sock.setblocking(False)
    return sock
