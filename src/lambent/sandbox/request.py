"""What the server asks of the spawner for one sandbox: written here, read by `spawner.Spawner`."""

from __future__ import annotations

import os
from typing import Final

from lambent.sandbox import wire
from lambent.sandbox.filesystem import ROOT, RUNTIME
from lambent.sandbox.spec import SandboxSpec

RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_NOFILE = 4, 6, 7
"""Linux's numbers; `resource` has them too, but not on other systems."""
OPEN_FILES: Final = 1024
"""AWS: file descriptors of an execution environment."""


def create_fields(
    spec: SandboxSpec, pair: int, *, has_disk: bool, nest: bool = False
) -> list[bytes | int]:
    """The fields of CREATE after its number. Its descriptors: the control socket, then the disk.

    `pair`: the first of the two host ids of its owner; ignored without root. `nest`: not for one
    sandbox, but for the places of a template's forks, and its user and pid namespaces come last.
    """
    folders = [(spec.task_dir, "var/task")]
    if spec.root_dir is not None:
        folders = [(spec.root_dir, ROOT)]
    if spec.lang_dir is not None:
        folders.append((spec.lang_dir, "var/lang"))
    if spec.runtime_dir is not None:
        folders.append((spec.runtime_dir, RUNTIME))
    # One byte, not none: the kernel starts a core handler behind a pipe even for 0.
    limits = (RLIMIT_CORE, 1, RLIMIT_NOFILE, OPEN_FILES, RLIMIT_NPROC, processes_limit(spec))
    return [
        pair,
        int(spec.egress != "host"),
        _numbers(spec.ports),
        spec.ephemeral_mb,
        _numbers(limits),
        wire.join(os.fsencode(part) for pair in folders for part in pair),
        wire.join(os.fsencode(layer) for layer in spec.layer_dirs),
        int(has_disk),
        wire.join(
            part
            for mount in spec.mounts
            for part in (os.fsencode(mount.source), os.fsencode(mount.name))
        ),
        wire.NEST if nest else wire.TEMPLATE if spec.forkable else wire.PLAIN,
    ]


def processes_limit(spec: SandboxSpec) -> int:
    """RLIMIT_NPROC of its processes."""
    return spec.pids_max + 1


def _numbers(values: tuple[int, ...]) -> bytes:
    return wire.join(b"%d" % value for value in values)
