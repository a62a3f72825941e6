"""A process whose first moments are a table of system calls, in memory that it shares with its maker.

A Python process that is forked copies page tables, and pays for every page that it or its maker
writes to afterwards: five of them per environment were nine milliseconds of CPU time. What `start`
makes runs no Python: it takes one step after the other, on no stack, and its last step executes a
program (`first_process`), which gives it memory of its own. `nest` uses it for the places of forks.
Facts: clone(2), the x86-64 system call convention.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from typing import Final

from lambent.sandbox import wire

STEP: Final = struct.Struct("<7q")
"""Number of the system call, five arguments, and a label that a failure is told by."""
FAILURE: Final = struct.Struct("<qq")
"""In the field of `wire.STEP_FAILED`: the label, and the error as a negative number."""
CONTROL_FD: Final = 3
"""Where a failure is told: the step that puts the control socket there comes first."""
CLONE_VM: Final = 0x100
CLONE_CHILD_CLEARTID: Final = 0x20_0000
SIGCHLD: Final = 17

ASSEMBLY: Final = """
long start(rdi: steps, rsi: flags, rdx: word cleared when the memory is left, rcx: failure)
    push rbx, r12; rbx = rdi; r12 = rcx
    clone(flags, 0, 0, word, 0); in this process: pop, return what it returned
    the new one:  rax, rdi, rsi, rdx, r10, r8 = the step at rbx; rbx += 56; system call
                  as long as none fails
    failed:       [r12+5] = label, [r12+13] = error; write(3, r12, 21); exit(1)
"""
CODE: Final = bytes.fromhex(
    "5341544889fb4989cc4889f74989d231f631d24531c0b8380000000f054885c07404415c5bc3488b"
    "03488b7b08488b7310488b53184c8b53204c8b43284883c3380f054885c079de488b53f849895424"
    "05498944240dbf030000004c89e6ba15000000b8010000000f05bf01000000b83c0000000f05"
)


def supported() -> bool:
    """The code above is for one machine."""
    return os.uname().machine == "x86_64"


class Starter:
    """The code, in executable memory."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        self._memory.write(CODE)
        at = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        libc = ctypes.PyDLL(None, use_errno=True)
        if libc.mprotect(ctypes.c_void_p(at), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC):
            raise OSError(ctypes.get_errno(), "no executable memory")
        self._start = ctypes.PYFUNCTYPE(
            ctypes.c_long, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p
        )(at)

    def start(self, table: Table, flags: int) -> int:
        """The pid of a process that takes the steps of `table`; raises OSError."""
        table.busy.value = 1
        pid: int = self._start(
            table.address,
            flags | CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD,
            ctypes.addressof(table.busy),
            table.failure,
        )
        if pid < 0:
            table.busy.value = 0
            raise OSError(-pid, f"clone into namespaces: {os.strerror(-pid)}")
        return pid


class Table:
    """The steps of one process at a time; another may have it once it is no longer `busy`."""

    def __init__(self, steps: list[tuple[int, ...]]) -> None:
        """`steps`: number of the call, its arguments, and last the label."""
        data = b"".join(STEP.pack(*(*step[:-1], 0, 0, 0, 0, 0)[:6], step[-1]) for step in steps)
        self._held = ctypes.create_string_buffer(data, len(data))
        said = wire.encode(wire.STEP_FAILED, bytes(FAILURE.size))
        self._failure = ctypes.create_string_buffer(said, len(said))
        self.address = ctypes.addressof(self._held)
        self.failure = ctypes.addressof(self._failure)
        self.busy = ctypes.c_int(0)
        """The kernel clears it when the process has memory of its own, or none any more."""

    def set(self, step: int, argument: int, value: int) -> None:
        """Change an argument (0 to 4) of a step."""
        struct.pack_into("<q", self._held, step * STEP.size + 8 * (argument + 1), value)
