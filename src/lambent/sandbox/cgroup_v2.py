"""The roles of an environment's group in the unified hierarchy, and how to get a parent in it.

Facts: kernel documentation, admin-guide/cgroup-v2. In v2 a group with processes cannot hand
controllers to its children, except the top one; `delegated_parent` deals with that. Even a unified
hierarchy without controllers (a hybrid machine) is used: its freezer is ten times cheaper than v1's
and `cgroup.kill` ends a fork bomb in one write.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from lambent.sandbox.cgroup_files import members, number_after, write, write_first
from lambent.sandbox.cgroup_hierarchies import Hierarchy
from lambent.sandbox.cgroup_v1 import CPU_PERIOD_US, MIN_QUOTA_US


class MemoryV2:
    how = "cgroup v2"

    def __init__(self, group: Path) -> None:
        self._group = group
        self._stat_fd = os.open(group / "memory.stat", os.O_RDONLY | os.O_CLOEXEC)
        # Absent where the kernel has no swap accounting.
        with suppress(FileNotFoundError):
            write(group / "memory.swap.max", "0")

    def limit(self, limit_bytes: int) -> None:
        write(self._group / "memory.max", str(limit_bytes))

    def used_bytes(self, *, shmem: bool) -> int:
        stat = os.pread(self._stat_fd, 8192, 0)
        used = number_after(stat, b"anon")
        return used + number_after(stat, b"shmem") if shmem else used

    def oom_kills(self) -> int:
        return number_after((self._group / "memory.events").read_bytes(), b"oom_kill")

    def admit(self, pid: int) -> None:
        """Nothing is set per process."""

    def close(self) -> None:
        os.close(self._stat_fd)


class CpuV2:
    how = "cgroup v2"

    def __init__(self, group: Path) -> None:
        self._group = group

    def quota(self, cores: float | None) -> None:
        quota = "max" if cores is None else str(max(MIN_QUOTA_US, round(cores * CPU_PERIOD_US)))
        write(self._group / "cpu.max", f"{quota} {CPU_PERIOD_US}")

    def give_way(self) -> None:
        write_first((self._group / "cpu.idle", "1"), (self._group / "cpu.weight", "1"))


class PidsV2:
    how = "cgroup v2"

    def __init__(self, group: Path) -> None:
        self._group = group

    def limit(self, count: int) -> None:
        write(self._group / "pids.max", str(count))

    def admit(self, pid: int) -> None:
        """Nothing is set per process."""


class FreezerV2:
    how = "cgroup v2"

    def __init__(self, group: Path) -> None:
        self._fd = os.open(group / "cgroup.freeze", os.O_WRONLY | os.O_CLOEXEC)

    def freeze(self) -> None:
        os.write(self._fd, b"1")

    def thaw(self) -> None:
        os.write(self._fd, b"0")

    def close(self) -> None:
        os.close(self._fd)


def delegated_parent(
    hierarchy: Hierarchy, own: Path, name: str, controllers: set[str]
) -> tuple[Path, set[str]] | None:
    """Make `name` where its children can have most of `controllers`; the folder and which it got.

    Below the server's own group if that is ours to divide (systemd `Delegate=yes`), else at the
    top of the hierarchy; None if neither can be written to.
    """
    best: tuple[Path, set[str]] | None = None
    for place in dict.fromkeys((own, hierarchy.mount)):
        got = _divide(place, name, controllers)
        if got is not None and (best is None or len(got) > len(best[1])):
            if best is not None:
                with suppress(OSError):
                    best[0].rmdir()
            best = (place / name, got)
        if best is not None and best[1] == controllers:
            break
    return best


def _divide(place: Path, name: str, controllers: set[str]) -> set[str] | None:
    """Hand controllers down from `place` to `place/name` and its children; which arrived."""
    parent = place / name
    try:
        parent.mkdir(exist_ok=True)
    except OSError:
        return None
    for controller in sorted(controllers):
        if not _enable(place, controller) and _only_ours(place):
            _move_into_leaf(place, f"{name}-server")
            _enable(place, controller)
        _enable(parent, controller)
    return controllers & set((parent / "cgroup.subtree_control").read_text().split())


def _enable(group: Path, controller: str) -> bool:
    """Whether children of `group` have the controller; False when processes stand in the way."""
    control = group / "cgroup.subtree_control"
    try:
        if controller in control.read_text().split():
            return True
        if controller not in (group / "cgroup.controllers").read_text().split():
            return False
        write(control, f"+{controller}")
    except OSError:
        return False
    return True


def _only_ours(group: Path) -> bool:
    """Whether the server alone is in the group (then it may step into a child of it)."""
    return members(group) == [os.getpid()]


def _move_into_leaf(group: Path, name: str) -> None:
    leaf = group / name
    with suppress(OSError):
        leaf.mkdir(exist_ok=True)
        write(leaf / "cgroup.procs", str(os.getpid()))
