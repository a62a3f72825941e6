import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lambent.delivery import package
from lambent.delivery.package import Recipe, build
from lambent.delivery.problem import Problem

HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"
MakeWheel = Callable[..., Path]
Require = Callable[..., None]


def names(built: package.Package) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(built.data)) as found:
        return found.namelist()


def test_the_same_folder_gives_the_same_bytes(
    project: Path, make_wheel: MakeWheel, require: Require, tmp_path: Path
) -> None:
    make_wheel(
        "pack", {"pack/__init__.py": "x = {'a', 'b'}\n", "pack/mod.py": "def f(self): ...\n"}
    )
    require("pack")
    first = build(Recipe(project, HERE))
    other = tmp_path / "elsewhere"
    shutil.copytree(project, other)
    for number, path in enumerate(sorted(other.rglob("*"), reverse=True)):
        os.utime(path, (1_000_000 + number, 1_000_000 + number))
    second = build(Recipe(other, HERE, fresh=True))
    assert first.data == second.data
    assert first.sha256 == base64.b64encode(hashlib.sha256(first.data).digest()).decode()


def test_a_change_changes_the_hash(project: Path) -> None:
    first = build(Recipe(project, HERE))
    (project / "handler.py").write_text("def handler(event, context):\n    return 2\n")
    assert build(Recipe(project, HERE)).sha256 != first.sha256


def test_bytecode_lies_beside_its_source(
    project: Path, make_wheel: MakeWheel, require: Require
) -> None:
    make_wheel("pack", {"pack/__init__.py": "x = 1\n"})
    require("pack")
    tag = sys.implementation.cache_tag
    built = build(Recipe(project, HERE))
    assert built.bytecode == "all"
    assert f"__pycache__/handler.{tag}.pyc" in names(built)
    assert f"pack/__pycache__/__init__.{tag}.pyc" in names(built)
    without = build(Recipe(project, HERE, bytecode=False))
    assert without.bytecode == "none"
    assert not any(name.endswith(".pyc") for name in names(without))


def test_the_package_runs_where_it_is_unpacked(
    project: Path, make_wheel: MakeWheel, require: Require, tmp_path: Path
) -> None:
    make_wheel("pack", {"pack/__init__.py": "answer = 42\n"})
    require("pack")
    (project / "handler.py").write_text(
        "import pack\nfrom importlib.metadata import version\n"
        "def handler(event, context):\n    return pack.answer, version('pack')\n"
    )
    with zipfile.ZipFile(io.BytesIO(build(Recipe(project, HERE)).data)) as found:
        found.extractall(tmp_path / "task")
    script = "import handler; print(handler.handler({}, None))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path / "task",
        env={"PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "(42, '1.0')"


def test_the_users_file_wins_over_a_packages(
    project: Path, make_wheel: MakeWheel, require: Require
) -> None:
    make_wheel("pack", {"handler.py": "theirs = True\n"})
    require("pack")
    with zipfile.ZipFile(io.BytesIO(build(Recipe(project, HERE)).data)) as found:
        assert b"theirs" not in found.read("handler.py")


def test_a_syntax_error_is_a_note_and_reaches_lambda(project: Path) -> None:
    (project / "handler.py").write_text("def handler(:\n")
    built = build(Recipe(project, HERE))
    assert "handler.py" in names(built)
    assert any("handler.py does not compile" in note for note in built.notes)


def test_no_interpreter_is_said(project: Path) -> None:
    built = build(Recipe(project, "python3.8"))
    if built.bytecode == "none":
        assert any("3.8 is not on this machine" in note for note in built.notes)


def test_custom_runtimes_keep_their_bootstrap(tmp_path: Path) -> None:
    folder = tmp_path / "custom"
    folder.mkdir()
    (folder / "bootstrap").write_text("#!/bin/sh\n")
    (folder / "bootstrap").chmod(0o755)
    (folder / "requirements.txt").write_text("pack\n")
    built = build(Recipe(folder, "provided.al2023"))
    with zipfile.ZipFile(io.BytesIO(built.data)) as found:
        assert found.getinfo("bootstrap").external_attr >> 16 == 0o100755
    assert any("not a Python runtime" in note for note in built.notes)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(Problem) as caught:
        build(Recipe(folder, HERE))
    assert caught.value.code == "SOURCE_EMPTY"


def test_too_large_unzipped_names_the_largest(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "model.bin").write_bytes(bytes(40_000))
    monkeypatch.setattr(package, "UNZIPPED_LIMIT", 30_000)
    with pytest.raises(Problem) as caught:
        build(Recipe(project, HERE))
    assert caught.value.code == "PACKAGE_TOO_LARGE"
    assert caught.value.why.startswith("largest: model.bin")


def test_a_zip_past_the_limit_of_a_request_is_not_sent_directly(project: Path) -> None:
    (project / "model.bin").write_bytes(os.urandom(40_000))
    assert not build(Recipe(project, HERE, direct_limit=30_000)).direct
    assert build(Recipe(project, HERE)).direct


def test_bytecode_gives_way_to_250_mb_unzipped(
    project: Path,
    make_wheel: MakeWheel,
    require: Require,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = "".join(f"def function_{i}(argument): return argument + {i}\n" for i in range(400))
    make_wheel("pack", {"pack/__init__.py": source})
    require("pack")
    whole = build(Recipe(project, HERE))
    assert whole.bytecode == "all"
    monkeypatch.setattr(package, "UNZIPPED_LIMIT", whole.unzipped - 1)
    built = build(Recipe(project, HERE))
    assert built.bytecode == "own"
    assert built.unzipped < whole.unzipped
    assert any("250 MB unzipped" in note for note in built.notes)
