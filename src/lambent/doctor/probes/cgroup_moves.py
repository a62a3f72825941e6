"""Whether putting a new process into its group is quick, which a mount option decides."""

from __future__ import annotations

from lambent.doctor.finding import Finding, Machine, Probe
from lambent.sandbox import cgroup_hierarchies


def look(machine: Machine) -> Finding:
    found = cgroup_hierarchies.hierarchies()
    if not found or not machine.is_root:
        return Finding("ok", "not used")
    if cgroup_hierarchies.favours_dynamic_modifications(found):
        return Finding("ok", "quick (favordynmods)")
    return Finding(
        "warn",
        "each start waits about 5 ms",
        why="without the mount option favordynmods a move waits for every core",
        fix="lambent doctor --fix",
    )


def mend(machine: Machine) -> str:  # noqa: ARG001  the signature of every remedy
    if not cgroup_hierarchies.favour_dynamic_modifications():
        raise OSError("this kernel, or this container, does not let the hierarchy be remounted")
    return "remounted the cgroup hierarchy with favordynmods, until the next boot"


PROBE = Probe("cgroup moves", look, mend)
