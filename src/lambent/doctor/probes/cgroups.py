"""Control groups, which limit memory, CPU and processes: where they are and whether we may use them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lambent.doctor.finding import Finding, Machine, Probe
from lambent.sandbox.cgroups import FIX, Cgroups
from lambent.sandbox.instance import Instance

MOVES = "fast cgroup moves"
"""A probe of its own: `cgroup_moves`."""


def look(machine: Machine) -> Finding:  # noqa: ARG001  the signature of every probe
    with tempfile.TemporaryDirectory(prefix="lambent-doctor-") as folder:
        groups = Cgroups(Instance(Path(folder)))
        groups.open()
        try:
            features = [f for f in groups.features() if f.name != MOVES]
        finally:
            groups.close()
    how = ", ".join(f"{feature.name} {feature.how}" for feature in features)
    without = [feature for feature in features if not feature.enforced]
    if not without:
        return Finding("ok", how)
    return Finding("warn", how, why="; ".join(feature.missing for feature in without), fix=FIX)


PROBE = Probe("cgroups", look)
