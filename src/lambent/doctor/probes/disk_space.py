"""Room where the server keeps packages, logs and the disks of /tmp, and the right to write there."""

from __future__ import annotations

import os

from lambent.doctor.finding import Finding, Machine, Probe

LOW_MB, LEAST_MB = 2_000, 200
LEAST_INODES = 20_000


def look(machine: Machine) -> Finding:
    folder = machine.settings.data_dir
    place = machine.existing(folder)
    facts = os.statvfs(place)
    free_mb = facts.f_bavail * facts.f_frsize // 1_000_000
    said = f"{free_mb / 1000:.1f} GB free for {folder}"
    fix = "free space there     or     lambent up --data-dir OTHER"
    if not os.access(place, os.W_OK):
        return Finding("missing", f"{place} cannot be written", fix=f"chown it, or {fix[-32:]}")
    if free_mb < LEAST_MB:
        return Finding("missing", said, why="a package and a /tmp disk would not fit", fix=fix)
    if facts.f_files and facts.f_favail < LEAST_INODES:
        why = f"{facts.f_favail} files more can be made; one large package has that many"
        return Finding("warn", said, why=why, fix=fix)
    if free_mb < LOW_MB:
        return Finding("warn", said, why="every environment's /tmp may take 0.5 to 10 GB", fix=fix)
    return Finding("ok", said)


PROBE = Probe("disk space", look)
