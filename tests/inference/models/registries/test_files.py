"""The owner's folders and archives: found by every name, used in place, never written to."""

import io
import json
import tarfile
import zipfile

import numpy as np
import pytest

from lambent_inference.errors import BrokenPackage, MissingApiKey, NotFound
from lambent_inference.models import archives, package
from lambent_inference.models.contract import Detect, Family
from lambent_inference.models.store import Store

ROWS = {"output0": np.array([[32.0], [32], [20], [10], [0.1], [0.9]])}


def original(folder, weights, **environment):
    """A folder as the original's cache has it."""
    folder.mkdir(parents=True)
    (folder / "weights.onnx").write_bytes(weights)
    steps = {
        "auto-orient": {"enabled": True},
        "resize": {"enabled": True, "width": 64, "height": 64, "format": "Stretch to"},
    }
    facts = {"PREPROCESSING": json.dumps(steps), "CLASS_MAP": {"0": "cat", "1": "dog"}}
    (folder / "environment.json").write_text(json.dumps(facts | environment))
    kind = {"project_task_type": "object-detection", "model_type": "yolov8n"}
    (folder / "model_type.json").write_text(json.dumps(kind))


def test_the_originals_layout_in_the_cache_folder_answers(settings, graph, blank, ask):
    configured = settings()
    original(configured.model_cache_dir / "pets" / "3", graph(ROWS))
    (found,) = ask("pets/3", Detect(), [blank(128, 64)])
    assert [(box.class_name, box.x) for box in found.boxes] == [("dog", 64)]


def test_class_names_and_other_resizes_of_the_original(settings, graph, root):
    original(root / "pets" / "3", graph(ROWS), RESOLUTION=[64, 64], BATCH_SIZE=4)
    (root / "pets" / "3" / "class_names.txt").write_text("one\ntwo\n")
    with Store(settings()).find("pets/3").held() as held:
        manifest = held.manifest
    assert manifest.classes == ("one", "two")
    assert manifest.task is Family.DETECTION
    assert (manifest.input.width, manifest.input.max_batch) == (64, 4)


def test_removing_leaves_the_originals_layout_alone(settings, graph, manager):
    import asyncio

    folder = settings().model_cache_dir / "pets" / "3"
    original(folder, graph(ROWS))

    async def scenario():
        models = manager()
        await models.add("pets/3")
        await models.remove("pets/3")
        await models.add("pets/3")
        await models.clear()

    asyncio.run(scenario())
    assert (folder / "weights.onnx").is_file()


def test_names_in_a_folder_without_an_index(write, graph, settings):
    for version in ("2", "9", "10"):
        write(f"shapes/{version}", {"w.onnx": graph(ROWS)}, classes=["a", "b"])
    store = Store(settings(model_aliases=("fast=shapes/2",)))
    assert store.find("shapes").model_id == "shapes/10"
    assert store.find("fast").model_id == "shapes/2"
    with pytest.raises(MissingApiKey):
        store.find("yolov8n-640")  # coco/3 for the platform, and nobody gave a key


def test_a_changed_file_is_not_served(write, graph, settings, root):
    write("shapes/1", {"w.onnx": graph(ROWS)}, classes=["a", "b"])
    (root / "shapes" / "1" / "w.onnx").write_bytes(graph(ROWS) + b" ")
    with pytest.raises(BrokenPackage), Store(settings()).find("shapes/1").held():
        pass


def test_a_link_out_of_the_registry_is_not_followed(write, graph, settings, tmp_path, root):
    write("shapes/1", {"w.onnx": graph(ROWS)}, into=tmp_path / "elsewhere", classes=["a", "b"])
    (root / "shapes").symlink_to(tmp_path / "elsewhere" / "shapes")
    with pytest.raises((BrokenPackage, NotFound)):
        Store(settings()).find("shapes/1")


def test_a_link_in_a_package_may_not_lead_out_of_it(write, graph, settings, tmp_path, root):
    """The file's checksum is right: only where it lies is not."""
    write("shapes/1", {"w.onnx": graph(ROWS)}, classes=["a", "b"])
    weights = root / "shapes" / "1" / "w.onnx"
    weights.rename(tmp_path / "elsewhere.onnx")
    weights.symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(BrokenPackage), Store(settings()).find("shapes/1").held():
        pass


