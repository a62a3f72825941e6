"""Without root, functions reach the network through pasta, which needs a tun device."""

from __future__ import annotations

import os
import shutil

from lambent.doctor.finding import Finding, Machine, Probe

TUN = "/dev/net/tun"


def look(machine: Machine) -> Finding:
    if machine.is_root:
        return Finding("ok", "not needed as root")
    wanted = machine.settings.network == "nat"
    if shutil.which("pasta", path=machine.environ.get("PATH")) is None:
        return Finding(
            "missing" if wanted else "ok",
            "not installed" + ("" if wanted else ", and not asked for (network = none)"),
            why="functions of an ordinary user's server cannot reach the network without it"
            if wanted
            else "",
            fix="sudo apt-get install passt" if wanted else "",
        )
    if not os.access(TUN, os.R_OK | os.W_OK):
        return Finding(
            "missing" if wanted else "warn",
            f"installed, but {TUN} cannot be used",
            why="it carries the functions' packets",
            fix=f"sudo modprobe tun     or, in a container, --device {TUN}",
        )
    return Finding("ok", "installed")


PROBE = Probe("pasta", look)
