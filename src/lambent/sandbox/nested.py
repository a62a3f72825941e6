"""Makes the pid 1 of a place for a template's fork: in namespaces below the template's own.

What is forked from a template steps into its place by itself (setns), and the kernel lets it only
where the place's user namespace is a child of the template's and belongs to its user, and where the
pid namespace is a descendant. So a short-lived fork of the spawner first steps into the template's
namespaces, becomes its user, and from there the pid 1 is cloned, as a child of the spawner.
Facts: setns(2), user_namespaces(7), pid_namespaces(7).
"""

from __future__ import annotations

import _socket
import os
from collections.abc import Callable
from typing import Final, NoReturn

from lambent.sandbox import kernel, namespaces, wire

LENGTH: Final = 4


def clone(
    spaces: tuple[int, int],
    flags: int,
    ids: namespaces.Ids,
    go: Callable[[], object],
    become_pid1: Callable[[], NoReturn],
    *,
    privileged: bool,
) -> int:
    """The host pid of the new pid 1, a child of the caller; raises OSError.

    `spaces`: the template's user and pid namespaces; `go` is called once the id maps are written.
    """
    read_end, write_end = os.pipe()
    try:
        helper = os.fork()
        if helper == 0:
            code = 1
            try:
                os.close(read_end)
                pid = _clone_inside(spaces, flags, ids, go, become_pid1, privileged=privileged)
                os.write(write_end, pid.to_bytes(LENGTH, "little"))
                code = 0
            except OSError as error:
                code = error.errno or 1
            finally:
                os._exit(code)
        os.close(write_end)
        write_end = -1
        answer = os.read(read_end, LENGTH)
        code = os.waitstatus_to_exitcode(os.waitpid(helper, 0)[1])
    finally:
        os.close(read_end)
        if write_end >= 0:
            os.close(write_end)
    if len(answer) < LENGTH:
        raise OSError(max(code, 1), f"clone below the template: {os.strerror(max(code, 1))}")
    return int.from_bytes(answer, "little")


def _clone_inside(
    spaces: tuple[int, int],
    flags: int,
    ids: namespaces.Ids,
    go: Callable[[], object],
    become_pid1: Callable[[], NoReturn],
    *,
    privileged: bool,
) -> int:
    """In the helper, which knows the host's pids and may write the maps."""
    kernel.setns(spaces[0], kernel.CLONE_NEWUSER)
    kernel.setns(spaces[1], kernel.CLONE_NEWPID)
    if privileged:
        namespaces.become(namespaces.UID, namespaces.GID, by_root=True)
    # A change of user hides a process from its own user, who is to write its child's id maps.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    # The kernel makes a pid namespace only below the one that its maker itself is in.
    if kernel.clone(kernel.CLONE_PARENT) == 0:
        _clone_below(theirs, flags, become_pid1)
    theirs.close()
    message = wire.receive(ours)
    if not message.fds:
        code = int(message.fields[0]) if message.fields else 1
        raise OSError(code, os.strerror(code))
    pid = _host_pid(message.fds[0])
    namespaces.write_maps(pid, ids, by_root=privileged)
    go()
    return pid


def _clone_below(tell: _socket.socket, flags: int, become_pid1: Callable[[], NoReturn]) -> NoReturn:
    """In a process of the template's pid namespace: clone, and show whom."""
    try:
        pid = kernel.clone(flags | kernel.CLONE_PARENT)
        if pid == 0:
            tell.close()
            become_pid1()
        wire.send(tell, wire.encode(wire.CREATED), [os.pidfd_open(pid)])
    except OSError as error:
        wire.send(tell, wire.encode(wire.REFUSED, error.errno or 1))
    finally:
        os._exit(0)


def _host_pid(pidfd: int) -> int:
    with open(f"/proc/self/fdinfo/{pidfd}", "rb") as file:  # noqa: PTH123
        for line in file:
            if line.startswith(b"Pid:"):
                return int(line[4:])
    raise ProcessLookupError(3, "it ended at once")
