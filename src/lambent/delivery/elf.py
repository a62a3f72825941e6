"""Empties the symbol and debug tables of shared libraries, in place.

Compiled wheels are shipped with tables that no loader reads. Removing them moves bytes about, and
`strip` is known to break libraries that auditwheel has patched; filling them with zeros changes no
offset, and zeros deflate to nothing. It saves 2 MB of scikit-learn's zip, which decides whether it
fits into a direct upload. Bytes of a loaded segment are never touched, whatever the tables say.
"""

from __future__ import annotations

import struct
from typing import Final

_SYMBOLS: Final = 2
_STRINGS: Final = 3
_NO_BITS: Final = 8
_ALLOCATED: Final = 0x2
_LOAD: Final = 1
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_SEGMENT: Final = struct.Struct("<IIQQQQQQ")


def blank_symbols(data: bytes) -> bytes:
    """`data` with unloaded tables zeroed; anything but a sane 64-bit little-endian ELF as it is."""
    if data[:6] != b"\x7fELF\x02\x01" or len(data) < 64:
        return data
    segments_at, sections_at = struct.unpack_from("<QQ", data, 0x20)
    segment_size, segments, size, count, names = struct.unpack_from("<HHHHH", data, 0x36)
    if (size, segment_size) != (_SECTION.size, _SEGMENT.size) or names >= count:
        return data
    if max(sections_at + count * size, segments_at + segments * segment_size) > len(data):
        return data
    loaded = [
        (offset, offset + length)
        for kind, _, offset, _, _, length, *_ in (
            _SEGMENT.unpack_from(data, segments_at + i * segment_size) for i in range(segments)
        )
        if kind == _LOAD
    ]
    sections = [_SECTION.unpack_from(data, sections_at + i * size) for i in range(count)]
    blank = bytearray(data)
    for index, section in enumerate(sections):
        start, end = section[4], section[4] + section[5]
        free = end <= len(data) and all(end <= low or start >= high for low, high in loaded)
        if index != names and free and _is_table(section, _name(data, sections[names], section[0])):
            blank[start:end] = bytes(end - start)
    return bytes(blank)


def _is_table(section: tuple[int, ...], name: bytes) -> bool:
    kind, flags = section[1], section[2]
    if flags & _ALLOCATED or kind == _NO_BITS:
        return False
    return kind in {_SYMBOLS, _STRINGS} or name.startswith((b".debug_", b".zdebug_"))


def _name(data: bytes, names: tuple[int, ...], at: int) -> bytes:
    start = names[4] + at
    return data[start : data.find(b"\0", start)]
