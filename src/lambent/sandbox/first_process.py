"""The program that is pid 1 where a template's fork lives: 300 bytes that wait, kill and reap.

Nothing is started there (what runs was forked from the template), so it needs no Python. It hides
its memory, tells the server that the place stands, and then obeys: KILL ends everything else in its
pid namespace and waits for that; OPEN is answered with no socket. When the server's end of the
socket is closed it ends, and by the kernel's rule everything in the namespace with it. `nest` makes
the file; what ends here is reaped by the kernel, as SIGCHLD is ignored. Facts: elf(5), execve(2).
"""

from __future__ import annotations

import struct
from typing import Final

from lambent.sandbox import wire

NAME: Final = b"lambent-sandbox"
BASE: Final = 0x40_0000
EHDR: Final = struct.Struct("<16sHHIQQQIHHHHHH")
PHDR: Final = struct.Struct("<IIQQQQQQ")
CMSGHDR: Final = struct.Struct("<Qii")
MSGHDR: Final = struct.Struct("<QQQQQQQ")
SOL_SOCKET, SCM_RIGHTS = 1, 1
PT_LOAD, PT_GNU_STACK = 1, 0x6474_E551
READ, WRITE, EXECUTE = 4, 2, 1
SIGKILL: Final = 9

ASSEMBLY: Final = """
    prctl(PR_SET_DUMPABLE, 0); prctl(PR_SET_NAME, name)
    rsp -= 4096; if sendmsg(3, message, MSG_NOSIGNAL) < 0: quit
    close_range(4, INT_MAX, 0)
next:
    ebx = read(3, rsp, 4096); if ebx <= 0: quit
    if [rsp] == KILL:  kill(-1, SIGKILL); as long as wait4(-1, 0, 0, 0) >= 0: again; [rsp] = KILLED
    elif [rsp] == OPEN:  [rsp] = OPENED
    else: next
    if write(3, rsp, ebx) >= 0: next
quit:
    exit_group(0)
name:     "lambent-sandbox"
message:  a struct msghdr
"""
CODE: Final = bytes.fromhex(
    "b89d000000bf0400000031f60f05b89d000000bf0f000000488d35b10000000f054881ec00100000"
    "b82e000000bf03000000488d35a7000000ba004000000f0585c07879b8b4010000bf04000000beff"
    "ffff7f31d20f0531c0bf030000004889e6ba001000000f0585c07e5189c3803c240b752ab83e0000"
    "0083cfffbe090000000f05b83d00000083cfff31f631d24531d20f0585c079ebc6042418eb0a803c"
    "240d75b3c604241ab801000000bf030000004889e689da0f0585c0799ab8e700000031ff0f05662e"
    "0f1f840000000000"
)
CALLS: Final = {
    "read": 0, "write": 1, "sendmsg": 46, "exit": 60, "wait4": 61, "kill": 62, "prctl": 157,
    "exit_group": 231, "execveat": 322, "close_range": 436,
}  # fmt: skip
"""All that it calls, and what leads to it."""


def program(fds: list[int]) -> bytes:
    """The executable; `fds` are those that it hands to the server when the place stands."""
    start = BASE + EHDR.size + 2 * PHDR.size
    message = start + len(CODE) + len(NAME) + 1
    rights = CMSGHDR.pack(CMSGHDR.size + 4 * len(fds), SOL_SOCKET, SCM_RIGHTS)
    rights += b"".join(struct.pack("<i", fd) for fd in fds)
    rights += bytes(-len(rights) % 8)
    said = wire.encode(wire.READY)
    vector = message + MSGHDR.size
    control = vector + 16
    body = CODE + NAME + b"\0"
    body += MSGHDR.pack(0, 0, vector, 1, control, len(rights), 0)
    body += struct.pack("<QQ", control + len(rights), len(said)) + rights + said
    size = start - BASE + len(body)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = EHDR.pack(
        ident, 2, 62, 1, start, EHDR.size, 0, 0, EHDR.size, PHDR.size, 2, 0, 0, 0
    )  # an executable for x86-64
    load = PHDR.pack(PT_LOAD, READ | EXECUTE, 0, BASE, BASE, size, size, 0x1000)
    stack = PHDR.pack(PT_GNU_STACK, READ | WRITE, 0, 0, 0, 0, 0, 16)
    return header + load + stack + body
