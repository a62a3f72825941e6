"""The functions' way out, as the settings want it; address translation is tried for real."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lambent.doctor.finding import Finding, Machine, Probe
from lambent.doctor.kernel_modules import load_modules
from lambent.sandbox.choose import egress
from lambent.sandbox.instance import Instance
from lambent.sandbox.network import Network


def look(machine: Machine) -> Finding:
    mode = egress(machine.settings)
    with tempfile.TemporaryDirectory(prefix="lambent-doctor-") as folder:
        network = Network(Instance(Path(folder)))
        if mode == "nat":
            network.open()
        try:
            feature = network.feature(mode)
        finally:
            if mode == "nat":
                network.close()
    if feature.enforced:
        return Finding("ok", feature.how)
    needed = machine.settings.network == "nat" and feature.how == "none"
    return Finding(
        "missing" if needed else "warn", feature.how, why=feature.missing, fix=feature.fix
    )


def mend(machine: Machine) -> str:
    if egress(machine.settings) != "nat":
        raise OSError(f"network = {machine.settings.network!r} is a setting of yours")
    return load_modules("nf_tables", "nft_masq", "veth")


PROBE = Probe("network", look, mend)
