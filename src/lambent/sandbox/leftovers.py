"""What a killed server left on the machine, and how it goes away.

Most of what a sandbox needs ends with its processes: namespaces, /tmp disks, network links. What does
not (control groups with frozen processes, mounts by path, firewall tables, files) carries the
instance's name, so that the next start of the same data folder removes it, and only it.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lambent.errors import SandboxError
from lambent.sandbox import loop_device
from lambent.sandbox.cgroup_hierarchies import unescape
from lambent.sandbox.cgroups import remove_parents
from lambent.sandbox.instance import Instance
from lambent.sandbox.mount_api import unmount_lazily
from lambent.sandbox.network import remove_network
from lambent.sandbox.pasta import end_all, pid_folder


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What there was to do; all empty after a server that ended by itself."""

    mounts: tuple[str, ...] = ()
    loop_devices: tuple[int, ...] = ()
    folders: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    """What could not be removed, with the reason where there is one."""


def clean(instance: Instance) -> Cleaned:
    """Remove everything that earlier servers of this data folder left. Call it holding the lock.

    Order: processes first, as they hold the rest. Idempotent; milliseconds when nothing is left.
    Raises `SandboxError` without the lock, for then the owner may be alive.
    """
    if not instance.locked:
        raise SandboxError("leftovers are cleaned by the owner of the data folder alone")
    stuck = remove_parents(instance)
    end_all(pid_folder(instance))
    mounts = [path for path in mounts_under(instance.run_dir) if unmount_lazily(path)]
    devices: list[int] = []
    if os.geteuid() == 0:
        stuck += remove_network(instance)
        devices = [n for n in loop_device.backed_under(instance.disks_dir) if loop_device.free(n)]
    folders = _remove_folders(instance)
    return Cleaned(tuple(mounts), tuple(devices), tuple(folders), tuple(stuck))


def mounts_under(folder: Path) -> list[str]:
    """Mount points in `folder`, innermost and latest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        path = unescape(line.split(" ")[4])
        if Path(path).is_relative_to(folder):
            found.append(path)
    return found[::-1]


def _remove_folders(instance: Instance) -> list[str]:
    """Scratch of sandboxes and disks. A folder in which something is still mounted stays whole."""
    removed = []
    for folder in (instance.sandboxes_dir, instance.disks_dir):
        if folder.exists() and not mounts_under(folder):
            shutil.rmtree(folder)
            removed.append(str(folder))
    return removed
