"""How a template forks a process straight into another place, powerless from its first instruction.

A process may step into the place that was made for it, but its pid namespace holds only for its
children, and a second fork of a large process would copy its page tables again. So a short-lived
helper that shares this process's memory (as vfork's does) runs a table of system calls: it steps
into the place, puts the descriptors where they belong, gives up every capability and takes the final
filter; then it forks with the C library's own fork, and ends. The fork returns from here as if it
had been this process's child. Facts: clone(2), setns(2), capabilities(7), seccomp(2).
"""

import ctypes
import mmap
import os
import struct

STEP = struct.Struct("<6q")
END = STEP.pack(-1, 0, 0, 0, 0, 0)
STACK_BYTES = 256 * 1024
WALL = 0x4000_0000
"""wait4(2): the helper is a clone that sends no signal when it ends."""

SETNS, DUP2, CLOSE, CHDIR, PRCTL, CAPSET, SECCOMP = 308, 33, 3, 80, 157, 126, 317
PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = (
    4, 24, 28, 38, 47,
)  # fmt: skip
CLEAR_ALL = 4
SECUREBITS = 0b1110_1011

ASSEMBLY = """
int enter(rdi: steps, rsi: top of the helper's stack, rdx: fork, rcx: where the fork's pid goes)
    push rbx, rbp, r12, r13, r14; rbx = rdi; r12 = rdx; r13 = rcx; rbp = rsp
    clone(CLONE_VM | CLONE_VFORK, rsi, 0, 0, 0)
    in this process: return the helper's pid, or -errno
    helper:  each step: rax = [rbx]; if negative, done; rdi, rsi, rdx, r10, r8 = the next five
             system call; rbx += 48; on an error exit(errno)
    done:    call fork; in the parent [r13] = pid and exit(0), or exit(1) if it failed
    fork:    rsp = rbp; return 0
"""
CODE = bytes.fromhex(
    "53554154415541564889fb4989d44989cd4889e5bf0041000031d24531d24531c0b8380000000f05"
    "4885c07545488b034885c07824488b7b08488b7310488b53184c8b53204c8b43280f054883c33085"
    "c079da89c7f7dfeb0d41ffd485c0740d4189450031ffb83c0000000f054889ec31c0415e415d415c"
    "5d5bc3"
)


def supported() -> bool:
    """The code above is for one machine."""
    return os.uname().machine == "x86_64"


class Forker:
    """Made once per template: what its forks need is in memory before the first."""

    def __init__(self, last_capability: int, seal: bytes, folder: str) -> None:
        """`seal`: the final filter, a packed array of `struct sock_filter`; `folder`: where a fork begins."""
        self._memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        self._memory.write(CODE)
        at = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        libc = ctypes.PyDLL(None, use_errno=True)
        if libc.mprotect(ctypes.c_void_p(at), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC):
            raise OSError(ctypes.get_errno(), "no executable memory")
        self._enter = ctypes.PYFUNCTYPE(
            ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
        )(at)
        self._fork = ctypes.cast(libc.fork, ctypes.c_void_p)
        self._stack = ctypes.create_string_buffer(STACK_BYTES)
        self._top = (ctypes.addressof(self._stack) + STACK_BYTES) & ~63
        self._pid = ctypes.c_int(0)
        self._folder = ctypes.create_string_buffer(os.fsencode(folder))
        self._powers = self._no_powers(last_capability, seal)

    def _no_powers(self, last_capability: int, seal: bytes) -> bytes:
        self._header = (ctypes.c_uint32 * 2)(0x2008_0522, 0)
        self._nothing = (ctypes.c_uint32 * 6)()
        self._program = ctypes.create_string_buffer(seal, len(seal))
        self._filter = ctypes.create_string_buffer(
            struct.pack("<H6xQ", len(seal) // 8, ctypes.addressof(self._program))
        )
        address = ctypes.addressof
        steps = [(PRCTL, PR_CAPBSET_DROP, number, 0, 0, 0) for number in range(last_capability + 1)]
        steps += [
            (PRCTL, PR_CAP_AMBIENT, CLEAR_ALL, 0, 0, 0),
            (PRCTL, PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0),
            (PRCTL, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
            (CAPSET, address(self._header), address(self._nothing), 0, 0, 0),
            # The step into another user's namespace hid the memory that all three share.
            (PRCTL, PR_SET_DUMPABLE, 1, 0, 0, 0),
            (SECCOMP, 1, 0, address(self._filter), 0, 0),
        ]
        return b"".join(STEP.pack(*step) for step in steps)

    def fork(self, spaces, moves, unneeded) -> int:
        """0 in the fork; its pid, as the template's namespace counts, here. Raises OSError.

        `spaces`: (descriptor, kind) of the namespaces to step into; `moves`: (descriptor, number
        that it shall have) of the fork; `unneeded`: descriptors that it shall not have.
        """
        steps = [(SETNS, fd, kind, 0, 0, 0) for fd, kind in spaces]
        steps += [(DUP2, fd, number, 0, 0, 0) for fd, number in moves]
        steps += [(CLOSE, fd, 0, 0, 0, 0) for fd in unneeded]
        steps.append((CHDIR, ctypes.addressof(self._folder), 0, 0, 0, 0))
        table = b"".join(STEP.pack(*step) for step in steps) + self._powers + END
        held = ctypes.create_string_buffer(table, len(table))
        self._pid.value = 0
        helper = self._enter(
            ctypes.addressof(held), self._top, self._fork, ctypes.addressof(self._pid)
        )
        if helper == 0:
            return 0
        if helper < 0:
            raise OSError(-helper, os.strerror(-helper))
        code = os.waitstatus_to_exitcode(os.waitpid(helper, WALL)[1])
        if code or self._pid.value <= 0:
            raise OSError(abs(code) or 11, "a fork could not enter its place")
        return self._pid.value
