"""Layers as they are written: the same files give the same bytes.

Names are sorted, every file belongs to root, has mode 0644 or 0755 and one time for all, and gzip
says nothing of when it ran. Only the folder that files go into, and what is below it, stands in the
tar: what is above belongs to the layers beneath, where it may be a link.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import posixpath
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

GZIP_LEVEL: Final = 6
GZIP_MAGIC: Final = b"\x1f\x8b"
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class File:
    """A file, or a link, of a layer."""

    name: str
    """Relative to the folder that the layer fills, with slashes."""
    content: bytes | Path
    executable: bool = False
    link: str = ""
    """Where it leads, of a symbolic link; `content` is not looked at then."""


@dataclass(frozen=True, slots=True)
class Written:
    """A layer on disk."""

    path: Path
    digest: str
    """sha256 in hexadecimal of the file."""
    diff_id: str
    """The same of the tar in it."""
    size: int
    unpacked: int
    """Bytes of the files in it."""


class _Counted:
    """Passes on what is written, and its checksum."""

    def __init__(self, to: IO[bytes]) -> None:
        self._to = to
        self.sum = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.sum.update(data)
        self.size += len(data)
        return self._to.write(data)

    def flush(self) -> None:
        self._to.flush()


def write(
    files: Iterable[File], folder: str, to: Path, *, time_s: int = 0, level: int = GZIP_LEVEL
) -> Written:
    """A gzipped tar of `files` below `folder` of the image. Later files win over earlier ones."""
    top = posixpath.normpath(f"/{folder}").strip("/")
    by_name = {f"{top}/{file.name}" if top else file.name: file for file in files}
    folders = {parent for name in by_name for parent in _parents(name) if parent.startswith(top)}
    unpacked = 0
    with to.open("wb") as raw:
        outer = _Counted(raw)
        with gzip.GzipFile("", "wb", level, outer, mtime=0) as zipped:
            inner = _Counted(zipped)  # type: ignore[arg-type]  # the same
            with tarfile.open(fileobj=inner, mode="w|", format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]  # the same
                for name in sorted({*by_name, *folders}):
                    file = by_name.get(name)
                    unpacked += _add(archive, name, file, time_s)
    return Written(to, outer.sum.hexdigest(), inner.sum.hexdigest(), outer.size, unpacked)


def _add(archive: tarfile.TarFile, name: str, file: File | None, time_s: int) -> int:
    info = tarfile.TarInfo(name)
    info.mtime = time_s
    if file is None:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(info)
        return 0
    if file.link:
        info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, file.link
        archive.addfile(info)
        return 0
    info.mode = 0o755 if file.executable else 0o644
    if isinstance(file.content, bytes):
        info.size = len(file.content)
        archive.addfile(info, io.BytesIO(file.content))
        return info.size
    # What was checked is what is read: no link that has come there since.
    fd = os.open(file.content, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(fd, "rb") as source:
        info.size = os.fstat(fd).st_size
        archive.addfile(info, source)
    return info.size


def _parents(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[: at + 1]) for at in range(len(parts))]


def compress(source: IO[bytes], to: Path) -> Written:
    """A layer of a form that has no digests, such as a docker archive's: its tar, gzipped."""
    head = source.read(2)
    source.seek(0)
    stream = cast(IO[bytes], gzip.GzipFile(fileobj=source)) if head == GZIP_MAGIC else source
    with to.open("wb") as raw:
        outer = _Counted(raw)
        with gzip.GzipFile("", "wb", GZIP_LEVEL, outer, mtime=0) as zipped:
            inner = _Counted(zipped)  # type: ignore[arg-type]  # the same
            while chunk := stream.read(_CHUNK):
                inner.write(chunk)
    return Written(to, outer.sum.hexdigest(), inner.sum.hexdigest(), outer.size, inner.size)
