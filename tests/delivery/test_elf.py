import struct
import subprocess
import sys
from pathlib import Path

import httptools.parser.parser as compiled

from lambent.delivery.elf import blank_symbols

LIBRARY = Path(compiled.__file__)


def sections(data: bytes) -> list[tuple[int, int, bytes]]:
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    found = []
    for i in range(count):
        _, kind, flags, _, offset, length = struct.unpack_from("<IIQQQQ", data, table + i * size)
        found.append((kind, flags, data[offset : offset + length]))
    return found


def test_only_what_no_loader_reads_is_emptied() -> None:
    before = LIBRARY.read_bytes()
    after = blank_symbols(before)
    assert len(after) == len(before)
    changed = 0
    for (kind, flags, old), (_, _, new) in zip(sections(before), sections(after), strict=True):
        if old != new and kind != 8:  # a section without bits names bytes of others
            changed += 1
            assert not flags & 2, "an allocated section was touched"
            assert not any(new)
    assert changed or before == after


def test_a_table_of_symbols_is_emptied() -> None:
    names = b"\0.symtab\0.shstrtab\0"
    header = bytearray(64)
    header[:6] = b"\x7fELF\x02\x01"
    symbols = b"S" * 48
    at = 64 + len(names) + len(symbols)
    struct.pack_into("<Q", header, 0x28, at)
    struct.pack_into("<HHHHH", header, 0x36, 56, 0, 64, 3, 2)
    row = struct.Struct("<IIQQQQIIQQ")
    table = row.pack(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    table += row.pack(1, 2, 0, 0, 64 + len(names), len(symbols), 0, 0, 8, 24)
    table += row.pack(9, 3, 0, 0, 64, len(names), 0, 0, 1, 0)
    data = bytes(header) + names + symbols + table
    after = blank_symbols(data)
    assert symbols in data
    assert after == data.replace(symbols, bytes(48))
    assert names in after


def test_the_library_still_loads(tmp_path: Path) -> None:
    copy = tmp_path / LIBRARY.name
    copy.write_bytes(blank_symbols(LIBRARY.read_bytes()))
    script = f"import ctypes; ctypes.PyDLL({str(copy)!r})"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_anything_else_is_left_alone() -> None:
    whole = LIBRARY.read_bytes()
    for data in (b"", b"#!/bin/sh\n", whole[:40], whole[:4096], b"\x7fELF\x01\x01" + bytes(100)):
        assert blank_symbols(data) == data