@pytest.fixture
def packed(write, graph, root, tmp_path):
    manifest = write("shapes/1", {"w.onnx": graph(ROWS)}, classes=["a", "b"], aliases=["forms"])
    archive = tmp_path / "shapes.tar.gz"
    archives.pack(root / "shapes" / "1", archive, list(manifest.files))
    return archive


@pytest.mark.parametrize("name", ["shapes/1", "shapes", "forms"])
def test_an_archive_is_a_registry_of_one(packed, settings, name):
    store = Store(settings(model_registry=(f"file://{packed}",)))
    found = store.find(name)
    with found.held() as held:
        assert (held.folder / "w.onnx").is_file()
    found.forget()
    assert packed.is_file()
    with store.find(name).held() as held:
        package.verify(held.manifest, held.folder)


def test_a_zip_with_everything_in_one_folder(write, graph, root, tmp_path, settings):
    write("shapes/1", {"w.onnx": graph(ROWS)}, classes=["a", "b"])
    archive = tmp_path / "shapes.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (root / "shapes" / "1").iterdir():
            file.write(path, f"exported/{path.name}")
    with Store(settings(model_registry=(str(archive),))).find("shapes").held() as held:
        assert held.manifest.model_id == "shapes/1"


@pytest.mark.parametrize("name", ["../out", "/out", "a/../../out"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_archives_do_not_write_outside(tmp_path, name, kind):
    archive = tmp_path / f"evil.{kind}"
    if kind == "tar":
        with tarfile.open(archive, "w") as tar:
            entry = tarfile.TarInfo(name)
            entry.size = 3
            tar.addfile(entry, io.BytesIO(b"bad"))
    else:
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(name, "bad")
    folder = tmp_path / "in" / "there"
    folder.mkdir(parents=True)
    with pytest.raises(BrokenPackage):
        archives.unpack(archive, folder)
    assert not (tmp_path / "in" / "out").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_only_plain_files_come_out_of_archives(tmp_path, kind):
    archive = tmp_path / "odd.tar"
    with tarfile.open(archive, "w") as tar:
        entry = tarfile.TarInfo("weights.onnx")
        entry.type, entry.linkname = kind, "/etc/passwd"
        tar.addfile(entry)
    with pytest.raises(BrokenPackage, match="link or a device"):
        archives.unpack(archive, tmp_path / "out")


def test_the_same_name_twice_and_a_zips_link(tmp_path):
    twice = tmp_path / "twice.tar"
    with tarfile.open(twice, "w") as tar:
        for _ in range(2):
            entry = tarfile.TarInfo("a")
            entry.size = 1
            tar.addfile(entry, io.BytesIO(b"a"))
    with pytest.raises(BrokenPackage):
        archives.unpack(twice, tmp_path / "twice")
    linked = tmp_path / "linked.zip"
    entry = zipfile.ZipInfo("a")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(linked, "w") as file:
        file.writestr(entry, "/etc/passwd")
    archives.unpack(linked, tmp_path / "linked")
    assert not (tmp_path / "linked" / "a").is_symlink(), "it is the text only"


def test_a_bomb_that_lies_about_its_size(tmp_path):
    """The zip's directory says a byte, the stream unpacks to five million."""
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("weights.onnx", bytes(5_000_000))
    data = bomb.read_bytes().replace((5_000_000).to_bytes(4, "little"), (1).to_bytes(4, "little"))
    bomb.write_bytes(data)
    with pytest.raises(BrokenPackage):
        archives.unpack(bomb, tmp_path / "out")
    assert sum(one.stat().st_size for one in (tmp_path / "out").rglob("*")) < 1000


def test_links_and_bombs_in_archives_are_refused(tmp_path):
    archive = tmp_path / "links.tar"
    with tarfile.open(archive, "w") as tar:
        entry = tarfile.TarInfo("weights.onnx")
        entry.type = tarfile.SYMTYPE
        entry.linkname = "/etc/passwd"
        tar.addfile(entry)
    with pytest.raises(BrokenPackage, match="link"):
        archives.unpack(archive, tmp_path / "a")
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("weights.onnx", bytes(5_000_000))
    with pytest.raises(BrokenPackage, match="more than"):
        archives.unpack(bomb, tmp_path / "b", max_bytes=1_000_000)
