"""How the place of a template's fork is made: a table of system calls, taken by its pid 1 to be.

`nest` clones a process into new namespaces, and it takes these steps from top to bottom: from the
working folder, which shows the root that all places of the template share, to the program that it
becomes. What differs between two places are four descriptors, which the nest sets in the table.
Descriptors have fixed numbers, since a step cannot know what another one returned.
"""

from __future__ import annotations

import _socket
import ctypes
import os
import struct
from typing import Final

from lambent.sandbox import filesystem, first_process, kernel, namespaces, seccomp
from lambent.sandbox.launcher import Plan
from lambent.sandbox.steps import CONTROL_FD, Table

GO_FD, PROGRAM_FD, DISK_FD, FIRST_FREE_FD = 4, 5, 6, 7
"""A place's descriptors while it is being made; after the control socket's number."""
LAST_FD: Final = 0x7FFF_FFFF
HERE: Final = -100
EMPTY_PATH: Final = 0x1000
MOVE_EMPTY_PATH: Final = 4
OPEN_TREE: Final = kernel.OPEN_TREE_CLONE | os.O_CLOEXEC | kernel.AT_RECURSIVE
AMBIENT_RAISE: Final = 2

CALLS: Final = {
    "read": 0, "close": 3, "ioctl": 16, "dup2": 33, "socket": 41, "bind": 49, "listen": 50,
    "chdir": 80, "fchdir": 81, "setsid": 112, "setgroups": 116, "setresuid": 117, "setresgid": 119,
    "capset": 126, "pivot_root": 155, "prctl": 157, "mount": 165, "umount2": 166, "openat": 257,
    "seccomp": 317, "execveat": 322, "open_tree": 428, "move_mount": 429, "close_range": 436,
}  # fmt: skip
"""x86-64, the machine that `steps` is written for."""
LABELS: Final = (
    "take its descriptors", "wait for the id maps", "become its user", "listen", "build the root",
    "open its namespaces", "drop privileges", "become pid 1",
)  # fmt: skip
DESCRIPTORS, MAPS, USER, LISTEN, ROOT, SPACES, POWERS, PROGRAM = range(len(LABELS))


def handed_over(plan: Plan) -> list[int]:
    """The descriptors that the server gets once the place stands: listeners, then namespaces."""
    count = len(plan.ports) + len(namespaces.SPACES)
    return list(range(FIRST_FREE_FD, FIRST_FREE_FD + count))


