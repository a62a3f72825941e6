"""Images of a folder: which layers, in which order, the same bytes, and nothing from outside."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from scripts import fetch_interpreters

from lambent.delivery.images import build, python, recipe, reference, sizes
from lambent.delivery.images.recipe import Recipe
from lambent.delivery.problem import Problem
from lambent.images import contents, manifest
from lambent.images.unpack import unpack

MINOR = f"3.{sys.version_info.minor}"


def read(built: build.Built) -> manifest.Image:
    return manifest.read_layout(built.folder, built.digest, "x86_64")


def made(project: Path, base: str, to: Path, **more: object) -> build.Built:
    steps = recipe.from_folder(project)
    return build.build(
        Recipe(base=base, steps=steps, command=("handler.handler",), client=False, **more),  # type: ignore[arg-type]
        to,
        "v1",
    )


def test_what_changes_most_often_comes_last(project, base, make_wheel, require, tmp_path) -> None:
    make_wheel("thing", {"thing.py": "X = 1\n"})
    require("thing")
    (project / "model.onnx").write_bytes(b"x" * recipe.LARGE_BYTES)
    built = made(project, base, tmp_path / "out")
    assert [layer.said for layer in built.layers] == ["base", "dependencies", "data", "code"]
    found = contents.read(read(built))
    place = {path: item.layer for path, item in found.items.items() if not item.folder}
    assert place["var/task/thing.py"] == 1
    assert place["var/task/model.onnx"] == 2
    assert place["var/task/handler.py"] == 3
    (project / "handler.py").write_text("def handler(event, context):\n    return 1\n")
    again = made(project, base, tmp_path / "out")
    assert [a.digest == b.digest for a, b in zip(built.layers, again.layers, strict=True)] == [
        True, True, True, False,
    ]  # fmt: skip


def test_the_same_gives_the_same_bytes(project, base, tmp_path) -> None:
    one, two = (made(project, base, tmp_path / name) for name in ("one", "two"))
    assert one.digest == two.digest
    (project / "handler.py").touch()
    assert made(project, base, tmp_path / "three").digest == one.digest


def test_how_it_is_run(project, base, tmp_path) -> None:
    built = made(project, base, tmp_path / "out", environment={"A": "1"}, labels={"l": "2"})
    document = read(built).document
    assert document["config"] == {
        "Cmd": ["handler.handler"],
        "Env": ["PATH=/usr/local/bin:/usr/bin", "A=1"],
        "Labels": {"l": "2"},
        "WorkingDir": "/var/task",
    }
    assert len(document["rootfs"]["diff_ids"]) == len(document["history"]) == 2
    assert document["created"] == "1970-01-01T00:00:00Z"


def test_an_entry_point_drops_the_bases_command(project, base, tmp_path) -> None:
    below = made(project, base, tmp_path / "below")
    built = build.build(Recipe(base=below.uri, entry_point=("/run",)), tmp_path / "out")
    assert read(built).document["config"]["Cmd"] == []


def test_the_runtime_client_comes_with_a_handler(project, base, tmp_path, monkeypatch) -> None:
    """Its wheel is not fetched here: that a layer of it is wanted, and started, is what is seen."""
    asked = []
    monkeypatch.setattr(
        build.installed,
        "layer",
        lambda wanted, found, to, **_: asked.append((wanted.text, to)) or _empty(tmp_path),
    )
    steps = recipe.from_folder(project)
    built = build.build(
        Recipe(base=base, steps=steps, command=("handler.handler",)), tmp_path / "out"
    )
    assert asked == [("awslambdaric==4.2.2\n", f"/usr/local/lib/python{MINOR}/site-packages")]
    assert read(built).config.entry_point == (f"/usr/local/bin/python{MINOR}", "-m", "awslambdaric")


def _empty(folder: Path):
    return build.layers.write([], "srv", folder / "empty")


def test_links_that_leave_the_folder_are_refused(project, base, tmp_path) -> None:
    (tmp_path / "secret").write_text("x")
    (project / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(Problem, match="outside the folder"):
        made(project, base, tmp_path / "out")


def test_links_inside_the_folder_become_files(project, base, tmp_path) -> None:
    (project / "again.py").symlink_to("handler.py")
    found = contents.read(read(made(project, base, tmp_path / "out")))
    assert found.items["var/task/again.py"].link == ""
    assert found.items["var/task/again.py"].size > 0


def test_the_bases_python_decides_the_wheels(base, tmp_path) -> None:
    image, _ = reference.opened(base, "x86_64", tmp_path)
    found = python.find(contents.read(image, python.LIBC), "/usr/local/bin", "x86_64")
    assert found is not None
    assert found.program == f"/usr/local/bin/python{MINOR}"
    assert found.platform.uv_platform == "x86_64-manylinux_2_36"
    assert found.packages == f"/usr/local/lib/python{MINOR}/site-packages"


def test_a_base_without_python_cannot_get_packages(project, make_wheel, require, tmp_path) -> None:
    make_wheel("thing", {"thing.py": ""})
    require("thing")
    with pytest.raises(Problem, match="no Python to install"):
        made(project, "scratch", tmp_path / "out")


def test_too_many_layers(project, base, tmp_path) -> None:
    step = recipe.from_folder(project)[-1]
    with pytest.raises(Problem, match="127"):
        build.build(Recipe(base=base, steps=(step,) * 127), tmp_path / "out")


def test_a_docker_archive_is_a_base(project, base, tmp_path) -> None:
    """`docker save` has no digests: its layers get them here."""
    image, _ = reference.opened(base, "x86_64", tmp_path)
    tar = tmp_path / "saved.tar"
    layer = tmp_path / "layer.tar"
    layer.write_bytes(build.layers.gzip.decompress(image.layers[0].path.read_bytes()))
    (tmp_path / "config.json").write_text(json.dumps(image.document))
    listed = [{"Config": "config.json", "RepoTags": ["app:v1"], "Layers": ["layer.tar"]}]
    (tmp_path / "manifest.json").write_text(json.dumps(listed))
    with tarfile.open(tar, "w") as archive:
        for name in ("manifest.json", "config.json", "layer.tar"):
            archive.add(tmp_path / name, name)
    built = made(project, f"docker-archive:{tar}:app:v1", tmp_path / "out")
    found = contents.read(read(built))
    assert found.is_program(f"/usr/local/bin/python{MINOR}")
    assert read(built).document["rootfs"]["diff_ids"][0] == image.document["rootfs"]["diff_ids"][0]


def test_a_broken_base_is_said(project, base, tmp_path) -> None:
    blobs = Path(base.split(":")[1]) / "blobs/sha256"
    layer = max(blobs.iterdir(), key=lambda path: path.stat().st_size)
    layer.write_bytes(b"other")
    with pytest.raises(Problem, match="does not have the content"):
        made(project, base, tmp_path / "out")


def test_a_broken_build_leaves_the_tag_where_it_was(project, base, tmp_path) -> None:
    first = made(project, base, tmp_path / "out")
    (project / "link").symlink_to("/etc/passwd")
    with pytest.raises(Problem):
        made(project, base, tmp_path / "out")
    assert f"sha256:{manifest.layout_digest(tmp_path / 'out', 'v1')}" == first.digest
    read(first)


def test_sizes_are_told_largest_first(project, base, tmp_path) -> None:
    (project / "big.bin").write_bytes(b"x" * 100_000)
    built = made(project, base, tmp_path / "out")
    found = sizes.measure(built.uri)
    assert found.places[0] == ("var/task", 100_000 + (project / "handler.py").stat().st_size)
    assert found.files[0] == ("var/task/big.bin", 100_000)
    assert [layer.said for layer in found.layers] == ["lambent: files", "lambent: code"]
    assert found.unpacked == sum(layer.unpacked for layer in found.layers) == found.seen
    assert found.hidden == 0


@pytest.mark.parametrize("name", ["./nothing", "/nothing", "saved.tar", "app.oci"])
def test_a_path_that_is_no_image(name: str, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="there is no image"):
        reference.uri(name, tmp_path)


def test_names_of_registries_stay(tmp_path: Path) -> None:
    assert reference.uri("localhost:5000/team/app:v1") == "localhost:5000/team/app:v1"
    assert reference.uri("oci:x:v1", tmp_path) == f"oci:{tmp_path}/x:v1"


def test_umoci_makes_of_it_what_we_do(project, base, tmp_path) -> None:
    """Another unpacker as the oracle, where it is installed."""
    try:
        umoci = fetch_interpreters.debian("umoci")
    except fetch_interpreters.Unavailable as reason:
        pytest.skip(str(reason))
    built = made(project, base, tmp_path / "out")
    subprocess.run(
        [umoci, "unpack", "--rootless", "--image", f"{built.folder}:v1", tmp_path / "bundle"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    ours = tmp_path / "ours"
    ours.mkdir()
    unpack(read(built), ours)
    theirs = tmp_path / "bundle/rootfs"

    def told(root: Path) -> dict[str, object]:
        return {
            path.relative_to(root).as_posix(): (
                path.stat().st_mode,
                path.read_bytes() if path.is_file() else None,
            )
            for path in root.rglob("*")
        }

    assert told(ours) == told(theirs)
