"""A `/tmp` of its own for each environment: a small ext4 on a loop device, made ahead.

tmpfs pages count as the function's memory (a 128 MB function dies of a 120 MB file); a disk's do
not, and it answers ENOSPC at its size. A disk is a nameless sparse file, a loop device that frees
itself, and a mount attached nowhere: the launcher attaches it by descriptor, and when the server is
killed nothing remains. No disk is used twice. Needs root; otherwise the launcher mounts a tmpfs.
"""

from __future__ import annotations

import errno
import fcntl
import os
import queue
import struct
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from lambent.errors import SandboxError
from lambent.sandbox.instance import Instance
from lambent.sandbox.loop_device import LoopDevices
from lambent.sandbox.spec import Feature
from lambent.sandbox.tmpdisk_image import Image, make_image, mount_image

EXT4_IOC_SHUTDOWN = 0x8004587D
SHUTDOWN_NO_FLUSH = struct.pack("=I", 2)
DEFAULT_MB = 512
FEATURE = "/tmp limit"  # noqa: S108  a name to read, not a path
SIZES_AHEAD = 4
"""For how many sizes, the last asked for, disks are made ahead."""


class TmpDisk:
    """One environment's /tmp: `mount_fd` is to be attached in its mount namespace, once.

    The server keeps its copy until `release`, which therefore ends the disk at once.
    """

    __slots__ = ("_empty", "_released", "mount_fd", "size_mb")

    def __init__(self, mount_fd: int, size_mb: int) -> None:
        self.mount_fd = mount_fd
        self.size_mb = size_mb
        self._empty = self._room()
        self._released = False

    @property
    def path(self) -> Path:
        """Its root as the server sees it, while it is open."""
        return Path(f"/proc/self/fd/{self.mount_fd}")

    def _room(self) -> tuple[int, int]:
        """Free blocks, those that wait to be written taken off, and inodes."""
        free = os.fstatvfs(self.mount_fd)
        return free.f_bfree, free.f_ffree

    def give_to(self, uid: int, gid: int) -> None:
        os.chown(self.path, uid, gid)
        self.path.chmod(0o1777)

    def release(self) -> None:
        """Throw the disk away; call it once the sandbox is gone. Takes milliseconds. Idempotent."""
        if self._released:
            return
        self._released = True
        if self._room() != self._empty:
            self._abandon()
        os.close(self.mount_fd)

    def _abandon(self) -> None:
        """Or the unmount would first write everything out that is thrown away after it.

        It costs more than the unmount of an empty disk: the kernel tells its console.
        """
        with suppress(OSError):
            root_fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.ioctl(root_fd, EXT4_IOC_SHUTDOWN, SHUTDOWN_NO_FLUSH)
            finally:
                os.close(root_fd)


class TmpDisks:
    """The disks of one server. `take` and `release` may be called from any thread."""

    def __init__(self, instance: Instance, *, ahead: int = 2) -> None:
        self._folder = instance.disks_dir
        self._ahead = ahead
        self._loops: LoopDevices | None = None
        self._images: dict[int, Image] = {}
        self._ready: OrderedDict[int, list[TmpDisk]] = OrderedDict()
        self._lock = threading.Lock()
        self._image_lock = threading.Lock()
        self._orders: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._missing = "not opened"
        self._fix = ""

    @property
    def available(self) -> bool:
        return not self._missing

    def open(self) -> None:
        """Try a disk for real, then start the thread that makes them ahead."""
        self._missing, self._fix = "", ""
        if os.geteuid() != 0:
            self._missing, self._fix = "loop devices need root", "run as root"
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._loops = LoopDevices(self._folder / "nodes")
            self._make(DEFAULT_MB).release()
        except SandboxError as error:
            self._missing, self._fix = str(error), error.fix
        except OSError as error:
            self._missing = f"no ext4 disk can be mounted: {error}"
            self._fix = "the kernel needs the loop and ext4 modules; a container, --privileged"
        if self._missing:
            self._close_loops()
            return
        self._thread = threading.Thread(target=self._refill, name="tmpdisks", daemon=True)
        self._thread.start()
        self._order(DEFAULT_MB)

    def take(self, size_mb: int, uid: int, gid: int) -> TmpDisk | None:
        """An empty disk that belongs to `uid`:`gid`; None where there are none (use a tmpfs).

        Raises `SandboxError` when this one cannot be made, for example for want of loop devices.
        """
        if not self.available:
            return None
        with self._lock:
            ready = self._ready.get(size_mb)
            disk = ready.pop() if ready else None
        self._order(size_mb)
        if disk is None:
            disk = self._make_or_explain(size_mb)
        disk.give_to(uid, gid)
        return disk

    def close(self) -> None:
        """End the thread and the disks that nobody took. Those that were taken stay theirs."""
        if self._thread is not None:
            self._orders.put(None)
            self._thread.join()
            self._thread = None
        with self._lock:
            spare = [disk for disks in self._ready.values() for disk in disks]
            self._ready.clear()
        for disk in spare:
            disk.release()
        self._close_loops()
        self._missing = self._missing or "closed"

    def feature(self) -> Feature:
        """Whether /tmp is limited without counting as memory, for `lambent up` and `doctor`."""
        if self.available:
            return Feature(FEATURE, enforced=True, how="ext4 on a loop device")
        return Feature(
            FEATURE,
            enforced=False,
            how="tmpfs",
            missing=f"what is in /tmp counts as memory of the function: {self._missing}",
            fix=self._fix,
        )

    def _make(self, size_mb: int) -> TmpDisk:
        assert self._loops is not None
        with self._image_lock:
            image = self._images.get(size_mb)
            if image is None:
                image = self._images[size_mb] = make_image(self._folder, size_mb, self._loops)
        image_fd = image.copy(self._folder)
        try:
            return TmpDisk(mount_image(image_fd, self._loops), size_mb)
        finally:
            os.close(image_fd)

    def _make_or_explain(self, size_mb: int) -> TmpDisk:
        try:
            return self._make(size_mb)
        except OSError as error:
            fix = "free disk space in the data folder" if error.errno == errno.ENOSPC else ""
            raise SandboxError(
                f"no /tmp disk of {size_mb} MB could be made: {error}",
                code="TMPDISK_FAILED",
                fix=fix
                or "see `losetup -a` for who uses loop devices, or start fewer environments",
            ) from error

    def _order(self, size_mb: int) -> None:
        if self._ahead:
            self._orders.put(size_mb)

    def _refill(self) -> None:
        """The thread: after each `take` of a size, bring it back to `ahead` disks."""
        while (size_mb := self._orders.get()) is not None:
            for old in self._remember(size_mb):
                old.release()
            while self._wants(size_mb):
                try:
                    disk = self._make(size_mb)
                except (OSError, SandboxError):
                    break  # `take` meets the same error and explains it to its caller
                with self._lock:
                    self._ready[size_mb].append(disk)

    def _wants(self, size_mb: int) -> bool:
        with self._lock:
            return len(self._ready[size_mb]) < self._ahead

    def _remember(self, size_mb: int) -> list[TmpDisk]:
        """Note the size as last used; the disks of a size that nobody asks for any more."""
        with self._lock:
            self._ready.setdefault(size_mb, [])
            self._ready.move_to_end(size_mb)
            if len(self._ready) <= SIZES_AHEAD:
                return []
            return self._ready.popitem(last=False)[1]

    def _close_loops(self) -> None:
        if self._loops is not None:
            self._loops.close()
            self._loops = None
