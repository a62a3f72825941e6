"""What is told from headers is what unpacking makes: layers of all kinds, drawn at random."""

from __future__ import annotations

import io
import os
import random
import tarfile
from pathlib import Path

import pytest

from lambent.images import contents
from lambent.images.manifest import Config, Image, Layer
from lambent.images.problem import ImageError
from lambent.images.unpack import unpack

NAMES = ("a", "b", "c")


def image(tmp_path: Path, *layers: list[tarfile.TarInfo]) -> Image:
    found = []
    for number, entries in enumerate(layers):
        path = tmp_path / f"layer-{number}.tar"
        with tarfile.open(path, "w") as archive:
            for entry in entries:
                archive.addfile(entry, io.BytesIO(b"x" * entry.size) if entry.isreg() else None)
        found.append(Layer(path))
    return Image(Config((), (), "/", {}), tuple(found))


def drawn(rng: random.Random) -> list[tarfile.TarInfo]:
    entries = []
    for _ in range(rng.randint(1, 8)):
        parts = [rng.choice(NAMES) for _ in range(rng.randint(1, 3))]
        kind = rng.choice(["file", "file", "folder", "whiteout", "opaque"])
        if kind == "whiteout":
            parts[-1] = f".wh.{parts[-1]}"
        elif kind == "opaque":
            parts.append(".wh..wh..opq")
        entry = tarfile.TarInfo("/".join(parts))
        if kind == "folder":
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        elif kind == "file":
            entry.size, entry.mode = rng.randint(0, 9), rng.choice([0o644, 0o755])
        entries.append(entry)
    return entries


def on_disk(root: Path) -> dict[str, tuple[bool, int, bool]]:
    found = {}
    for path in root.rglob("*"):
        status = path.lstat()
        size = 0 if path.is_dir() else status.st_size
        executable = path.is_file() and bool(status.st_mode & 0o111)
        found[path.relative_to(root).as_posix()] = (path.is_dir(), size, executable)
    return found


@pytest.mark.parametrize("seed", range(60))
def test_it_agrees_with_the_unpacker(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    made = image(tmp_path, *(drawn(rng) for _ in range(rng.randint(1, 4))))
    root = tmp_path / "root"
    root.mkdir()
    try:
        unpack(made, root)
    except ImageError:  # a file where a folder is to be
        return
    told = {
        path: (item.folder, item.size, item.executable and not item.folder)
        for path, item in contents.read(made).items.items()
    }
    assert told == on_disk(root)


def test_links_are_followed_inside(tmp_path: Path) -> None:
    program = tarfile.TarInfo("usr/bin/python3.12")
    program.mode = 0o755
    folder, name, circle = (tarfile.TarInfo(n) for n in ("bin", "usr/bin/python3", "circle"))
    for link, target in ((folder, "/usr/bin"), (name, "python3.12"), (circle, "/circle")):
        link.type, link.linkname = tarfile.SYMTYPE, target
    found = contents.read(image(tmp_path, [program, folder, name, circle]))
    assert found.resolve("/bin/../bin/python3") == "usr/bin/python3.12"
    assert found.is_program("/bin/python3")
    assert found.resolve("/circle/x") is None
    assert found.names("bin") == {"python3", "python3.12"}


def test_names_that_lead_out_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="leads out of it"):
        contents.read(image(tmp_path, [tarfile.TarInfo("../x")]))


def test_what_is_no_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "layer").write_bytes(os.urandom(4096))
    made = Image(Config((), (), "/", {}), (Layer(tmp_path / "layer"),))
    with pytest.raises(ImageError, match="cannot be read"):
        contents.read(made)
