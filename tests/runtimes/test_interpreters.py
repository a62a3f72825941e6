from __future__ import annotations

import sys
from pathlib import Path

from lambent.runtimes import interpreters

BASE = Path(sys.base_prefix)


def test_a_virtual_environment_resolves_to_its_base():
    found = interpreters.probe(Path(sys.executable))
    assert found is not None
    assert found.prefix == BASE
    assert found.executable.is_file()
    assert not found.executable.is_symlink()
    assert found.version == ".".join(map(str, sys.version_info[:3]))
    assert (found.stdlib / "os.py").is_file()
    assert found.extension_modules.is_dir()


def test_found_on_path(tmp_path):
    name = f"python3.{sys.version_info.minor}"
    (tmp_path / name).symlink_to(sys.executable)
    found = interpreters.find(name, {"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert found is not None
    assert found.minor == f"3.{sys.version_info.minor}"


def test_found_in_pyenv_newest_patch_first(tmp_path):
    minor = f"3.{sys.version_info.minor}"
    for patch in ("2", "10"):
        folder = tmp_path / "versions" / f"{minor}.{patch}" / "bin"
        folder.mkdir(parents=True)
        python = folder / f"python{minor}"
        python.write_text(
            f'#!/bin/sh\necho {patch} >> {tmp_path}/asked\nexec {sys.executable} "$@"\n'
        )
        python.chmod(0o755)
    found = interpreters.find(
        f"python{minor}", {"PYENV_ROOT": str(tmp_path), "PATH": "", "HOME": str(tmp_path)}
    )
    assert found is not None
    assert (tmp_path / "asked").read_text().split() == ["10"]


def test_found_among_uv_s(tmp_path):
    minor = f"3.{sys.version_info.minor}"
    folder = tmp_path / f"cpython-{minor}.9-linux-x86_64-gnu" / "bin"
    folder.mkdir(parents=True)
    (folder / f"python{minor}").symlink_to(sys.executable)
    environ = {"UV_PYTHON_INSTALL_DIR": str(tmp_path), "PATH": "", "HOME": str(tmp_path)}
    assert interpreters.find(f"python{minor}", environ) is not None


def test_one_that_lies_about_its_version_is_passed_over(tmp_path):
    (tmp_path / "python3.77").symlink_to(sys.executable)
    assert interpreters.find("python3.77", {"PATH": str(tmp_path), "HOME": str(tmp_path)}) is None


def test_one_that_does_not_run_is_passed_over(tmp_path):
    python = tmp_path / "python3.12"
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)
    assert interpreters.probe(python) is None
    assert interpreters.probe(tmp_path / "missing") is None


def test_a_replaced_interpreter_is_asked_again(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)
    assert interpreters.probe(python) is None
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    assert interpreters.probe(python) is not None


def test_other_runtimes_have_no_interpreter_of_ours():
    for runtime in ("nodejs22.x", "provided.al2023", "python2.7", "python3.", "python3.9; id"):
        assert interpreters.find(runtime) is None
