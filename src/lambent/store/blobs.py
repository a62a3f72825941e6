"""Bytes on disk under names of our own choosing: what the objects of buckets are made of.

    <root>/<name>     whole and flushed
    <root>/incoming/  half-made; emptied at every start

A blob is flushed and renamed into place before its name is given out, so whoever writes the name
down may rely on it after `kill -9` or a power cut. Nothing here knows what a blob is for.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

_PART: int = 1 << 20


class Blob(NamedTuple):
    """One that has been written."""

    name: str
    size: int
    md5: str
    """Hexadecimal."""


class Blobs:
    """The store below `root`. Methods block."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"

    def open(self, keep: Iterable[str]) -> None:
        """Make the folders; what is half-made, or not among `keep`, goes."""
        self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self._incoming.iterdir():
            left.unlink()
        kept = {*keep, self._incoming.name}
        for file in self._root.iterdir():
            if file.name not in kept:
                file.unlink()

    def path(self, name: str) -> Path:
        return self._root / name

    def put(self, data: bytes) -> Blob:
        return self._write([data])

    def join(self, names: Iterable[str]) -> Blob:
        """A new blob of the bytes of others, which stay."""
        return self._write(part for name in names for part in self.parts(name))

    def parts(self, name: str, start: int = 0, length: int | None = None) -> Iterable[bytes]:
        """From `start`, a megabyte at a time."""
        with self.path(name).open("rb") as file:
            file.seek(start)
            left = length
            while part := file.read(_PART if left is None else min(_PART, left)):
                yield part
                if left is not None:
                    left -= len(part)

    def delete(self, name: str) -> None:
        """Also when it is gone already."""
        self.path(name).unlink(missing_ok=True)

    def _write(self, parts: Iterable[bytes]) -> Blob:
        name = uuid.uuid4().hex
        staged = self._incoming / name
        digest, size = hashlib.md5(usedforsecurity=False), 0
        try:
            with staged.open("xb") as file:
                for part in parts:
                    file.write(part)
                    digest.update(part)
                    size += len(part)
                _flush(file)
            staged.replace(self.path(name))
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return Blob(name, size, digest.hexdigest())


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
