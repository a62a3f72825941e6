"""A process of the spawner's below a template's namespaces: how a `nest` gets there.

A process changes the pid namespace of its children only, so a short-lived fork of the spawner steps
into the template's namespaces, and the one that stays is its child in them, but the spawner's to
reap. It is the template's user where that owns what it makes (its effective one), and where others
may signal it another. Facts: setns(2), user_namespaces(7), pid_namespaces(7), credentials(7).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, NoReturn

from lambent.sandbox import kernel, namespaces

LENGTH: Final = 4
SIGKILL: Final = 9


def fork(spaces: tuple[int, int], run: Callable[[], NoReturn], *, privileged: bool) -> int:
    """The host pid of a process that does `run`, a child of the caller; raises OSError.

    `spaces`: the template's user and pid namespaces.
    """
    read_end, write_end = os.pipe()
    try:
        helper = os.fork()
        if helper == 0:
            code = 1
            try:
                os.close(read_end)
                pid = _fork_inside(spaces, run, privileged=privileged)
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


def _fork_inside(spaces: tuple[int, int], run: Callable[[], NoReturn], *, privileged: bool) -> int:
    """In the helper, which knows the host's pids."""
    kernel.setns(spaces[0], kernel.CLONE_NEWUSER)
    kernel.setns(spaces[1], kernel.CLONE_NEWPID)
    if privileged:
        os.setgroups([])
        os.setresgid(0, namespaces.GID, 0)
        os.setresuid(0, namespaces.UID, 0)
    # A change of user hides a process from its own user, who is to write its children's id maps.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    pid = kernel.clone(kernel.CLONE_PARENT)
    if pid == 0:
        try:
            kernel.prctl(kernel.PR_SET_PDEATHSIG, SIGKILL)
            run()
        finally:
            os._exit(1)
    return pid
