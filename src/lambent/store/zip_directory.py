"""Read a zip's central directory, one entry at a time, without believing a word of it.

The standard library's `zipfile` makes an object for every entry before anyone can count them; a
50 MB upload may hold a million. This reader yields entries from a mapping of the file and leaves
it to the caller to stop. Follows PKWARE's APPNOTE 4.3 and 4.4, with zip64; `unpack.py` applies the
rules and writes the files.
"""

from __future__ import annotations

import calendar
import mmap
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass

STORED, DEFLATED = 0, 8

_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s4B4H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_COMMENT = 0xFFFF
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1 | 0x40


class BadZipError(Exception):
    """Not a zip, or one that cannot be unpacked safely; the text is for the log, not for clients."""


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    method: int
    flags: int
    crc: int
    packed_size: int
    size: int
    mode: int
    """Unix mode, or 0 where the zip was made without."""
    modified_s: int
    offset: int
    """Where the local header stands in the file."""

    @property
    def encrypted(self) -> bool:
        return bool(self.flags & _ENCRYPTED)

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/") or stat.S_ISDIR(self.mode)


def entries(data: mmap.mmap) -> Iterator[Entry]:
    """The entries in the order of the central directory; raises `BadZipError` where it is broken."""
    start, end, shift = _locate(data)
    position = start
    while position < end:
        if position + _CENTRAL.size > end:
            raise BadZipError("the central directory is cut off")
        fields = _CENTRAL.unpack_from(data, position)
        if fields[0] != b"PK\x01\x02":
            raise BadZipError("the central directory holds something else")
        name_size, extra_size, comment_size = fields[12:15]
        name_at = position + _CENTRAL.size
        position = name_at + name_size + extra_size + comment_size
        if position > end:
            raise BadZipError("an entry reaches past the central directory")
        name = bytes(data[name_at : name_at + name_size])
        extra = bytes(data[name_at + name_size : name_at + name_size + extra_size])
        yield _entry(fields, name, extra, shift)


def data_offset(data: mmap.mmap, entry: Entry) -> int:
    """Where the entry's packed bytes begin; the local header has lengths of its own."""
    if entry.offset < 0 or entry.offset + _LOCAL.size > len(data):
        raise BadZipError("a local header lies outside of the file")
    fields = _LOCAL.unpack_from(data, entry.offset)
    if fields[0] != b"PK\x03\x04":
        raise BadZipError("a local header is missing")
    start = entry.offset + _LOCAL.size + int(fields[9]) + int(fields[10])
    if start + entry.packed_size > len(data):
        raise BadZipError("an entry reaches past the end of the file")
    return start


def _locate(data: mmap.mmap) -> tuple[int, int, int]:
    """Start and end of the central directory, and how far the zip is shifted inside the file."""
    at = data.rfind(b"PK\x05\x06", max(0, len(data) - _END.size - _MAX_COMMENT))
    if at < 0 or at + _END.size > len(data):
        raise BadZipError("no end of central directory")
    _, disk, first_disk, here, count, size, offset, _ = _END.unpack_from(data, at)
    if disk or first_disk or here != count:
        raise BadZipError("the zip spans several disks")
    end = at
    if 0xFFFF in {here, count} or 0xFFFFFFFF in {size, offset}:
        end, size, offset = _locate64(data, at, size, offset)
    start = end - size
    # What precedes the zip in the file, as in a self-extracting archive, shifts every offset.
    if start < 0 or start < offset:
        raise BadZipError("the central directory lies outside of the file")
    return start, end, start - offset


def _locate64(data: mmap.mmap, at: int, size: int, offset: int) -> tuple[int, int, int]:
    locator_at = at - _END64_LOCATOR.size
    if locator_at < 0 or data[locator_at : locator_at + 4] != b"PK\x06\x07":
        return at, size, offset  # exactly 65,535 entries, and no zip64
    end64_at = locator_at - _END64.size
    if end64_at < 0 or data[end64_at : end64_at + 4] != b"PK\x06\x06":
        raise BadZipError("no zip64 end of central directory")
    fields = _END64.unpack_from(data, end64_at)
    return end64_at, int(fields[8]), int(fields[9])


def _entry(fields: tuple[int, ...], name: bytes, extra: bytes, shift: int) -> Entry:
    flags, method, time, date = fields[5], fields[6], fields[7], fields[8]
    crc, packed_size, size = fields[9], fields[10], fields[11]
    attributes, offset = fields[17], fields[18]
    modified_s = _dos_time(date, time)
    for kind, body in _extras(extra):
        if kind == 0x0001:
            size, packed_size, offset = _zip64(body, size, packed_size, offset)
        elif kind == 0x5455 and len(body) >= 5 and body[0] & 1:
            modified_s = int.from_bytes(body[1:5], "little", signed=True)
    return Entry(
        name=_decode_name(name, flags),
        method=method,
        flags=flags,
        crc=crc,
        packed_size=packed_size,
        size=size,
        mode=attributes >> 16,
        modified_s=max(0, modified_s),
        offset=offset + shift,
    )


def _extras(extra: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, position)
        yield kind, extra[position + 4 : position + 4 + size]
        position += 4 + size


def _zip64(body: bytes, size: int, packed_size: int, offset: int) -> tuple[int, int, int]:
    """Only the values that did not fit stand in the extra field, in this order."""
    values = [size, packed_size, offset]
    position = 0
    for index, value in enumerate(values):
        if value == 0xFFFFFFFF:
            if position + 8 > len(body):
                raise BadZipError("a zip64 field is cut off")
            values[index] = int.from_bytes(body[position : position + 8], "little")
            position += 8
    return values[0], values[1], values[2]


def _decode_name(name: bytes, flags: int) -> str:
    """UTF-8 where it says so and where it happens to be (zips made on Linux), else code page 437."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        if flags & _UTF8_NAME:
            raise BadZipError("a name is not UTF-8") from None
        return name.decode("cp437")


def _dos_time(date: int, time: int) -> int:
    """MS-DOS time read as UTC; what is out of range is clamped rather than refused."""
    year, month = 1980 + (date >> 9), max(1, min(12, date >> 5 & 15))
    day = max(1, min(calendar.monthrange(year, month)[1], date & 31))
    return calendar.timegm((year, month, day, time >> 11, time >> 5 & 63, (time & 31) * 2))
