r"""The writer's side of log files: append whole lines, rotate, keep few descriptors open.

Used by the writer thread of `logs.LogStore` alone. A file is one line per event,
`<time_ms> <ingest_ms> <json string>\n`. What was written is never half a line: a write that fails
in the middle (a full disk) is taken back, and a file left torn by `kill -9` gets its newline first.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from lambent.observe.log_paths import ROTATED, SUFFIX, is_cut, name_file

MAX_OPEN = 128
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(slots=True)
class _Open:
    fd: int
    size: int


class LogFiles:
    """Open files by path, least recently used closed first."""

    def __init__(self, max_bytes: int, max_open: int = MAX_OPEN) -> None:
        self._max_bytes = max_bytes
        self._max_open = max_open
        self._open: OrderedDict[Path, _Open] = OrderedDict()

    def append(self, path: Path, lines: bytes, names: tuple[str, str]) -> None:
        """Write all of `lines` or, with an OSError, none of it. `names` are (group, stream)."""
        file = self._get(path, names)
        if file.size and file.size + len(lines) > self._max_bytes:
            file = self._rotate(path, names)
        view = memoryview(lines)
        try:
            while view:
                view = view[os.write(file.fd, view) :]
        except OSError:
            # What was written of it must go; should that fail too, `_open` ends the torn line.
            del self._open[path]
            try:
                os.ftruncate(file.fd, file.size)
            finally:
                os.close(file.fd)
            raise
        file.size += len(lines)

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1].fd)

    def _get(self, path: Path, names: tuple[str, str]) -> _Open:
        file = self._open.get(path)
        if file is not None:
            self._open.move_to_end(path)
            return file
        if len(self._open) >= self._max_open:
            os.close(self._open.popitem(last=False)[1].fd)
        file = self._open[path] = _open(path, names)
        return file

    def _rotate(self, path: Path, names: tuple[str, str]) -> _Open:
        """The file becomes the older one, and replaces the one that was that."""
        os.close(self._open.pop(path).fd)
        path.replace(path.with_name(path.name.removesuffix(SUFFIX) + ROTATED))
        return self._get(path, names)


def _open(path: Path, names: tuple[str, str]) -> _Open:
    try:
        fd = os.open(path, _FLAGS, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _keep_names(path, names)
        fd = os.open(path, _FLAGS, 0o600)
    try:
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            size += os.write(fd, b"\n")
    except BaseException:
        os.close(fd)
        raise
    return _Open(fd, size)


def _keep_names(path: Path, names: tuple[str, str]) -> None:
    for where, name in ((path.parent, names[0]), (path, names[1])):
        if is_cut(where.name):
            name_file(where).write_text(name, encoding="utf-8", errors="surrogatepass")
