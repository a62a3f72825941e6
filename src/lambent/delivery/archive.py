"""Reproducible zip files: the same entries give the same bytes.

Names are sorted, times are 1980-01-01, modes are 0644 or 0755. `zipfile` cannot copy an entry that
is already deflated, and deflating scikit-learn takes ten seconds, so entries are kept deflated:
`dependencies` caches them and a second deploy only writes headers.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lambent.delivery.problem import Problem

LEVEL = 6  # 9 takes more than twice the time for half a percent
MAX_ENTRIES = 65_535  # past it zip64 would be needed, far past what Lambda unpacks

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_DATE = 0x21  # 1980-01-01, the first day that a zip can name
_UTF8 = 0x800


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, already in the form in which the zip holds it."""

    name: str
    """Relative, with slashes."""
    data: bytes
    """Deflated (raw) when `deflated`, else as it is."""
    deflated: bool
    crc: int
    raw_size: int
    executable: bool = False


def pack(name: str, raw: bytes, *, executable: bool = False) -> Entry:
    """An entry for `raw`, deflated when that makes it smaller."""
    deflater = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
    small = deflater.compress(raw) + deflater.flush()
    deflated = len(small) < len(raw)
    return Entry(name, small if deflated else raw, deflated, zlib.crc32(raw), len(raw), executable)


def pack_all(files: Sequence[tuple[str, bytes, bool]]) -> list[Entry]:
    """`(name, raw, executable)` packed on all cores; zlib works without the interpreter's lock."""
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return list(pool.map(lambda f: pack(f[0], f[1], executable=f[2]), files))


def write(entries: Iterable[Entry]) -> bytes:
    """The zip. Later entries replace earlier ones of the same name."""
    by_name = {entry.name: entry for entry in entries}
    if len(by_name) > MAX_ENTRIES:
        raise Problem(
            "PACKAGE_TOO_MANY_FILES",
            f"the package holds {len(by_name)} files; a zip without extensions holds {MAX_ENTRIES}",
            fix="exclude what the function does not need in .lambentignore",
        )
    body = io.BytesIO()
    directory = io.BytesIO()
    for name in sorted(by_name):
        entry = by_name[name]
        offset = body.tell()
        raw_name = name.encode()
        method = zipfile.ZIP_DEFLATED if entry.deflated else zipfile.ZIP_STORED
        sizes = (entry.crc, len(entry.data), entry.raw_size, len(raw_name))
        body.write(_LOCAL.pack(0x04034B50, 20, _UTF8, method, 0, _DATE, *sizes, 0))
        body.write(raw_name)
        body.write(entry.data)
        mode = 0o100755 if entry.executable else 0o100644
        directory.write(
            _CENTRAL.pack(
                0x02014B50,
                (3 << 8) | 20,  # made on Unix, so that the mode counts
                20,
                _UTF8,
                method,
                0,
                _DATE,
                *sizes,
                0,
                0,
                0,
                0,
                mode << 16,
                offset,
            )
        )
        directory.write(raw_name)
    start = body.tell()
    body.write(directory.getvalue())
    count = len(by_name)
    body.write(_END.pack(0x06054B50, 0, 0, count, count, directory.tell(), start, 0))
    return body.getvalue()


def read(data: bytes) -> list[Entry]:
    """The entries of a zip that `write` made, without inflating them."""
    entries = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            fields = _LOCAL.unpack_from(data, info.header_offset)
            start = info.header_offset + _LOCAL.size + fields[9] + fields[10]
            entries.append(
                Entry(
                    info.filename,
                    data[start : start + info.compress_size],
                    info.compress_type == zipfile.ZIP_DEFLATED,
                    info.CRC,
                    info.file_size,
                    bool(info.external_attr >> 16 & 0o100),
                )
            )
    return entries
