"""Makes the groups of a server's environments, with whatever cgroups this machine offers.

Each controller is found separately: v1, v2, or a stand-in from `rlimits`. All groups stand under one
parent per server instance and hierarchy, remembered in the data folder so that a successor finds
them even when it is started from another session (`leftovers`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from lambent.errors import SandboxError
from lambent.sandbox import cgroup_hierarchies as machine
from lambent.sandbox.cgroup import Cgroup, remove_group
from lambent.sandbox.cgroup_files import can_write, signal_members, write
from lambent.sandbox.cgroup_roles import Cpu, Freezer, Memory, Pids
from lambent.sandbox.cgroup_v1 import CpuV1, FreezerV1, MemoryV1, PidsV1
from lambent.sandbox.cgroup_v2 import CpuV2, FreezerV2, MemoryV2, PidsV2, delegated_parent
from lambent.sandbox.instance import Instance
from lambent.sandbox.rlimits import NoCpu, ProcessMemory, ProcessPids, ProcessTree, StopFreezer
from lambent.sandbox.spec import Feature

MEMORY: dict[int, Callable[[Path], Memory]] = {1: MemoryV1, 2: MemoryV2}
CPU: dict[int, Callable[[Path], Cpu]] = {1: CpuV1, 2: CpuV2}
PIDS: dict[int, Callable[[Path], Pids]] = {1: PidsV1, 2: PidsV2}
FREEZER: dict[int, Callable[[Path], Freezer]] = {1: FreezerV1, 2: FreezerV2}
FIX = "run as root, or under a systemd unit with Delegate=yes on cgroup v2"


class Cgroups:
    """One per server. Methods may be called from any thread.

    `use` restricts it to some of the machine's hierarchies; an empty list means stand-ins only.
    """

    def __init__(self, instance: Instance, use: list[machine.Hierarchy] | None = None) -> None:
        self._instance = instance
        self._use = use
        self._parents: dict[str, tuple[int, Path]] = {}
        """Role → cgroup version and our parent folder; a role that is missing is stood in for."""
        self._unified: Path | None = None
        self._groups: dict[str, Cgroup] = {}
        self._favoured = True

    def open(self) -> None:
        """Find the hierarchies and make our parent in each that can be written to."""
        found = machine.hierarchies() if self._use is None else self._use
        own = machine.own_groups()
        name = self._instance.name
        self._instance.remember("cgroups", [str(path) for path in candidates(found, own, name)])
        in_v1 = machine.locate(found)
        self._open_unified(machine.unified(found), own, set(in_v1))
        for role, hierarchy in in_v1.items():
            if role in self._parents:
                continue  # the v2 freezer is the better one
            parent = hierarchy.own(own) / name
            with suppress(OSError):
                parent.mkdir(exist_ok=True)
                self._parents[role] = (1, parent)
        self._favoured = machine.favours_dynamic_modifications(found)

    def _open_unified(self, unified: machine.Hierarchy | None, own: str, in_v1: set[str]) -> None:
        if unified is None:
            return
        wanted = {"memory", "cpu", "pids"} - in_v1
        place = delegated_parent(unified, unified.own(own), self._instance.name, wanted)
        if place is None:
            return
        self._unified, got = place
        self._parents.update(dict.fromkeys(got, (2, self._unified)))
        if (self._unified / "cgroup.freeze").exists():
            self._parents["freezer"] = (2, self._unified)

    def create(
        self,
        group_id: str,
        memory_mb: int,
        pids_max: int,
        *,
        tmpfs_mb: int = 0,
        reserved_mb: int = 0,
        shared_mb: int = 0,
    ) -> Cgroup:
        """A group with its limits set and the CPU free; raises `SandboxError` if it exists.

        `shared_mb`: of its memory, what it has in common with the template it is forked from.

        `tmpfs_mb`: the size of a /tmp on tmpfs, which must not count as the function's memory.
        `reserved_mb`: mapped and never filled, which only a stand-in for the controller would count.
        """
        parents = dict.fromkeys(parent for _, parent in self._parents.values())
        if self._unified is not None:
            parents.setdefault(self._unified)
        groups = tuple(parent / group_id for parent in parents)
        made: list[Path] = []
        try:
            for folder in groups:
                folder.mkdir()
                made.append(folder)
            group = self._compose(group_id, groups, reserved_mb << 20)
            group.limit_memory(memory_mb, tmpfs_mb=tmpfs_mb, shared_mb=shared_mb)
            group.limit_pids(pids_max)
        except OSError as error:
            for path in made:
                remove_group(path)
            raise SandboxError(
                f"no control group for environment {group_id}: {error}",
                code="CGROUP_FAILED",
                fix="see `lambent doctor`; /proc/cgroups shows how many groups the machine has",
            ) from error
        self._groups[group_id] = group
        return group

    def _compose(self, group_id: str, groups: tuple[Path, ...], reserved_bytes: int) -> Cgroup:
        at = {
            role: (version, parent / group_id) for role, (version, parent) in self._parents.items()
        }
        tree = ProcessTree()
        roles = (
            _choose(MEMORY, at.get("memory"), lambda: ProcessMemory(tree, reserved_bytes)),
            _choose(CPU, at.get("cpu"), NoCpu),
            _choose(PIDS, at.get("pids"), lambda: ProcessPids(tree)),
            _choose(FREEZER, at.get("freezer"), lambda: StopFreezer(tree)),
        )
        whole = {"memory", "pids", "freezer"} <= at.keys()
        unified = self._unified / group_id if self._unified is not None else None
        return Cgroup(group_id, groups, unified, roles, None if whole else tree)

    def discard(self, group: Cgroup) -> None:
        """`group.close()`, and forget it."""
        self._groups.pop(group.id, None)
        group.close()

    def close(self) -> None:
        """Kill and remove every group, then our parents. Idempotent."""
        for group in list(self._groups.values()):
            self.discard(group)
        remove_parents(self._instance)
        self._parents.clear()
        self._unified = None

    def features(self) -> tuple[Feature, ...]:
        """What is enforced here, for `lambent up` and `doctor`."""
        return (
            self._feature("memory limit", "memory", "RLIMIT_DATA",
                          "memory is limited per process, not per environment"),
            self._feature("cpu share", "cpu", "none",
                          "functions use as much CPU as the machine has"),
            self._feature("process limit", "pids", "RLIMIT_NPROC",
                          "processes are counted per user namespace"),
            self._feature("freeze", "freezer", "SIGSTOP",
                          "idle environments are stopped by signals, which their code can see"),
            self._fast_moves(),
        )  # fmt: skip

    def _feature(self, name: str, role: str, stand_in: str, missing: str) -> Feature:
        if role in self._parents:
            return Feature(name, enforced=True, how=f"cgroup v{self._parents[role][0]}")
        return Feature(
            name,
            enforced=False,
            how=stand_in,
            missing=f"{missing}: no writable cgroup for {role}",
            fix=FIX,
        )

    def _fast_moves(self) -> Feature:
        name = "fast cgroup moves"
        if not self._parents:
            return Feature(name, enforced=True, how="no cgroups")
        if self._favoured:
            return Feature(name, enforced=True, how="favordynmods")
        return Feature(
            name,
            enforced=False,
            how="RCU",
            missing="moving a new process into its cgroup takes about 5 ms",
            fix="lambent doctor --fix",
        )


_T = TypeVar("_T")


def _choose(
    kernel: dict[int, Callable[[Path], _T]], at: tuple[int, Path] | None, stand_in: Callable[[], _T]
) -> _T:
    """The implementation of a role for where its controller is, or what stands in for it."""
    return stand_in() if at is None else kernel[at[0]](at[1])


def candidates(found: list[machine.Hierarchy], own: str, name: str) -> list[Path]:
    """Every folder that could become a parent of the instance `name` on this machine."""
    places = dict.fromkeys(
        place for hierarchy in found for place in (hierarchy.own(own), hierarchy.mount)
    )
    return [place / name for place in places]


def remove_parents(instance: Instance) -> list[str]:
    """Thaw, kill and remove all groups that the instance made, in this life or an earlier one.

    Returns what could not be removed. Safe to call when nothing is left.
    """
    here = candidates(machine.hierarchies(), machine.own_groups(), instance.name)
    known = [Path(path) for path in instance.recall("cgroups")]
    parents = [path for path in dict.fromkeys(known + here) if path.name == instance.name]
    parents = [path for path in parents if path.is_dir()]
    groups = [group for parent in parents for group in parent.iterdir() if group.is_dir()]
    for group in groups:
        _end_members(group)
    stuck = [str(group) for group in groups if not remove_group(group)]
    stuck += [str(parent) for parent in parents if not remove_group(parent, timeout_s=0.5)]
    if not stuck:
        instance.forget("cgroups")
    return stuck


def _end_members(group: Path) -> None:
    """A frozen v1 group outlives SIGKILL, so it is thawed after the signals; v2 has one write."""
    if can_write(group / "cgroup.kill"):
        write(group / "cgroup.kill", "1")
        return
    signal_members(group)
    if can_write(group / "freezer.state"):
        write(group / "freezer.state", "THAWED")
