"""Where a signature stands in a zip: one stored entry, the last of all, that moves no other byte.

A signed package is the unsigned one with the entry put between its last file and its central
directory, and counted there. So the unsigned one can be made again to the byte, and its digest
covers every byte that any reader of zips may look at: what was changed, appended, put in front or
hidden behind a second directory has another digest. A package must be plain for that: no zip64, no
comment, nothing before or behind it.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
import zlib
from typing import Final, NamedTuple, TypeAlias

NAME: Final = "META-INF/lambent_signature_v1.sig"
MAX_STATEMENT: Final = 2_048
"""Bytes of a statement; they have about 600."""

_END: Final = struct.Struct("<4s4H2LH")
_CENTRAL: Final = struct.Struct("<4s4B4H3L5H2L")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_DATE: Final = 33
"""1980-01-01, the first day of MS-DOS: packages are reproducible."""
_CHUNK: Final = 1 << 20

Data: TypeAlias = "bytes | mmap.mmap"


class NotPlainError(Exception):
    """The zip has a form that cannot be signed; the text says which."""


class _Directory(NamedTuple):
    start: int
    end: int
    entries: int


class Signed(NamedTuple):
    """A signed package's parts; its last entry is exactly what `append` makes of the statement."""

    statement: bytes
    unsigned_sha384: str


def append(package: bytes, statement: bytes) -> bytes:
    """The package with its signature."""
    directory = _directory(package)
    if NAME.encode() in package[directory.start : directory.end]:
        raise NotPlainError(f"it has a {NAME} already")
    return (
        package[: directory.start]
        + _local(statement)
        + package[directory.start : directory.end]
        + _central(statement, directory.start)
        + _end(directory, statement)
    )


def digest(package: bytes) -> str:
    """What a statement about an unsigned package says of it; raises where `append` would."""
    _directory(package)
    return hashlib.sha384(package).hexdigest()


def split(data: Data) -> Signed | None:
    """The signature and the digest of what was signed; None where the form is not `append`'s."""
    try:
        directory = _directory(data)
    except NotPlainError:
        return None
    entry_size = _CENTRAL.size + len(NAME)
    entry_at = directory.end - entry_size
    if directory.entries < 1 or entry_at < directory.start:
        return None
    fields = _CENTRAL.unpack_from(data, entry_at)
    if fields[0] != b"PK\x01\x02":
        return None
    size, signature_at = int(fields[11]), int(fields[18])
    content_at = signature_at + _LOCAL.size + len(NAME)
    if size > MAX_STATEMENT or content_at + size != directory.start:
        return None
    statement = bytes(data[content_at : content_at + size])
    before = _Directory(
        signature_at, signature_at + entry_at - directory.start, directory.entries - 1
    )
    made = (
        bytes(data[signature_at:content_at]) == _local(statement)[: _LOCAL.size + len(NAME)]
        and bytes(data[entry_at : directory.end]) == _central(statement, signature_at)
        and bytes(data[directory.end :]) == _end(before, statement)
    )
    if not made:
        return None
    hashed = hashlib.sha384()
    for start, end in ((0, signature_at), (directory.start, entry_at)):
        for at in range(start, end, _CHUNK):
            hashed.update(data[at : min(end, at + _CHUNK)])
    hashed.update(_end_of(before.entries, before.end - before.start, before.start))
    return Signed(statement, hashed.hexdigest())


def _directory(data: Data) -> _Directory:
    """Of a plain zip."""
    at = len(data) - _END.size
    if at < 0 or data[at : at + 4] != b"PK\x05\x06":
        raise NotPlainError("it is no zip, or has a comment, or something stands behind it")
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack_from(data, at)
    if disk or first_disk or here != count or comment:
        raise NotPlainError("it has a comment or spans several disks")
    if count >= 0xFFFE or 0xFFFFFFFF in {size, offset}:
        raise NotPlainError("it is a zip64")
    if offset + size != at:
        raise NotPlainError("something stands before it or around its central directory")
    return _Directory(offset, at, count)


def _local(statement: bytes) -> bytes:
    name, size = NAME.encode(), len(statement)
    head = _LOCAL.pack(
        b"PK\x03\x04", 20, 0, 0, 0, _DATE, zlib.crc32(statement), size, size, len(name), 0
    )
    return head + name + statement


def _central(statement: bytes, offset: int) -> bytes:
    name, size = NAME.encode(), len(statement)
    unix, mode = 3, 0o100644 << 16
    head = _CENTRAL.pack(
        b"PK\x01\x02", 20, unix, 20, 0, 0, 0, 0, _DATE, zlib.crc32(statement), size, size,
        len(name), 0, 0, 0, 0, mode, offset,
    )  # fmt: skip
    return head + name


def _end(before: _Directory, statement: bytes) -> bytes:
    """Of the signed package, from the unsigned one's directory."""
    return _end_of(
        before.entries + 1,
        before.end - before.start + _CENTRAL.size + len(NAME),
        before.start + len(_local(statement)),
    )


def _end_of(count: int, size: int, offset: int) -> bytes:
    return _END.pack(b"PK\x05\x06", 0, 0, count, count, size, offset, 0)
