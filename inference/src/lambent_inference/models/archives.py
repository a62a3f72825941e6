"""Packages as one file: tar (gzip, bzip2, xz) and zip, unpacked without trust in their contents.

Only plain files are taken, under names that stay in the folder; links, devices and anything that
would grow past the limit are refused. What lies in one folder inside the archive is taken as if it
lay at the top, which is how people pack.
"""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple

from lambent_inference.errors import BrokenPackage
from lambent_inference.models.package import CHUNK, MANIFEST, checked_name

SUFFIXES: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
FILES_MAX: Final = 10_000
BYTES_MAX: Final = 20 << 30


def is_archive(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


class Member(NamedTuple):
    name: str
    size: int
    handle: object


def unpack(archive: Path, folder: Path, *, max_bytes: int = BYTES_MAX) -> None:
    """The archive's files below `folder`; raises BrokenPackage."""
    try:
        with _opened(archive) as (members, reader):
            prefix = _prefix(members)
            _check_total(members, max_bytes)
            for member in members:
                name = member.name.removeprefix(prefix)
                if name != MANIFEST:
                    checked_name(name)
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with reader(member) as source, target.open("xb") as out:
                    _copy(source, out, member.size)
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        raise BrokenPackage(detail=f"{archive.name}: {error}") from error


def _check_total(members: list[Member], max_bytes: int) -> None:
    if len(members) > FILES_MAX:
        raise BrokenPackage(detail=f"more than {FILES_MAX} files")
    if sum(member.size for member in members) > max_bytes:
        raise BrokenPackage(detail=f"unpacks to more than {max_bytes} bytes")


def _copy(source: IO[bytes], out: IO[bytes], size: int) -> None:
    """At most what the archive's directory said."""
    left = size
    while chunk := source.read(min(CHUNK, left + 1)):
        left -= len(chunk)
        if left < 0:
            raise BrokenPackage(detail="a file is larger than its entry says")
        out.write(chunk)


def _prefix(members: list[Member]) -> str:
    """The one folder that everything lies in, if model.json lies there and not at the top."""
    names = {member.name for member in members}
    tops = {name.partition("/")[0] for name in names}
    if MANIFEST not in names and len(tops) == 1 and f"{(top := tops.pop())}/{MANIFEST}" in names:
        return f"{top}/"
    return ""


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[list[Member], _Reader]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            entries = [
                Member(_relative(one.filename), one.file_size, one)
                for one in file.infolist()
                if not one.is_dir()
            ]
            yield entries, _Reader(file)
        return
    with tarfile.open(archive) as tar:
        entries = []
        for one in tar:
            if one.isdir():
                continue
            if not one.isreg():
                raise BrokenPackage(detail=f"{one.name!r} is a link or a device")
            entries.append(Member(_relative(one.name), one.size, one))
            if len(entries) > FILES_MAX:
                raise BrokenPackage(detail=f"more than {FILES_MAX} files")
        yield entries, _Reader(tar)


def _relative(name: str) -> str:
    return name.removeprefix("./")


class _Reader:
    def __init__(self, file: zipfile.ZipFile | tarfile.TarFile) -> None:
        self._file = file

    def __call__(self, member: Member) -> IO[bytes]:
        if isinstance(self._file, zipfile.ZipFile):
            assert isinstance(member.handle, zipfile.ZipInfo)
            return self._file.open(member.handle)
        assert isinstance(member.handle, tarfile.TarInfo)
        found = self._file.extractfile(member.handle)
        if found is None:
            raise BrokenPackage(detail=f"{member.name!r} cannot be read")
        return found


def pack(folder: Path, archive: Path, names: list[str]) -> None:
    """The files of a package as .tar.gz, model.json first and without owners or times."""
    partial = archive.with_name(f".{archive.name}.partial")
    with tarfile.open(partial, "w:gz", compresslevel=6) as tar:
        for name in (MANIFEST, *names):
            entry = tar.gettarinfo(folder / name, name)
            entry.uid = entry.gid = entry.mtime = 0
            entry.uname = entry.gname = ""
            with (folder / name).open("rb") as source:
                tar.addfile(entry, source)
    shutil.move(partial, archive)
