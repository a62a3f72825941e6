"""What stands in for cgroups where none can be written to: limits per process, signals, `/proc`.

Weaker on purpose and said so by `Cgroups.features`: memory is limited per process and by what it
maps (RLIMIT_DATA), the CPU not at all, and a freeze is SIGSTOP to a process tree. Same roles as
`cgroup_v1` and `cgroup_v2`.
"""

from __future__ import annotations

import os
import resource
import signal
from contextlib import suppress
from pathlib import Path

from lambent.sandbox.cgroup_files import number_after


class ProcessTree:
    """Processes that were added and whatever descends from them, found through `/proc`."""

    def __init__(self) -> None:
        self.roots: dict[int, int] = {}
        """Pid → pidfd, so that a signal never reaches a stranger who got the number later."""
        self.known: list[int] = []
        """Members at the last walk; walks are dear, so `used_bytes` reads these."""

    def add(self, pid: int) -> None:
        self._forget_dead()
        self.roots[pid] = os.pidfd_open(pid)
        self.known.append(pid)

    def walk(self) -> list[int]:
        """All members now, parents first."""
        self._forget_dead()
        found: list[int] = []
        queue = list(self.roots)
        while queue:
            pid = queue.pop()
            found.append(pid)
            with suppress(OSError):
                for thread in Path(f"/proc/{pid}/task").iterdir():
                    text = (thread / "children").read_text()
                    queue.extend(int(child) for child in text.split())
        self.known = found
        return found

    def signal(self, number: signal.Signals) -> None:
        for pid in self.walk():
            with suppress(ProcessLookupError):
                if pid in self.roots:
                    signal.pidfd_send_signal(self.roots[pid], number)
                else:
                    os.kill(pid, number)

    def close(self) -> None:
        for fd in self.roots.values():
            os.close(fd)
        self.roots.clear()
        self.known.clear()

    def _forget_dead(self) -> None:
        for pid, fd in list(self.roots.items()):
            try:
                signal.pidfd_send_signal(fd, 0)
            except ProcessLookupError:
                os.close(fd)
                del self.roots[pid]


class ProcessMemory:
    how = "RLIMIT_DATA"

    def __init__(self, tree: ProcessTree, reserved_bytes: int = 0) -> None:
        self._tree = tree
        self._reserved_bytes = reserved_bytes
        self._limit_bytes = 0

    def limit(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes + self._reserved_bytes
        for pid in self._tree.roots:
            self.admit(pid)

    def used_bytes(self, *, shmem: bool) -> int:
        return sum(_peak_bytes(pid, shmem=shmem) for pid in self._tree.known)

    def oom_kills(self) -> int:
        """A failed allocation is the process's own error here; nobody is killed."""
        return 0

    def admit(self, pid: int) -> None:
        _limit(pid, resource.RLIMIT_DATA, self._limit_bytes)

    def close(self) -> None:
        """Nothing of its own is open."""


class ProcessPids:
    """RLIMIT_NPROC, which counts per user and user namespace: right only in a namespace of its own."""

    how = "RLIMIT_NPROC"

    def __init__(self, tree: ProcessTree) -> None:
        self._tree = tree
        self._count = 0

    def limit(self, count: int) -> None:
        self._count = count
        for pid in self._tree.roots:
            self.admit(pid)

    def admit(self, pid: int) -> None:
        with suppress(OSError):
            # Outside, it would count every process of the server's user.
            if Path(f"/proc/{pid}/ns/user").readlink() != Path("/proc/self/ns/user").readlink():
                _limit(pid, resource.RLIMIT_NPROC, self._count)


class NoCpu:
    how = "none"

    def quota(self, cores: float | None) -> None:
        """Without a controller the share cannot be limited; `Cgroups.features` says so."""

    def give_way(self) -> None:
        """Niceness, which a process sets for itself, works without a group."""


class StopFreezer:
    how = "SIGSTOP"

    def __init__(self, tree: ProcessTree) -> None:
        self._tree = tree

    def freeze(self) -> None:
        self._tree.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._tree.signal(signal.SIGCONT)

    def close(self) -> None:
        """Nothing of its own is open."""


def _limit(pid: int, which: int, value: int) -> None:
    """Set a limit of another process, never above the hard limit it has."""
    if value <= 0:
        return
    with suppress(ProcessLookupError, PermissionError):
        hard = resource.prlimit(pid, which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.prlimit(pid, which, (value, value))


def _peak_bytes(pid: int, *, shmem: bool) -> int:
    """Most anonymous memory a process had: its peak RSS less the files that are mapped now."""
    try:
        status = Path(f"/proc/{pid}/status").read_bytes().replace(b":\t", b" ").replace(b" kB", b"")
    except OSError:
        return 0
    anonymous = number_after(status, b"RssAnon")
    shared = number_after(status, b"RssShmem")
    peak = number_after(status, b"VmHWM") - number_after(status, b"RssFile")
    if not shmem:
        peak -= shared
    return max(anonymous + (shared if shmem else 0), peak) * 1024