class Rows:
    """Writes the tables of one nest; keeps what their addresses point to."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._kept: list[object] = []
        self._texts: dict[bytes, int] = {}

    def table(self, *, disk: bool) -> Table:
        return Table([
            *self._descriptors(),
            *self._user(),
            *self._network(),
            *self._root(disk=disk),
            *self._spaces(),
            *self._powers(),
            self._become(),
        ])  # fmt: skip

    def _call(self, label: int, name: str, *arguments: int | str | bytes | None) -> tuple[int, ...]:
        texts = (a.encode() if isinstance(a, str) else a for a in arguments)
        numbers = (self._text(text) if isinstance(text, bytes) else text or 0 for text in texts)
        return (CALLS[name], *numbers, label)

    def _text(self, text: bytes) -> int:
        if text not in self._texts:
            self._texts[text] = self._keep(ctypes.create_string_buffer(text))
        return self._texts[text]

    def _keep(self, memory: ctypes.Array[ctypes.c_char] | ctypes.Structure) -> int:
        self._kept.append(memory)
        return ctypes.addressof(memory)

    def _descriptors(self) -> list[tuple[int, ...]]:
        """What is taken is set for each place by its nest."""
        targets = (CONTROL_FD, GO_FD, PROGRAM_FD, DISK_FD)
        return [
            *(self._call(DESCRIPTORS, "dup2", 0, target) for target in targets),
            self._call(DESCRIPTORS, "close_range", FIRST_FREE_FD, LAST_FD),
            self._call(MAPS, "read", GO_FD, bytes(8), 1),
        ]

    def _user(self) -> list[tuple[int, ...]]:
        ids = self._plan.ids
        uid, gid = ids.pid1_uid, ids.pid1_gid
        groups = [self._call(USER, "setgroups", 0, 0)] if self._plan.privileged else []
        return [
            *groups,
            self._call(USER, "setresgid", gid, gid, gid),
            self._call(USER, "setresuid", uid, uid, uid),
            self._call(USER, "setsid"),
        ]

    def _network(self) -> list[tuple[int, ...]]:
        """A loopback, and the listeners from `FIRST_FREE_FD` on."""
        fd = FIRST_FREE_FD
        socket = self._call(LISTEN, "socket", _socket.AF_INET, _socket.SOCK_STREAM, 0)
        up = namespaces.loopback_request()
        rows = [
            socket,
            self._call(LISTEN, "ioctl", fd, namespaces.SIOCSIFFLAGS, up),
            self._call(LISTEN, "close", fd),
        ]
        for number, port in enumerate(self._plan.ports):
            address = struct.pack("<H", _socket.AF_INET) + struct.pack(">H", port)
            address += _socket.inet_aton("127.0.0.1") + bytes(8)
            rows += [
                socket,
                self._call(LISTEN, "bind", fd + number, address, len(address)),
                self._call(LISTEN, "listen", fd + number, namespaces.BACKLOG),
            ]
        return rows

    def _root(self, *, disk: bool) -> list[tuple[int, ...]]:
        """/proc and /tmp, and away from what the nest sees besides."""
        root = FIRST_FREE_FD + len(self._plan.ports)
        rows = [
            # What was mounted by the more powerful cannot be pivoted to; a copy can.
            self._call(ROOT, "open_tree", HERE, ".", OPEN_TREE),
            self._call(ROOT, "move_mount", root, "", HERE, ".", MOVE_EMPTY_PATH),
            self._call(ROOT, "fchdir", root),
            self._call(ROOT, "close", root),
        ]
        mounts = filesystem.proc_mounts(filesystem.EMPTY)
        rows += [self._call(ROOT, "mount", *mount) for mount in mounts]
        if disk:
            rows.append(self._call(ROOT, "move_mount", DISK_FD, "", HERE, "tmp", MOVE_EMPTY_PATH))
        else:
            rows.append(self._call(ROOT, "mount", *filesystem.tmpfs(self._plan.tmp_mb)))
        return [
            *rows,
            self._call(ROOT, "pivot_root", ".", "."),
            self._call(ROOT, "umount2", ".", kernel.MNT_DETACH),
            self._call(ROOT, "chdir", "/"),
        ]

    def _spaces(self) -> list[tuple[int, ...]]:
        return [
            self._call(SPACES, "openat", HERE, f"/proc/self/ns/{name}", os.O_RDONLY)
            for name, _ in namespaces.SPACES
        ]

    def _powers(self) -> list[tuple[int, ...]]:
        """As root pid 1 keeps what it needs to kill processes of the function's user; no more."""
        keep = 1 << namespaces.CAP_KILL if self._plan.privileged else 0
        last = namespaces.last_capability()
        every = (1 << last + 1) - 1
        header = struct.pack("<2I", 0x2008_0522, 0)
        rows = [self._call(POWERS, "prctl", kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL)]
        if keep:  # an ambient capability is what the program is left with
            rows += [
                self._call(POWERS, "capset", header, _capabilities(every, keep)),
                self._call(
                    POWERS, "prctl", kernel.PR_CAP_AMBIENT, AMBIENT_RAISE, namespaces.CAP_KILL
                ),
            ]
        rows += [
            self._call(POWERS, "prctl", kernel.PR_CAPBSET_DROP, number)
            for number in range(last + 1)
        ]
        kept = ctypes.create_string_buffer(FILTER, len(FILTER))
        program = struct.pack("<H6xQ", len(FILTER) // 8, self._keep(kept))
        return [
            *rows,
            self._call(POWERS, "prctl", kernel.PR_SET_SECUREBITS, namespaces.SECUREBITS),
            self._call(POWERS, "prctl", kernel.PR_SET_NO_NEW_PRIVS, 1),
            self._call(POWERS, "capset", header, _capabilities(keep, keep)),
            self._call(POWERS, "seccomp", 1, 0, program),
        ]

    def _become(self) -> tuple[int, ...]:
        name = self._text(first_process.NAME)
        words = ctypes.create_string_buffer(struct.pack("<3Q", name, 0, 0), 24)
        at = self._keep(words)
        return self._call(PROGRAM, "execveat", PROGRAM_FD, "", at, at + 8, EMPTY_PATH)


FILTER: Final = seccomp.only(first_process.CALLS.values())


def _capabilities(have: int, hand_on: int) -> bytes:
    """What capset takes: effective and permitted, and inheritable."""
    low, high = 0xFFFF_FFFF, 32
    return struct.pack(
        "<6I", have & low, have & low, hand_on & low, have >> high, have >> high, hand_on >> high
    )
