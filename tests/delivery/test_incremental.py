import io
import zipfile

import pytest

from lambent.delivery import archive, package
from lambent.delivery.incremental import Workbench
from lambent.delivery.package import Recipe
from lambent.delivery.problem import Problem


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "handler.py").write_text("one\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "table.csv").write_text("1,2\n")
    return tmp_path


def contents(built):
    with zipfile.ZipFile(io.BytesIO(built.data)) as opened:
        return {name: opened.read(name).decode() for name in opened.namelist()}


def test_what_changed_and_only_that_is_packed_again(folder, monkeypatch):
    bench = Workbench(Recipe(folder, "python3.13"))
    assert bench.look() == ["data/table.csv", "handler.py"]
    first = bench.build()
    packed = []
    real = archive.pack
    monkeypatch.setattr(
        archive, "pack", lambda name, raw, **more: packed.append(name) or real(name, raw, **more)
    )
    assert bench.look() == []
    assert bench.build().data == first.data
    assert packed == []
    (folder / "handler.py").write_text("two\n")
    (folder / "new.py").write_text("new\n")
    (folder / "data" / "table.csv").unlink()
    assert bench.look() == ["data/table.csv", "handler.py", "new.py"]
    assert contents(bench.build()) == {"handler.py": "two\n", "new.py": "new\n"}
    assert packed == ["handler.py", "new.py"]
    assert bench.python_files(["data/table.csv", "handler.py"]) == [
        ("handler.py", folder / "handler.py")
    ]


def test_it_is_what_deploy_sends_without_bytecode(folder):
    bench = Workbench(Recipe(folder, "python3.13"))
    bench.look()
    deployed = package.build(Recipe(folder, "python3.13", bytecode=False))
    assert bench.build().data == deployed.data


def test_dependencies_are_asked_for_once_per_requirements(folder, monkeypatch):
    asked = []

    def installed(_recipe, _platform, _own, _compiled, _notes, _progress):
        text = (folder / "requirements.txt").read_text()
        asked.append(text)
        return [archive.pack("lib/module.py", text.encode())], False

    monkeypatch.setattr(package, "installed", installed)
    (folder / "requirements.txt").write_text("a\n")
    bench = Workbench(Recipe(folder, "python3.13"), [archive.pack("extra.py", b"e")])
    for word in ("two", "three"):
        bench.look()
        found = contents(bench.build())
        assert (found["lib/module.py"], found["extra.py"]) == ("a\n", "e")
        (folder / "handler.py").write_text(word)
    assert asked == ["a\n"]
    (folder / "requirements.txt").write_text("b\n")
    bench.look()
    assert contents(bench.build())["lib/module.py"] == "b\n"
    assert asked == ["a\n", "b\n"]


def test_a_save_of_the_same_size_in_the_same_moment_is_seen_by_its_inode(folder):
    import os

    bench = Workbench(Recipe(folder, "python3.13"))
    bench.look()
    before = (folder / "handler.py").stat()
    (folder / ".handler.py.new").write_text("uno\n")
    os.utime(folder / ".handler.py.new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (folder / ".handler.py.new").rename(folder / "handler.py")
    assert bench.look() == ["handler.py"]
    assert contents(bench.build())["handler.py"] == "uno\n"


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(Problem) as caught:
        Workbench(Recipe(tmp_path, "python3.13")).look()
    assert caught.value.code == "SOURCE_EMPTY"
