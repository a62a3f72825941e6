"""Pid 1 of a sandbox: builds its place, gives up every power, then starts and reaps processes.

A copy of the spawner, made by one `clone` into new namespaces (`spawner.create`). It obeys the
server over a socket of its own and dies with it: when the socket closes the kernel ends everything
in the pid namespace. It never runs code of a function itself; nothing inside can signal, trace or
read it.
"""

# ruff: noqa: S606  starting a function's program is its task

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` without its enums
import _socket
import os
import select
from contextlib import suppress
from typing import Final, NamedTuple, NoReturn

from lambent.sandbox import filesystem, kernel, namespaces, seccomp, wire

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
SIGCHLD, SIGKILL, SIGTERM = 17, 9, 15
NPROC: Final = 6
"""RLIMIT_NPROC."""


class Plan(NamedTuple):
    """What the spawner knows of a sandbox when it makes its pid 1."""

    ids: namespaces.Ids
    privileged: bool
    own_network: bool
    ports: list[int]
    tmp_mb: int
    limits: list[tuple[int, int]]
    """Resource limits of each process, by `resource`'s numbers."""
    trees: list[filesystem.Tree]
    template: bool = False
    """Its process will be forked into other places."""


def run(control: _socket.socket, go: int, plan: Plan) -> NoReturn:
    """The whole life of a pid 1. Never returns to the spawner's code."""
    step = "wait for the id maps"
    try:
        if os.read(go, 1) != b"1":
            os._exit(1)
        os.close(go)
        step = "become its user"
        namespaces.become(plan.ids.pid1_uid, plan.ids.pid1_gid, by_root=plan.privileged)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, SIGKILL)
        os.setsid()
        kernel.sethostname(namespaces.HOSTNAME)
        step = "listen"
        if plan.own_network:
            namespaces.loopback_up()
        listeners = [namespaces.listen(port if plan.own_network else 0) for port in plan.ports]
        step = "build the root"
        filesystem.enter(plan.trees, tmp_mb=plan.tmp_mb)
        step = "drop privileges"
        spaces = namespaces.own(network=plan.own_network) if plan.template else []
        keep_nothing({control.fileno(), *spaces, *(sock.fileno() for sock in listeners)})
        signals = kernel.signalfd((SIGCHLD,))
        _drop(privileged=plan.privileged, template=plan.template)
    except OSError as error:
        _say(
            control,
            wire.encode(wire.FAILED, error.errno or 0, step.encode() + b": " + wire.reason(error)),
        )
        os._exit(1)
    _say(control, wire.encode(wire.READY), [*(sock.fileno() for sock in listeners), *spaces])
    for fd in spaces:
        os.close(fd)
    for sock in listeners:
        sock.close()
    try:
        Init(control, signals, plan).serve()
    finally:
        os._exit(0)


def _drop(*, privileged: bool, template: bool) -> None:
    """As root pid 1 keeps what it needs to switch to the function's user and to kill it."""
    keep = 0
    if privileged:
        for capability in (namespaces.CAP_KILL, namespaces.CAP_SETGID, namespaces.CAP_SETUID):
            keep |= 1 << capability
    namespaces.renounce(keep)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.install_filter(TEMPLATE_FILTER if template else FILTER)


FILTER: Final = kernel.Filter(seccomp.build())
TEMPLATE_FILTER: Final = kernel.Filter(seccomp.build(template=True))


class Init:
    """The loop of a pid 1."""

    def __init__(self, control: _socket.socket, signals: int, plan: Plan) -> None:
        self._control = control
        self._signals = signals
        self._plan = plan
        self._started: dict[int, bytes] = {}
        """Pid inside → the server's number of the process."""

    def serve(self) -> None:
        """Obey until the server's end of the socket is closed."""
        waiting = select.poll()
        waiting.register(self._control.fileno(), select.POLLIN)
        waiting.register(self._signals, select.POLLIN)
        while True:
            for fd, _ in waiting.poll():
                if fd == self._signals:
                    os.read(fd, 4096)
                    self._reap()
                else:
                    message = wire.receive(self._control)
                    if not message.kind:
                        return
                    self._obey(message)

    def _obey(self, message: wire.Message) -> None:
        if message.kind == wire.START:
            self._start(message)
        elif message.kind == wire.TERMINATE:
            for pid in self._started:
                _signal_quietly(pid, SIGTERM)
        elif message.kind == wire.KILL:
            self._kill_all()
            _say(self._control, wire.encode(wire.KILLED, message.fields[0]))
        elif message.kind == wire.OPEN:
            self._open(message)

    def _open(self, message: wire.Message) -> None:
        """A socket of this network for the server; one that failed has no descriptor."""
        number, kind, port = message.fields
        fds = []
        with suppress(OSError):
            sock = namespaces.open_socket(
                kind == b"udp", int(port) if self._plan.own_network else 0
            )
            fds.append(sock.detach())
        _say(self._control, wire.encode(wire.OPENED, number), fds)
        for fd in fds:
            os.close(fd)

    def _start(self, message: wire.Message) -> None:
        number = message.fields[0]
        try:
            pid = os.fork()
        except OSError as error:
            _say(
                self._control,
                wire.encode(wire.EXITED, number, NOT_EXECUTABLE << 8, wire.reason(error)),
            )
            pid = -1
        if pid == 0:
            _become_program(self._control, message, self._plan)
        if pid > 0:
            self._started[pid] = number
        for fd in message.fds:
            os.close(fd)

    def _reap(self) -> None:
        """Report the ends of started processes; orphans end here as well, silently."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._report(pid, status)

    def _report(self, pid: int, status: int) -> None:
        number = self._started.pop(pid, None)
        if number is not None:
            _say(self._control, wire.encode(wire.EXITED, number, status))
        elif self._plan.template:
            _say(self._control, wire.encode(wire.ORPHANED, pid, status))

    def _kill_all(self) -> None:
        """Everything in this pid namespace but pid 1; blocks until all are reaped."""
        while True:
            try:
                os.kill(-1, SIGKILL)
            except ProcessLookupError:
                self._reap()
                return
            try:
                self._report(*os.waitpid(-1, 0))
            except ChildProcessError:
                return


def _say(control: _socket.socket, data: bytes, fds: list[int] | None = None) -> None:
    try:
        wire.send(control, data, fds or ())
    except OSError:
        os._exit(1)  # nobody listens: the server is gone


def _signal_quietly(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _become_program(control: _socket.socket, message: wire.Message, plan: Plan) -> NoReturn:
    """In the fork: arrange descriptors, become the function's user, execute."""
    code = NOT_EXECUTABLE
    try:
        number, argv_text, env_text, cwd, targets_text = message.fields
        argv, env = wire.split(argv_text), wire.split(env_text)
        os.setsid()
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (SIGCHLD,))
        for ignored_by_python in (_signal.SIGPIPE, _signal.SIGXFSZ):
            _signal.signal(ignored_by_python, _signal.SIG_DFL)
        talk = arrange(message.fds, [int(target) for target in wire.split(targets_text)], control)
        for kind, limit in plan.limits:
            _limit(kind, limit, raisable=plan.template and plan.privileged and kind == NPROC)
        namespaces.become(namespaces.UID, namespaces.GID, by_root=plan.privileged)
        kernel.capset(0)
        # From here on it is the function's process in all but its program.
        wire.send(talk, wire.encode(wire.STARTED, number))
        talk.close()
        code = NOT_FOUND
        os.chdir(cwd)
        execute(argv, dict(entry.split(b"=", 1) for entry in env))
    except FileNotFoundError as error:
        _complain(error)
    except OSError as error:
        code = NOT_EXECUTABLE
        _complain(error)
    finally:
        os._exit(code)


def arrange(fds: list[int], targets: list[int], control: _socket.socket) -> _socket.socket:
    """Make `fds` the descriptors `targets`, 0 to 2 /dev/null where not given; close all others.

    Returns `control` on a number that is in nobody's way.
    """
    import fcntl

    above = max([*targets, 2]) + 1
    parked = {
        t: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, above) for fd, t in zip(fds, targets, strict=True)
    }
    for standard in range(3):
        if standard not in parked:
            parked[standard] = fcntl.fcntl(
                os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC), fcntl.F_DUPFD_CLOEXEC, above
            )
    spared = fcntl.fcntl(control.fileno(), fcntl.F_DUPFD_CLOEXEC, above)
    for target, fd in parked.items():
        os.dup2(fd, target, inheritable=True)
    close_all_but({*parked, spared})
    return _socket.socket(fileno=spared)


def keep_nothing(but: set[int]) -> None:
    """What the server and the spawner had open, ends here; 0 is /dev/null already."""
    os.dup2(0, 1)
    os.dup2(0, 2)
    close_all_but({0, 1, 2, *but})


def close_all_but(kept: set[int]) -> None:
    at = 0
    for fd in sorted(kept):
        if fd > at:
            kernel.close_range(at, fd - 1)
        at = fd + 1
    kernel.close_range(at, 0x7FFF_FFFF)


def execute(argv: list[bytes], env: dict[bytes, bytes]) -> None:
    """Like execvpe; raises the error of the last attempt."""
    if b"/" in argv[0]:
        os.execve(argv[0], argv, env)
    last: OSError = FileNotFoundError(2, "not found in PATH", argv[0].decode(errors="replace"))
    for folder in env.get(b"PATH", b"/usr/local/bin:/usr/bin:/bin").split(b":"):
        try:
            os.execve(folder + b"/" + argv[0], argv, env)
        except FileNotFoundError:
            continue
        except OSError as error:
            last = error
    raise last


def _limit(kind: int, value: int, *, raisable: bool) -> None:
    """`raisable`: by the server later; what the limit is for is guarded by a control group then."""
    import resource

    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, hard if raisable else value))


def _complain(error: OSError) -> None:
    """Where the function's log is; descriptor 2 is the function's by now, or /dev/null."""
    name = os.fsdecode(error.filename) if error.filename else "the sandbox"
    with suppress(OSError):
        os.write(2, f"{name}: {error.strerror}\n".encode())
