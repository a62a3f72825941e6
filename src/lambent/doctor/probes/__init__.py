"""Every probe, in the order in which `doctor` shows them."""

from __future__ import annotations

from typing import Final

from lambent.doctor.finding import Probe
from lambent.doctor.probes import (
    apparmor,
    aws_settings,
    cgroup_moves,
    cgroups,
    clock,
    companions,
    disk_space,
    idle_cpus,
    interpreters,
    loop_devices,
    network,
    pasta,
    port,
    proc,
    skopeo,
    user_namespaces,
    uv,
)

ALL: Final[tuple[Probe, ...]] = (
    user_namespaces.PROBE,
    apparmor.PROBE,
    proc.PROBE,
    cgroups.PROBE,
    cgroup_moves.PROBE,
    idle_cpus.PROBE,
    loop_devices.PROBE,
    network.PROBE,
    pasta.PROBE,
    interpreters.PROBE,
    uv.PROBE,
    skopeo.PROBE,
    disk_space.PROBE,
    port.PROBE,
    aws_settings.PROBE,
    companions.PROBE,
    clock.PROBE,
)
