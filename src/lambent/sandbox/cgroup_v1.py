"""The roles of an environment's group in cgroup v1 hierarchies, where each controller has its own.

Facts: kernel documentation, admin-guide/cgroup-v1 (memory, freezer-subsystem, pids) and
scheduler/sched-bwc. `cgroup.Cgroups` makes the folders that these work in.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from lambent.sandbox.cgroup_files import number_after, write, write_first

CPU_PERIOD_US = 20_000
"""AWS's own period is 20 ms too. With the kernel's 100 ms a 128 MB function would stall for 93 ms."""
MIN_QUOTA_US = 1_000
"""The kernel refuses less."""


class MemoryV1:
    how = "cgroup v1"

    def __init__(self, group: Path) -> None:
        self._group = group
        self._stat_fd = os.open(group / "memory.stat", os.O_RDONLY | os.O_CLOEXEC)
        self._limit_bytes = 0

    def limit(self, limit_bytes: int) -> None:
        # memory+swap may never be below memory: raise it first, lower it last. It exists only
        # where the kernel accounts for swap; without swap accounting there is nothing to forbid.
        order = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
        if self._limit_bytes and limit_bytes > self._limit_bytes:
            order.reverse()
        for name in order:
            try:
                write(self._group / name, str(limit_bytes))
            except FileNotFoundError:
                if name == "memory.limit_in_bytes":
                    raise
        self._limit_bytes = limit_bytes

    def used_bytes(self, *, shmem: bool) -> int:
        stat = os.pread(self._stat_fd, 4096, 0)
        used = number_after(stat, b"rss")
        return used + number_after(stat, b"shmem") if shmem else used

    def oom_kills(self) -> int:
        return number_after((self._group / "memory.oom_control").read_bytes(), b"oom_kill")

    def admit(self, pid: int) -> None:
        """Nothing is set per process."""

    def close(self) -> None:
        os.close(self._stat_fd)


class CpuV1:
    how = "cgroup v1"

    def __init__(self, group: Path) -> None:
        self._group = group
        self._has_period = False

    def quota(self, cores: float | None) -> None:
        if not self._has_period:
            write(self._group / "cpu.cfs_period_us", str(CPU_PERIOD_US))
            self._has_period = True
        quota_us = -1 if cores is None else max(MIN_QUOTA_US, round(cores * CPU_PERIOD_US))
        try:
            write(self._group / "cpu.cfs_quota_us", str(quota_us))
        except OSError as error:
            # v1 refuses a share larger than an ancestor's; the ancestor's then holds, and no
            # share of ours is needed.
            if error.errno != errno.EINVAL:
                raise
            write(self._group / "cpu.cfs_quota_us", "-1")

    def give_way(self) -> None:
        write_first((self._group / "cpu.idle", "1"), (self._group / "cpu.shares", "2"))


class PidsV1:
    how = "cgroup v1"

    def __init__(self, group: Path) -> None:
        self._group = group

    def limit(self, count: int) -> None:
        write(self._group / "pids.max", str(count))

    def admit(self, pid: int) -> None:
        """Nothing is set per process."""


class FreezerV1:
    """A thaw costs about 100 µs here against 7 µs in v2, and a frozen process cannot be killed."""

    how = "cgroup v1"

    def __init__(self, group: Path) -> None:
        self._fd = os.open(group / "freezer.state", os.O_WRONLY | os.O_CLOEXEC)

    def freeze(self) -> None:
        os.write(self._fd, b"FROZEN")

    def thaw(self) -> None:
        os.write(self._fd, b"THAWED")

    def close(self) -> None:
        os.close(self._fd)
