"""inotify(7) through ctypes: a descriptor that becomes readable when a folder's content changes.

Which file changed does not matter here: whoever waits looks at the files anyway. Watches are per
folder and not recursive, so `add` is called for every folder, and again for folders that appear.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import Final

# A file counts once it is written and closed, or moved into place; half-written ones do not.
_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
_ATTRIB, _ONLYDIR = 0x4, 0x01000000
_WANTED: Final = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ATTRIB | _ONLYDIR
_IS_FOLDER: Final = 0x40000000
_OVERFLOW: Final = 0x4000
_HEAD: Final = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Inotify:
    """One instance. Raises OSError where the kernel has none, or no watch is free."""

    def __init__(self) -> None:
        if not hasattr(_libc, "inotify_init1"):
            raise OSError("this system has no inotify")
        self._fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")

    def fileno(self) -> int:
        return int(self._fd)

    def add(self, folder: Path) -> None:
        """Watch a folder; one that is watched already, or gone, is fine."""
        if _libc.inotify_add_watch(self._fd, os.fsencode(folder), _WANTED) < 0:
            number = ctypes.get_errno()
            error = OSError(number, os.strerror(number), str(folder))
            if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
                raise error

    def read(self) -> bool:
        """Take every event that is there; whether a folder appeared or events were lost."""
        folders = False
        while True:
            try:
                data = os.read(self._fd, 65_536)
            except BlockingIOError:
                return folders
            offset = 0
            while offset < len(data):
                _, mask, _, length = _HEAD.unpack_from(data, offset)
                offset += _HEAD.size + length
                folders = folders or bool(mask & (_IS_FOLDER | _OVERFLOW))

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
