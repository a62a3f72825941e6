"""Zips that are meant well are kept as they are; zips that are not, are refused, whole."""

from __future__ import annotations

import io
import mmap
import os
import resource
import stat
import struct
import subprocess
import sys
import zipfile
import zlib

import pytest

from lambent.store.unpack import EmptyZipError, TooLargeError, unpack
from lambent.store.zip_directory import BadZipError, entries


def link(name, target):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target


def special(name, kind):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | 0o666) << 16
    return info, ""


def with_mode(name, mode, text="x"):
    info = zipfile.ZipInfo(name, (2024, 5, 6, 7, 8, 10))
    info.create_system = 3
    info.external_attr = (stat.S_IFREG | mode) << 16
    return info, text


@pytest.fixture
def attempt(tmp_path):
    """Unpack entries or raw bytes below tmp_path/inner/tree; returns the tree."""
    outside = tmp_path / "inner"
    tree = outside / "tree"
    tree.mkdir(parents=True)

    def run(*entries, raw=None, method=zipfile.ZIP_DEFLATED):
        package = tmp_path / "package.zip"
        if raw is None:
            with zipfile.ZipFile(package, "w", method) as made:
                for name, text in entries:
                    made.writestr(name, text)
        else:
            package.write_bytes(raw)
        try:
            unpack(package, tree)
        finally:
            assert sorted(p.name for p in outside.iterdir()) == ["tree"]
            assert sorted(p.name for p in tmp_path.iterdir()) == ["inner", "package.zip"]
        return tree

    return run


def test_files_folders_modes_links_and_times_are_kept(attempt):
    previous = os.umask(0o077)
    try:
        tree = attempt(
            with_mode("app.py", 0o600, "print()"),
            with_mode("bin/tool", 0o700, "#!"),
            ("pkg/", ""),
            ("pkg/deep/er.txt", b"\xff" * 700_000),
            link("current.py", "app.py"),
            link("bin/up", "../pkg/deep/er.txt"),
            link("bin/dangling", "../nowhere"),
        )
    finally:
        os.umask(previous)
    assert stat.S_IMODE(tree.stat().st_mode) == 0o755
    assert stat.S_IMODE((tree / "app.py").stat().st_mode) == 0o644
    assert stat.S_IMODE((tree / "bin/tool").stat().st_mode) == 0o755
    assert stat.S_IMODE((tree / "pkg/deep").stat().st_mode) == 0o755
    assert (tree / "pkg/deep/er.txt").read_bytes() == b"\xff" * 700_000
    assert str((tree / "current.py").readlink()) == "app.py"
    assert str((tree / "bin/up").readlink()) == "../pkg/deep/er.txt"
    assert (tree / "app.py").stat().st_mtime == 1714979290  # 2024-05-06 07:08:10 UTC


def test_stored_entries_and_dotted_names(attempt):
    tree = attempt(("./a.txt", "a"), ("b//c.txt", "c"), method=zipfile.ZIP_STORED)
    assert (tree / "a.txt").read_text() == "a"
    assert (tree / "b/c.txt").read_text() == "c"


def test_names_beyond_ascii(attempt):
    assert (attempt(("grüße/模型.txt", "x")) / "grüße/模型.txt").exists()


def test_a_zip_behind_other_bytes(attempt):
    made = io.BytesIO(b"#!/bin/sh\n")
    made.seek(0, io.SEEK_END)
    with zipfile.ZipFile(made, "a") as z:
        z.writestr("a", "hello" * 100)
    assert (attempt(raw=made.getvalue()) / "a").read_text() == "hello" * 100


def test_zip64_sizes(attempt):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as z, z.open("big", "w", force_zip64=True) as f:
        f.write(b"y" * 10)
    assert (attempt(raw=made.getvalue()) / "big").read_bytes() == b"y" * 10


