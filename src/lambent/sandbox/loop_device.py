"""Loop devices by ioctl: give a file a block device that frees itself with its last user.

Spawning losetup would cost more than everything else that a disk needs. Facts: linux/loop.h and
loop(4). Used by `tmpdisk`, and by `leftovers` to find devices that a killed server left.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from pathlib import Path

CTL_GET_FREE = 0x4C82
SET_FD = 0x4C00
CLR_FD = 0x4C01
SET_STATUS64 = 0x4C04
CONFIGURE = 0x4C0A
LO_FLAGS_AUTOCLEAR = 4
LOOP_MAJOR = 7
INFO = struct.Struct("=QQQQQIIII64s64s32sQQ")
RACES = 64
"""How often another process may snatch the free device before we give up."""


class LoopDevices:
    """Hands out loop devices. `nodes_dir` is for nodes that a static /dev lacks (containers)."""

    def __init__(self, nodes_dir: Path) -> None:
        self._nodes_dir = nodes_dir
        self._control_fd = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)

    def bind(self, file_fd: int) -> tuple[str, int]:
        """The device that now shows the file, and its descriptor.

        The kernel frees the device once the descriptor and the mount on it are gone.
        """
        for _ in range(RACES):
            number = fcntl.ioctl(self._control_fd, CTL_GET_FREE)
            path = self._node(number)
            device_fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                _configure(device_fd, file_fd)
            except OSError as error:
                os.close(device_fd)
                if error.errno != errno.EBUSY:
                    raise
                continue  # somebody took it between the two calls
            return path, device_fd
        raise OSError(errno.EBUSY, "every free loop device was taken by another process")

    def _node(self, number: int) -> str:
        path = f"/dev/loop{number}"
        if Path(path).exists():
            return path
        self._nodes_dir.mkdir(parents=True, exist_ok=True)
        node = self._nodes_dir / f"loop{number}"
        if not node.exists():
            os.mknod(node, stat.S_IFBLK | 0o600, os.makedev(LOOP_MAJOR, number))
        return str(node)

    def close(self) -> None:
        os.close(self._control_fd)


def _configure(device_fd: int, file_fd: int) -> None:
    info = INFO.pack(0, 0, 0, 0, 0, 0, 0, 0, LO_FLAGS_AUTOCLEAR, b"", b"", b"", 0, 0)
    try:
        fcntl.ioctl(device_fd, CONFIGURE, struct.pack("=II", file_fd, 0) + info + bytes(64))
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTTY}:
            raise
        # Before Linux 5.8 it took two calls.
        fcntl.ioctl(device_fd, SET_FD, file_fd)
        fcntl.ioctl(device_fd, SET_STATUS64, info)


def backed_under(folder: Path) -> list[int]:
    """Numbers of the loop devices whose backing file is, or was, in `folder`."""
    found = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            backing = path.read_text().rstrip("\n").removesuffix(" (deleted)")
        except OSError:
            continue  # freed meanwhile
        if Path(backing).parent == folder:
            found.append(int(path.parts[3].removeprefix("loop")))
    return found


def free(number: int) -> bool:
    """Detach the device from its file; one in use follows when its last user goes."""
    try:
        fd = os.open(f"/dev/loop{number}", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.ioctl(fd, CLR_FD)
    except OSError as error:
        return error.errno == errno.ENXIO  # free already
    finally:
        os.close(fd)
    return True
