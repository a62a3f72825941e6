"""Files of an image that somebody else keeps: opened only if they are files.

A pipe in a file's place would make a server's thread wait for ever, a device could do worse.
"""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

from lambent.images.problem import ImageError


def regular(path: Path) -> BufferedReader:
    """The file, for reading; raises `ImageError` where there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}", "ImageDeleted") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ImageError(f"{path} is no file")
    return os.fdopen(fd, "rb")
