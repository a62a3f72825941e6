"""Disks for /tmp: a small ext4 on a loop device, tried for real."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from lambent.doctor.finding import Finding, Machine, Probe
from lambent.doctor.kernel_modules import load_modules
from lambent.sandbox.instance import Instance
from lambent.sandbox.tmpdisk import TmpDisks


def look(machine: Machine) -> Finding:
    place = machine.existing(machine.settings.data_dir)
    with tempfile.TemporaryDirectory(prefix=".lambent-doctor-", dir=place) as folder:
        instance = Instance(Path(folder))
        instance.run_dir.mkdir(parents=True)
        disks = TmpDisks(instance, ahead=0)
        disks.open()
        try:
            feature = disks.feature()
        finally:
            disks.close()
    if feature.enforced:
        return Finding("ok", f"functions have /tmp from {feature.how}")
    fix = "apt-get install e2fsprogs" if shutil.which("mkfs.ext4") is None else feature.fix
    return Finding("warn", f"functions have /tmp from {feature.how}", why=feature.missing, fix=fix)


def mend(machine: Machine) -> str:  # noqa: ARG001  the signature of every remedy
    return load_modules("loop", "ext4")


PROBE = Probe("loop devices", look, mend)
