"""Makes the places that a template's forks step into: one process per template, started once.

What is forked from a template enters its place by itself (setns), and the kernel lets it only where
the place's user namespace is a child of the template's and belongs to its user, and where the pid
namespace is a descendant. So the nest lives in the template's user and pid namespaces, as its user.
Whatever all places have in common is made once here: their root without /proc and /tmp, their name,
the table of system calls that makes the rest (`place_steps`). For a place one process is cloned into new namespaces;
it takes those steps without Python (`steps`) and becomes its pid 1 (`first_process`).

The nest runs no code of a function, and has powers that no process of one has, so none can trace it
or read it. Facts: setns(2), user_namespaces(7), pid_namespaces(7), capabilities(7).
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` without its enums
import _socket
import errno
import os
from typing import Final, NoReturn

from lambent.sandbox import filesystem, first_process, kernel, namespaces, wire
from lambent.sandbox.launcher import Plan
from lambent.sandbox.place_steps import LAST_FD, Rows, handed_over
from lambent.sandbox.steps import Starter, Table

OUT_OF_THE_WAY: Final = 16
"""The nest's own descriptors are above, so that none is overwritten before it is taken."""
TRIES: Final = 100
MFD_EXEC: Final = 0x10


def run(control: _socket.socket, plan: Plan) -> NoReturn:
    """The life of a nest, which is in the template's user and pid namespaces already."""
    try:
        kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS)
        kernel.sethostname(namespaces.HOSTNAME)
        filesystem.prepare_places(plan.trees)
        control = _settle(control)
        nest = Nest(control, plan)
    except OSError as error:
        wire.send(
            control, wire.encode(wire.REFUSED, 0, error.errno or 0, b"nest: " + wire.reason(error))
        )
        os._exit(1)
    wire.send(nest.control, wire.encode(wire.UP))
    try:
        nest.serve()
    finally:
        os._exit(0)


def _settle(control: _socket.socket) -> _socket.socket:
    """Keep nothing but the socket, out of the way of what a place takes."""
    import fcntl

    parked = fcntl.fcntl(control.fileno(), fcntl.F_DUPFD_CLOEXEC, OUT_OF_THE_WAY)
    kernel.close_range(3, parked - 1)
    kernel.close_range(parked + 1, LAST_FD)
    control.detach()
    for fd in range(1, OUT_OF_THE_WAY):
        os.dup2(0, fd, inheritable=False)
    # A place that ends is nobody's zombie.
    _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)
    return _socket.socket(fileno=parked)


class Nest:
    """The loop of a nest."""

    def __init__(self, control: _socket.socket, plan: Plan) -> None:
        self.control = control
        self._plan = plan
        self._starter = Starter()
        self._program = _file(first_process.program(handed_over(plan)))
        self._rows = Rows(plan)
        self._maps = namespaces.map_files(plan.ids, by_root=plan.privileged)
        self._slots: dict[bool, list[_Slot]] = {False: [], True: []}

    def serve(self) -> None:
        """Obey until the server's end of the socket is closed."""
        while True:
            message = wire.receive(self.control)
            if message.kind != wire.CREATE:
                return
            try:
                pidfd = self._make(message.fds)
            except OSError as error:
                reply = wire.encode(
                    wire.REFUSED, message.fields[0], error.errno or 0, wire.reason(error)
                )
                wire.send(self.control, reply)
            else:
                wire.send(self.control, wire.encode(wire.CREATED, message.fields[0]), [pidfd])
                os.close(pidfd)
            for fd in message.fds:
                os.close(fd)

    def _make(self, fds: list[int]) -> int:
        """`fds`: the control socket, and a disk for /tmp if there is one. A pidfd of its pid 1."""
        slot = self._slot(disk=len(fds) > 1)
        table = slot.table
        table.set(0, 0, fds[0])
        table.set(1, 0, slot.wait_fd)
        table.set(2, 0, self._program)
        table.set(3, 0, fds[-1])
        pid = self._starter.start(table, namespaces.ALONE)
        try:
            pidfd = os.pidfd_open(pid)
            for name, content in self._maps:
                _write_owned(f"/proc/{pid}/{name}", content)
        except OSError:
            os.kill(pid, first_process.SIGKILL)
            raise
        slot.go()
        return pidfd

    def _slot(self, *, disk: bool) -> _Slot:
        slots = self._slots[disk]
        for slot in slots:
            if slot.free():
                return slot
        slots.append(_Slot(self._rows.table(disk=disk)))
        return slots[-1]


def _write_owned(path: str, content: bytes) -> None:
    """Write a file of a process that shares our memory.

    Whoever changes its user there hides it from its own user, and other places do at any moment.
    """
    for left in reversed(range(TRIES)):
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
        try:
            namespaces.write(path, content)
        except PermissionError as error:
            if error.errno != errno.EACCES or not left:
                raise
        else:
            return


class _Slot:
    """What one place needs while it is being made."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.wait_fd, self._go_fd = os.pipe()

    def go(self) -> None:
        """Its id maps are written."""
        os.write(self._go_fd, b"1")

    def free(self) -> bool:
        return not self.table.busy.value


def _file(content: bytes) -> int:
    """An executable file without a name, that nobody can write to any more."""
    try:
        writable = os.memfd_create("lambent-sandbox", os.MFD_CLOEXEC | MFD_EXEC)
    except OSError:  # before Linux 6.3 every such file could be executed
        writable = os.memfd_create("lambent-sandbox", os.MFD_CLOEXEC)
    os.write(writable, content)
    # While it is open for writing the kernel does not execute it.
    fd = os.open(f"/proc/self/fd/{writable}", os.O_RDONLY | os.O_CLOEXEC)
    os.close(writable)
    return fd
