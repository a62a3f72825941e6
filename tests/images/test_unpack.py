"""Layers laid on each other, and layers made to break out: nothing lands outside the folder."""

import gzip
import hashlib
import io
import os
import stat
import tarfile

import pytest

from lambent.images import unpack as unpacking
from lambent.images.manifest import Config, Image, Layer
from lambent.images.problem import ImageError


def entry(name, kind=tarfile.REGTYPE, **more):
    made = tarfile.TarInfo(name)
    made.type = kind
    made.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in more.items():
        setattr(made, key, value)
    return made


def file(name, text=b"x", **more):
    return entry(name, size=len(text), **more), text


def folder(name, **more):
    return entry(name, tarfile.DIRTYPE, **more), b""


def link(name, target):
    return entry(name, tarfile.SYMTYPE, linkname=target), b""


def hard(name, target):
    return entry(name, tarfile.LNKTYPE, linkname=target), b""


@pytest.fixture
def lay(tmp_path):
    """Unpack layers given as lists of entries; the root."""

    def make(*layers, limit=1 << 20):
        found = []
        for number, entries in enumerate(layers):
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
                for header, text in entries:
                    archive.addfile(header, io.BytesIO(text))
            path = tmp_path / f"layer-{number}.tar.gz"
            path.write_bytes(gzip.compress(buffer.getvalue()))
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found.append(layer(path, digest))
        root = tmp_path / "root"
        root.mkdir()
        unpacking.unpack(image(found), root, limit)
        return root

    return make


def layer(path, digest):
    return Layer(path, digest=digest)


def image(layers):
    return Image(Config((), (), "", {}), tuple(layers))


def tree(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_later_layers_cover_earlier_ones(lay):
    root = lay(
        [folder("etc"), file("etc/a", b"one"), file("etc/b"), folder("old"), file("old/x")],
        [file("etc/a", b"two"), file("etc/.wh.b"), file(".wh.old")],
    )
    assert (root / "etc/a").read_bytes() == b"two"
    assert tree(root) == ["etc", "etc/a"]


def test_an_opaque_folder_hides_what_lies_below_and_not_what_its_layer_brings(lay):
    root = lay(
        [folder("d"), file("d/old"), folder("d/deep"), file("d/deep/old")],
        [folder("d"), file("d/new"), file("d/.wh..wh..opq"), file("d/deep/new")],
    )
    assert tree(root) == ["d", "d/deep", "d/deep/new", "d/new"]


def test_a_file_becomes_a_folder_and_a_folder_a_file(lay):
    root = lay([file("a"), folder("b"), file("b/c")], [folder("a"), file("a/c"), file("b")])
    assert (root / "a/c").is_file()
    assert (root / "b").is_file()


def test_links_stay_inside(lay, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    root = lay(
        [folder("usr"), folder("usr/lib"), link("lib", "usr/lib"), link("abs", "/usr/lib"),
         link("up", "../../../usr"), link("out", str(outside))],
        [file("lib/one"), file("abs/two"), file("up/three"), file("out/four")],
    )  # fmt: skip
    assert {"usr/lib/one", "usr/lib/two", "usr/three"} <= set(tree(root))
    assert os.listdir(outside) == []
    assert (root / str(outside).lstrip("/") / "four").is_file()


def test_hard_links_share_a_file(lay):
    root = lay([file("a", b"same"), hard("b", "a"), hard("c", "/a")])
    assert (root / "b").stat().st_ino == (root / "a").stat().st_ino == (root / "c").stat().st_ino


def test_set_user_id_bits_and_devices_are_left_out(lay):
    device = entry("null", tarfile.CHRTYPE, devmajor=1, devminor=3), b""
    pipe = entry("pipe", tarfile.FIFOTYPE), b""
    root = lay([file("su", mode=0o6755), device, pipe, folder("tmp", mode=0o1777)])
    assert stat.S_IMODE((root / "su").stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    assert tree(root) == ["su", "tmp"]


def test_a_folder_that_forbids_writing_is_filled_first(lay):
    root = lay([folder("closed", mode=0o500), file("closed/a")])
    assert (root / "closed/a").is_file()


@pytest.mark.parametrize(
    "layers",
    [
        [[file("../evil")]],
        [[file("a/../../evil")]],
        [[file("a"), hard("b", "../../../etc/passwd")]],
        [[hard("b", "nothing")]],
        [[folder("d"), hard("b", "d")]],
        [[link("a", "b"), link("b", "a"), file("a/c")]],
        [[file("a"), file("a/b")]],
        [[file(".wh...")]],
        [[file("big", b"x" * 2_000_000)]],
        [[file("late", pax_headers={"mtime": "1e400"})]],
        [[file("late", pax_headers={"mtime": "1e300"})]],
        [[file("n" * 300)]],
        [[file("/".join("d" * 257) + "/f")]],
        [[link("l", "x" * 5000)]],
        [[link("l", "")]],
        [[file("less", pax_headers={"size": "-1000"}), file("more")]],
        [
            [
                file(
                    "sparse",
                    pax_headers={
                        "GNU.sparse.major": "1",
                        "GNU.sparse.minor": "0",
                        "GNU.sparse.name": "sparse",
                        "GNU.sparse.realsize": str(10**15),
                    },
                )
            ]
        ],
    ],
)
def test_what_is_refused(lay, tmp_path, layers):
    before = set(os.listdir(tmp_path))
    with pytest.raises(ImageError):
        lay(*layers)
    made = set(os.listdir(tmp_path)) - before
    assert all(name == "root" or name.startswith("layer-") for name in made)


def test_folders_within_one_another_end_also_by_way_of_links(lay):
    deep = "/".join("d" * 200)
    with pytest.raises(ImageError, match="folders in one another"):
        lay([file(f"{deep}/x"), link("way", deep)], [file(f"way/{deep}/x")])


def test_a_size_below_nothing_makes_no_room_for_others(tmp_path):
    """In the old form of large numbers, which Python's own reader takes."""
    header = bytearray(entry("x").tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = b"\xff" * 11 + b"\x00"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    (tmp_path / "layer").write_bytes(bytes(header) + bytes(2048))
    (tmp_path / "root").mkdir()
    with pytest.raises(ImageError, match="below nothing"):
        unpacking.unpack(image([layer(tmp_path / "layer", "")]), tmp_path / "root")


def test_a_hard_link_never_reaches_the_hosts_files(lay, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("host")
    with pytest.raises(ImageError):
        lay([link("way", str(tmp_path)), hard("stolen", "way/secret")])
    assert secret.read_text() == "host"


def test_a_whiteout_through_a_link_deletes_nothing_outside(lay, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "kept").write_text("x")
    lay([link("way", str(victim))], [file("way/.wh.kept"), file("way/.wh..wh..opq")])
    assert (victim / "kept").exists()


def test_a_layer_that_is_not_what_its_digest_says(tmp_path):
    path = tmp_path / "layer.tar.gz"
    path.write_bytes(gzip.compress(b"\0" * 1024))
    (tmp_path / "root").mkdir()
    with pytest.raises(ImageError, match="digest"):
        unpacking.unpack(image([layer(path, "0" * 64)]), tmp_path / "root")


@pytest.mark.parametrize(
    "content",
    [b"no archive at all", gzip.compress(b"x" * 5000, mtime=0)[:-9]],
    ids=["no archive", "cut off"],
)
def test_a_layer_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "layer.tar.gz"
    path.write_bytes(content)
    (tmp_path / "root").mkdir()
    with pytest.raises(ImageError):
        unpacking.unpack(
            image([layer(path, hashlib.sha256(content).hexdigest())]), tmp_path / "root"
        )
