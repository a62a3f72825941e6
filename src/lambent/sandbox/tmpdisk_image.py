"""An empty ext4 file system of a given free size, as the few blocks of it that are not zero.

`mkfs.ext4` runs once per size and server; after that a new image is a sparse file and a few small
writes (about 60 KB for 512 MB). Its free space is what was asked for, its metadata comes on top.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lambent.errors import SandboxError
from lambent.sandbox.loop_device import LoopDevices
from lambent.sandbox.mount_api import (
    ATTR_NOATIME,
    ATTR_NODEV,
    ATTR_NOSUID,
    detached_mount,
)

MB = 1024 * 1024
PAGE = 4096
OPTIONS: dict[str, str | None] = {
    "noinit_itable": None,  # inode tables of a sparse file are zero already
    "barrier": "0",  # nothing on it has to survive a power cut
    "noauto_da_alloc": None,  # the same
}
ATTRIBUTES = ATTR_NOSUID | ATTR_NODEV | ATTR_NOATIME


@dataclass(frozen=True, slots=True)
class Image:
    """A file system to copy: its length, and its data by offset."""

    length: int
    blocks: tuple[tuple[int, bytes], ...]

    def copy(self, folder: Path) -> int:
        """Descriptor of a new image without a name in `folder`: it goes away with its user."""
        fd = nameless_file(folder)
        os.ftruncate(fd, self.length)
        for offset, data in self.blocks:
            os.pwrite(fd, data, offset)
        return fd


def nameless_file(folder: Path) -> int:
    return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)


def mount_image(image_fd: int, loops: LoopDevices) -> int:
    """Descriptor of a detached mount of the image."""
    path, device_fd = loops.bind(image_fd)
    try:
        return detached_mount("ext4", path, OPTIONS, ATTRIBUTES)
    finally:
        os.close(device_fd)  # from here on the mount alone keeps the device


def make_image(folder: Path, free_mb: int, loops: LoopDevices) -> Image:
    """An image with `free_mb` to write; raises `SandboxError` where there is no mkfs.ext4."""
    # Inode tables take 1.6 %; the reserve for delayed allocation is 2 %, at most 16 MB.
    length = (free_mb + free_mb * 16 // 1000 + min(free_mb // 50, 16) + 1) * MB
    while True:
        fd = nameless_file(folder)
        try:
            os.ftruncate(fd, length)
            _format(fd)
            missing = free_mb * MB - _settle(fd, loops)
            if missing <= 0:
                return _read(fd)
        finally:
            os.close(fd)
        length += -(-missing * 102 // 100 // MB) * MB  # metadata grows with the size


def _format(image_fd: int) -> None:
    command = ["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-O", "^has_journal,^resize_inode"]
    command += ["-E", "lazy_itable_init=1,nodiscard", f"/proc/self/fd/{image_fd}"]
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    try:
        subprocess.run(
            command, check=True, pass_fds=(image_fd,), capture_output=True, env={"PATH": path}
        )
    except FileNotFoundError:
        raise SandboxError(
            "mkfs.ext4 is not installed, so /tmp cannot be a disk of its own",
            code="NO_MKFS",
            fix="install e2fsprogs",
        ) from None
    except subprocess.CalledProcessError as error:
        raise SandboxError(
            f"mkfs.ext4 failed: {error.stderr.decode(errors='replace').strip()}", code="NO_MKFS"
        ) from None


def _settle(image_fd: int, loops: LoopDevices) -> int:
    """Take lost+found out, which Lambda's /tmp has not; how many bytes can be written."""
    mount_fd = mount_image(image_fd, loops)
    try:
        root = Path(f"/proc/self/fd/{mount_fd}")
        (root / "lost+found").rmdir()
        space = os.statvfs(root)
        return space.f_bavail * space.f_frsize
    finally:
        os.close(mount_fd)


def _read(image_fd: int) -> Image:
    """All pages of an image that are not zero, neighbours joined."""
    length = os.fstat(image_fd).st_size
    blocks: list[tuple[int, bytes]] = []
    position = 0
    while position < length:
        try:
            start = os.lseek(image_fd, position, os.SEEK_DATA)
        except OSError:  # only a hole is left
            break
        position = os.lseek(image_fd, start, os.SEEK_HOLE)
        blocks.extend(_pages(os.pread(image_fd, position - start, start), start))
    return Image(length, tuple(blocks))


def _pages(data: bytes, start: int) -> list[tuple[int, bytes]]:
    kept: list[tuple[int, bytes]] = []
    for offset in range(0, len(data), PAGE):
        page = data[offset : offset + PAGE]
        if not any(page):
            continue
        if kept and kept[-1][0] + len(kept[-1][1]) == start + offset:
            kept[-1] = (kept[-1][0], kept[-1][1] + page)
        else:
            kept.append((start + offset, page))
    return kept
