"""A sandbox mounts a /proc of its own, which the kernel refuses where this one is covered in part.

Containers cover files and folders of /proc; what is below would show again in a fresh mount, so
only a /proc that is whole may be mounted anew.
"""

from __future__ import annotations

from lambent.doctor.finding import Finding, Machine, Probe
from lambent.sandbox.cgroup_hierarchies import unescape

EMPTY = frozenset({"/proc/sys/fs/binfmt_misc"})
"""Folders that are always empty, so that covering them hides nothing."""


def look(machine: Machine) -> Finding:
    points = [unescape(line.split(" ")[4]) for line in machine.read("self", "mountinfo").split("\n")
              if line]  # fmt: skip
    covered = sorted({p for p in points if p.startswith("/proc/") and p not in EMPTY})
    if not covered:
        return Finding("ok", "whole")
    shown = ", ".join(covered[:3]) + (" …" if len(covered) > 3 else "")
    return Finding(
        "warn" if machine.settings.sandbox == "process" else "missing",
        f"{len(covered)} places are covered",
        why=f"{shown}: a sandbox may not mount its own /proc then",
        fix="docker run --security-opt systempaths=unconfined     or     podman run "
        "--security-opt unmask=ALL",
    )


PROBE = Probe("/proc", look)
