r"""The writer's side of log files: append whole lines, rotate, keep few descriptors open.

Used by the writer thread of `logs.LogStore` alone. A file is one line per event,
`<time_ms> <ingest_ms> <json string>\n`. What was written is never half a line: a write that fails
in the middle (a full disk) is taken back, and a file left torn by `kill -9` gets its newline first.
"""

from __future__ import annotations

import os
import shutil
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lambent.observe.log_paths import (
    ROTATED,
    SUFFIX,
    is_cut,
    name_file,
    rotated,
    unsorted_mark,
)

MAX_OPEN = 128
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(slots=True)
class _Open:
    fd: int
    size: int


class LogFiles:
    """Open files by path, least recently used closed first.

    `on_folder(folder, group)` hears of every group folder that had to be made.
    """

    def __init__(
        self,
        max_bytes: int,
        max_open: int = MAX_OPEN,
        on_folder: Callable[[Path, str], None] = lambda _folder, _group: None,
    ) -> None:
        self._max_bytes = max_bytes
        self._max_open = max_open
        self._on_folder = on_folder
        self._open: OrderedDict[Path, _Open] = OrderedDict()
        self.written_bytes = 0
        """By this process, of all streams."""

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
        self.written_bytes += len(lines)

    def remove(self, path: Path) -> None:
        """Delete one file, the current or the older of a stream; the next append makes it anew."""
        self._release(path)
        path.unlink(missing_ok=True)
        current = path if path.name.endswith(SUFFIX) else _current(path)
        if not current.exists() and not rotated(current).exists():
            unsorted_mark(current).unlink(missing_ok=True)
            if is_cut(current.name):
                name_file(current).unlink(missing_ok=True)

    def remove_stream(self, path: Path) -> None:
        """All that is kept of the stream whose current file is `path`."""
        self.remove(rotated(path))
        self.remove(path)

    def remove_group(self, folder: Path) -> None:
        for path in [path for path in self._open if path.parent == folder]:
            self._release(path)
        # Moved aside first: a folder that is half deleted would still be taken for the group.
        aside = folder.with_name(f".{folder.name}.gone")
        shutil.rmtree(aside, ignore_errors=True)
        try:
            folder.rename(aside)
        except FileNotFoundError:
            return
        shutil.rmtree(aside)

    def cut_head(self, path: Path, offset: int) -> None:
        """Leave out the first `offset` bytes, which must be whole lines."""
        self._release(path)
        kept = path.with_name(f".{path.name}.kept")
        with path.open("rb") as source, kept.open("wb") as target:
            os.fchmod(target.fileno(), 0o600)
            source.seek(offset)
            shutil.copyfileobj(source, target, 1 << 20)
        stat = path.stat()
        os.utime(kept, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        kept.replace(path)

    def _release(self, path: Path) -> None:
        file = self._open.pop(path, None)
        if file is not None:
            os.close(file.fd)

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
        file = self._open[path] = self._make(path, names)
        return file

    def _make(self, path: Path, names: tuple[str, str]) -> _Open:
        try:
            return _open(path, names)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if is_cut(path.parent.name):
                _keep_name(path.parent, names[0])
            self._on_folder(path.parent, names[0])
            return _open(path, names)

    def _rotate(self, path: Path, names: tuple[str, str]) -> _Open:
        """The file becomes the older one, and replaces the one that was that."""
        os.close(self._open.pop(path).fd)
        path.replace(rotated(path))
        return self._get(path, names)


def _open(path: Path, names: tuple[str, str]) -> _Open:
    fd = os.open(path, _FLAGS, 0o600)
    try:
        size = os.fstat(fd).st_size
        if not size and is_cut(path.name):
            _keep_name(path, names[1])
        if size and os.pread(fd, 1, size - 1) != b"\n":
            size += os.write(fd, b"\n")
    except BaseException:
        os.close(fd)
        raise
    return _Open(fd, size)


def _keep_name(where: Path, name: str) -> None:
    name_file(where).write_text(name, encoding="utf-8", errors="surrogatepass")


def _current(older: Path) -> Path:
    return older.with_name(older.name.removesuffix(ROTATED) + SUFFIX)
