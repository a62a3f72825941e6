"""The group of one environment: memory, CPU share, processes, freezing, killing.

Composed of one implementation per role, from `cgroup_v1`, `cgroup_v2` or `rlimits`; `cgroups.Cgroups`
chooses them and makes the folders. Nothing here waits except `close`.
"""

from __future__ import annotations

import math
import os
import signal
import time
from pathlib import Path

from lambent.sandbox.cgroup_files import (
    await_exits,
    can_write,
    members,
    signal_members,
    write,
)
from lambent.sandbox.cgroup_roles import Cpu, Freezer, Memory, Pids
from lambent.sandbox.rlimits import ProcessTree

MB = 1024 * 1024
MB_PER_CORE = 1769
"""AWS: "at 1,769 MB, a function has the equivalent of one vCPU"."""
KILL_ROUNDS = 50
LEAST_OWN_MB = 32
"""Whatever a template has taken, a fork of it can write this much."""
NO_LIMIT = 1 << 60


class Cgroup:
    """The group of one environment. Blocking but short; `close` may wait for exits."""

    __slots__ = (
        "_clone_fd",
        "_closed",
        "_cores",
        "_cpu",
        "_freezer",
        "_frozen",
        "_groups",
        "_limit_bytes",
        "_limited",
        "_memory",
        "_most_bytes",
        "_pids",
        "_shared_bytes",
        "_tmpfs",
        "_tree",
        "_unified",
        "id",
    )

    def __init__(
        self,
        group_id: str,
        groups: tuple[Path, ...],
        unified: Path | None,
        roles: tuple[Memory, Cpu, Pids, Freezer],
        tree: ProcessTree | None,
    ) -> None:
        self.id = group_id
        self._groups = groups
        self._unified = unified
        self._memory, self._cpu, self._pids, self._freezer = roles
        self._tree = tree
        self._clone_fd: int | None = None
        self._frozen = False
        self._most_bytes = 0
        self._limit_bytes = 0
        self._shared_bytes = 0
        self._cores = 1.0
        self._tmpfs = False
        self._limited = False
        self._closed = False

    @property
    def clone_fd(self) -> int | None:
        """For `clone3(CLONE_INTO_CGROUP)`: the group's v2 folder; None without a v2 hierarchy.

        A process that was cloned into it is then given to `add(pid, cloned=True)`.
        """
        if self._clone_fd is None and self._unified is not None:
            self._clone_fd = os.open(self._unified, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return self._clone_fd

    @property
    def frozen(self) -> bool:
        return self._frozen

    def limit_memory(self, memory_mb: int, *, tmpfs_mb: int = 0, shared_mb: int = 0) -> None:
        """Set or change the limit. `tmpfs_mb`: a /tmp on tmpfs, whose pages the kernel counts.

        `shared_mb`: what a fork shares with its template: the kernel does not count it here, so the
        limit is that much lower, and what is reported that much higher.
        """
        shared_mb = min(shared_mb, memory_mb - LEAST_OWN_MB)
        self._shared_bytes = shared_mb * MB
        self._cores = memory_mb / MB_PER_CORE
        self._tmpfs = tmpfs_mb > 0
        self._limit_bytes = memory_mb * MB
        self._memory.limit((memory_mb - shared_mb + tmpfs_mb) * MB)

    def lift_memory(self) -> None:
        """No limit from now on: a template pays for the page tables of all its forks."""
        self._memory.limit(NO_LIMIT)

    def add(self, pid: int, *, cloned: bool = False) -> None:
        """Move a process (host pid) here, before it forks or allocates.

        Raises ProcessLookupError if it is gone.
        """
        for group in self._groups:
            if not (cloned and group == self._unified):
                write(group / "cgroup.procs", str(pid))
        if self._tree is not None:
            self._tree.add(pid)
            self._memory.admit(pid)
            self._pids.admit(pid)

    def limit_pids(self, count: int) -> None:
        self._pids.limit(count)

    def limit_cpu(self, limited: bool) -> None:  # noqa: FBT001  one meaning, named by the method
        if limited is not self._limited:
            self._limited = limited
            self._cpu.quota(self._cores if limited else None)

    def give_way(self) -> None:
        self._cpu.give_way()

    def freeze(self) -> None:
        if not self._frozen:
            self._frozen = True
            self._freezer.freeze()

    def thaw(self) -> None:
        if self._frozen:
            self._frozen = False
            self._freezer.thaw()

    def memory_mb(self) -> int:
        """Most memory that was seen at any call, rounded up; read it at least after each invoke."""
        used = self._memory.used_bytes(shmem=not self._tmpfs) + self._shared_bytes
        self._most_bytes = max(self._most_bytes, used)
        return math.ceil(self._most_bytes / MB)

    def oom_kills(self) -> int:
        """How many processes the kernel killed here; such a group has used all its memory."""
        kills = self._memory.oom_kills()
        if kills:
            self._most_bytes = max(self._most_bytes, self._limit_bytes)
        return kills

    def members(self) -> list[int]:
        """Host pids of all processes in it."""
        if self._groups:
            return members(self._groups[0])
        return self._tree.walk() if self._tree is not None else []

    def kill(self) -> None:
        """SIGKILL every member, frozen or not; they are ending, not necessarily gone, on return."""
        if self._unified is not None and can_write(self._unified / "cgroup.kill"):
            write(self._unified / "cgroup.kill", "1")
        elif self._groups:
            self._kill_each()
        elif self._tree is not None:
            self._tree.signal(signal.SIGKILL)
        self.thaw()

    def _kill_each(self) -> None:
        """Without `cgroup.kill`: frozen, none can fork while the others are being signalled."""
        for _ in range(KILL_ROUNDS):
            self._freezer.freeze()
            count = signal_members(self._groups[0])
            self._freezer.thaw()
            self._frozen = False
            if not count:
                return
            await_exits(members(self._groups[0]), timeout_s=1.0)

    def close(self) -> None:
        """Kill what is left and remove the group. Idempotent; waits up to a few seconds for exits."""
        if self._closed:
            return
        self._closed = True
        if self.members():
            self.kill()
        for group in self._groups:
            remove_group(group)
        self._memory.close()
        self._freezer.close()
        if self._clone_fd is not None:
            os.close(self._clone_fd)
            self._clone_fd = None
        if self._tree is not None:
            self._tree.close()


def remove_group(group: Path, timeout_s: float = 5.0) -> bool:
    """Remove an ending group once its last process is out; False if it is still busy then."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            if time.monotonic() > deadline:
                return False
        else:
            return True
        await_exits(members(group), timeout_s)
        # The kernel reports an exit a moment before it takes the task out of its group, and v1
        # offers nothing to wait on for the rest.
        time.sleep(0.001)
