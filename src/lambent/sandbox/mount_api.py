"""The kernel's mount API by descriptor (Linux 5.2), which the standard library lacks.

A file system made with it is attached nowhere: no path leads to it, and it goes away with its last
descriptor and namespace, so a killed server leaves no mount of it behind. `tmpdisk` makes such
mounts on the host's side and `kernel.move_mount` attaches them in a sandbox's mount namespace.
Unlike `kernel`, whose calls run in single-threaded processes, these let go of the GIL.
"""

from __future__ import annotations

import ctypes
import os

FSOPEN = 430  # since 5.0 a number is the same on every architecture
FSCONFIG = 431
FSMOUNT = 432

FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1
CONFIG_FLAG, CONFIG_STRING, CONFIG_CREATE = 0, 1, 6
ATTR_NOSUID, ATTR_NODEV, ATTR_NOATIME = 0x2, 0x4, 0x10
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: int | bytes | None) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def detached_mount(kind: str, source: str, options: dict[str, str | None], attributes: int) -> int:
    """Mount `source` without attaching it; a descriptor of its root. An option of None is a flag."""
    context = _call(FSOPEN, kind.encode(), FSOPEN_CLOEXEC)
    try:
        _call(FSCONFIG, context, CONFIG_STRING, b"source", source.encode(), 0)
        for key, value in options.items():
            if value is None:
                _call(FSCONFIG, context, CONFIG_FLAG, key.encode(), None, 0)
            else:
                _call(FSCONFIG, context, CONFIG_STRING, key.encode(), value.encode(), 0)
        _call(FSCONFIG, context, CONFIG_CREATE, None, None, 0)
        return _call(FSMOUNT, context, FSMOUNT_CLOEXEC, attributes)
    finally:
        os.close(context)


def unmount_lazily(target: str) -> bool:
    """Detach whatever is mounted at `target`, in use or not; False if nothing is."""
    return int(_libc.umount2(os.fsencode(target), MNT_DETACH)) == 0