@pytest.mark.slow
def test_zip64_counts(tmp_path):
    package = tmp_path / "z"
    with zipfile.ZipFile(package, "w") as z:
        for n in range(65_600):
            z.writestr(f"d/{n}", b"")
    with package.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        names = [entry.name for entry in entries(data)]
    assert names == [f"d/{n}" for n in range(65_600)]


@pytest.mark.parametrize(
    "attack",
    [
        [("../evil", "x")],
        [("a/../../evil", "x")],
        [("/etc/evil", "x")],
        [("a/..", "x")],
        [link("out", "/etc/passwd")],
        [link("out", "..")],
        [link("out", "../../..")],
        [("d/f", ""), link("d/out", "../../evil")],
        [("a/b/c", ""), link("a/self", "."), link("a/out", "self/../..")],
        [("a/b/c", ""), link("a/b/up", ".."), link("out", "a/b/up/../..")],
        [link("a", "b"), link("b", "a")],
        [link("dir", "."), ("dir/through", "x")],
        [link("dir", "../"), ("dir/through", "x")],
        [("f", "x"), ("f/inside", "x")],
        [("f/inside", "x"), ("f", "x")],
        [("same", "1"), ("./same", "2")],
        [link("same", "x"), ("same", "2")],
        [special("null", stat.S_IFCHR)],
        [special("disk", stat.S_IFBLK)],
        [special("pipe", stat.S_IFIFO)],
        [special("sock", stat.S_IFSOCK)],
        [("n" * 256, "x")],
        [("d/" * 2_100 + "f", "x")],
        [link("empty", "")],
        [link("nul", "a\0b")],
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_attacks_are_refused_and_write_nothing_outside(attempt, attack):
    with pytest.raises(BadZipError):
        attempt(*attack)


def simple(name=b"a", data=b"hello world, hello world", **change):
    """A one-entry zip by hand, with any field changed to a lie."""
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packed.compress(data) + packed.flush()
    body = change.get("body", body)
    flags, method = change.get("flags", 0), change.get("method", 8)
    crc, size = change.get("crc", zlib.crc32(data)), change.get("size", len(data))
    packed_size = change.get("packed_size", len(body))
    local = struct.pack(
        "<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 33, crc, packed_size, size, len(name), 0
    )
    central = struct.pack(
        "<4s4B4H3L5H2L", b"PK\1\2", 20, 3, 20, 0, flags, method, 0, 33, crc, packed_size, size,
        len(name), 0, 0, 0, 0, 0o100644 << 16, change.get("offset", 0),
    )  # fmt: skip
    count = change.get("count", 1)
    directory = (central + name) * count
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", change.get("disk", 0), 0, count & 0xFFFF, count & 0xFFFF,
        change.get("directory_size", len(directory)),
        change.get("directory_offset", len(local) + len(name) + len(body)), 0,
    )  # fmt: skip
    return local + name + body + directory + end


def test_the_hand_made_zip_is_good(attempt):
    assert (attempt(raw=simple()) / "a").read_bytes() == b"hello world, hello world"


@pytest.mark.parametrize(
    "raw",
    [
        b"not a zip at all",
        b"PK\5\6",
        simple()[:-1],
        simple()[:60],
        simple()[5:],
        simple(flags=1),
        simple(flags=0x40),
        simple(method=12),
        simple(method=99),
        simple(method=0),
        simple(crc=1),
        simple(size=5),
        simple(size=5_000),
        simple(body=b"\xff\xff\xff\xff"),
        simple(packed_size=10),
        simple(packed_size=100_000),
        simple(offset=7),
        simple(offset=0xFFFFFFF0),
        simple(directory_size=10),
        simple(directory_size=0xFFFFFFF0),
        simple(directory_offset=0xFFFFFFF0),
        simple(disk=1),
        simple(count=2),
        simple(name=b"a\0b"),
        simple(name=b"\xff\xfe", flags=0x800),
    ],
)
def test_broken_zips_are_refused(attempt, raw):
    with pytest.raises(BadZipError):
        attempt(raw=raw)


def test_every_truncation_is_refused(attempt, tmp_path):
    whole = simple()
    for length in range(1, len(whole)):
        with pytest.raises(BadZipError):
            attempt(raw=whole[:length])


def test_every_flipped_byte_is_refused_or_harmless(tmp_path):
    whole = simple(name=b"dir/file")
    for at in range(len(whole)):
        target = tmp_path / f"t{at}"
        target.mkdir()
        package = tmp_path / "z"
        package.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            unpack(package, target)
        except (BadZipError, TooLargeError):
            continue
        for file in target.rglob("*"):
            assert file.is_dir() or file.read_bytes() == b"hello world, hello world"


@pytest.mark.parametrize("raw", [b"", struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0, 0, 0, 0, 0)])
def test_nothing_in_it(attempt, raw):
    with pytest.raises(EmptyZipError):
        attempt(raw=raw)


