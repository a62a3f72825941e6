"""Layout folders that are written: tags move, what nobody names goes, what is read is what was said."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from lambent.images import layers, layout, manifest
from lambent.images.layers import File
from lambent.images.layout import LayoutWriter
from lambent.images.problem import ImageError


def write(writer: LayoutWriter, tmp_path: Path, tag: str, text: str) -> str:
    made = layers.write([File("x", text.encode())], "srv", tmp_path / "layer")
    config = {
        "architecture": "amd64",
        "config": {"Cmd": ["app.handler"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{made.diff_id}"]},
    }
    document = {
        "schemaVersion": 2,
        "config": writer.add_json(config, layout.CONFIG),
        "layers": [writer.add_file(made.path, made.digest, layout.LAYER_GZIP)],
    }
    described = writer.add_json(document, layout.MANIFEST)
    writer.tag(tag, described)
    return str(described["digest"])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    digest = write(LayoutWriter(tmp_path / "l"), tmp_path, "v1", "one")
    found = manifest.layout_digest(tmp_path / "l", "v1")
    assert f"sha256:{found}" == digest
    image = manifest.read_layout(tmp_path / "l", found, "x86_64")
    assert image.config.command == ("app.handler",)
    with image.layers[0].open() as file, tarfile.open(fileobj=file) as archive:
        assert archive.getnames() == ["srv", "srv/x"]


def test_a_tag_moves_and_the_old_blobs_go(tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path / "l")
    write(writer, tmp_path, "v1", "one")
    kept = write(writer, tmp_path, "v2", "two")
    write(LayoutWriter(tmp_path / "l"), tmp_path, "v1", "three")
    assert len(list((tmp_path / "l/blobs/sha256").iterdir())) == 6
    index = json.loads((tmp_path / "l/index.json").read_bytes())
    assert [e["annotations"][layout.NAME] for e in index["manifests"]] == ["v1", "v2"]
    assert f"sha256:{manifest.layout_digest(tmp_path / 'l', 'v2')}" == kept


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(ImageError, match="no OCI layout"):
        LayoutWriter(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    files = [File("b", b"2", executable=True), File("a/c", b"1"), File("d", b"", link="/b")]
    one = layers.write(files, "/srv", tmp_path / "one")
    two = layers.write(reversed(files), "srv/./x/../", tmp_path / "two")
    assert one.digest == two.digest
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with tarfile.open(tmp_path / "one") as archive:
        found = {e.name: (e.mode, e.uid, e.mtime, e.linkname) for e in archive}
    assert found == {
        "srv": (0o755, 0, 0, ""),
        "srv/a": (0o755, 0, 0, ""),
        "srv/a/c": (0o644, 0, 0, ""),
        "srv/b": (0o755, 0, 0, ""),
        "srv/d": (0o777, 0, 0, "/b"),
    }


def test_a_file_that_has_become_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / "a").symlink_to("secret")
    with pytest.raises(OSError, match="symbolic links"):
        layers.write([File("a", tmp_path / "a")], "srv", tmp_path / "layer")


def test_folders_above_are_not_laid_over(tmp_path: Path) -> None:
    layers.write([File("x", b"1")], "/usr/local/lib", tmp_path / "layer")
    with tarfile.open(tmp_path / "layer") as archive:
        assert archive.getnames() == ["usr/local/lib", "usr/local/lib/x"]


def test_an_archives_layer_is_compressed_once(tmp_path: Path) -> None:
    made = layers.write([File("x", b"1" * 5000)], "srv", tmp_path / "layer")
    with (tmp_path / "layer").open("rb") as file:
        again = layers.compress(file, tmp_path / "again")
    assert (again.digest, again.diff_id) == (made.digest, made.diff_id)