def test_declared_sizes_are_summed_before_anything_is_written(attempt, tmp_path):
    raw = simple(size=262_144_000)
    with pytest.raises(TooLargeError):
        attempt(raw=raw)
    assert list((tmp_path / "inner/tree").iterdir()) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_byte_below_the_limit_passes(tmp_path):
    for size, fits in ((262_144_000 - 1, True), (262_144_000, False)):
        package, tree = tmp_path / "z", tmp_path / f"tree{size}"
        tree.mkdir()
        with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as z:
            z.writestr("zeros", bytes(size))
        if fits:
            assert unpack(package, tree) == size
            (tree / "zeros").unlink()
        else:
            with pytest.raises(TooLargeError):
                unpack(package, tree)


CAPPED = """
import resource, sys, time
from pathlib import Path
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[3]), int(sys.argv[3])))
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
from lambent.store.unpack import TooLargeError, unpack
from lambent.store.zip_directory import BadZipError, entries
try:
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
except (BadZipError, TooLargeError) as error:
    print(type(error).__name__)
"""


def unpack_capped(package, tree, megabytes=150):
    tree.mkdir()
    child = subprocess.run(
        [sys.executable, "-c", CAPPED, package, tree, str(megabytes * 2**20)],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert child.stderr == ""
    return child.stdout.strip()


@pytest.mark.slow
def test_a_lie_about_the_size_stops_at_the_declared_size(tmp_path):
    package, zeros = tmp_path / "z", bytes(400_000_000)
    package.write_bytes(simple(data=zeros, size=1_000, crc=0))
    del zeros
    assert unpack_capped(package, tmp_path / "tree") == "BadZipError"
    assert sum(f.stat().st_size for f in (tmp_path / "tree").iterdir()) < 1_000_000


@pytest.mark.slow
def test_a_million_entries_in_bounded_memory(tmp_path):
    package = tmp_path / "z"
    names = [b"%06d" % n for n in range(1_000_000)]
    central = struct.Struct("<4s4B4H3L5H2L")
    directory = b"".join(
        central.pack(b"PK\1\2", 20, 3, 20, 0, 0, 8, 0, 33, 0, 2, 0, 6, 0, 0, 0, 0, 0, 0) + name
        for name in names
    )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
    package.write_bytes(directory + end)
    assert unpack_capped(package, tmp_path / "tree") == "BadZipError"


def test_folders_implied_by_long_names_are_counted(tmp_path):
    package = tmp_path / "z"
    with zipfile.ZipFile(package, "w") as z:
        for n in range(200):
            z.writestr(f"{n}/" + "d/" * 1_900 + "f", "")
    assert unpack_capped(package, tmp_path / "tree") == "BadZipError"
    assert list((tmp_path / "tree").iterdir()) == []


def test_links_that_multiply_are_cut_short(tmp_path):
    package = tmp_path / "z"
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a/b", "")
        for n in range(5_000):
            z.writestr(*link(f"a/l{n}", "../a/" * 700 + "b"))
    assert unpack_capped(package, tmp_path / "tree") == "BadZipError"


def test_nothing_here_raised_the_limits_of_this_process():
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY
