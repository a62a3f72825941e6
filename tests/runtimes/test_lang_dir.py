from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

from lambent.runtimes import interpreters, lang_dir


def run(folder: Path, minor: str, code: str, **env: str) -> str:
    argv = [folder / "bin" / f"python{minor}", "-c", code]
    answer = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_runs_from_its_new_place_and_finds_only_itself(runtime, data_dir):
    interpreter = interpreters.find(runtime)
    assert interpreter is not None
    folder = lang_dir.assemble(interpreter, data_dir / "runtimes")
    code = (
        "import json,sys,ssl,sqlite3,ctypes,zlib,json as j;"
        "maps=open('/proc/self/maps').read();"
        "print(j.dumps([sys.prefix,sys.exec_prefix,sys.path,json.__file__,maps]))"
    )
    prefix, exec_prefix, path, module, maps = json.loads(run(folder, interpreter.minor, code))
    assert prefix == exec_prefix == str(folder)
    assert all(entry == "" or entry.startswith(str(folder)) for entry in path)
    assert module.startswith(str(folder))
    # The library is the one in the folder, without LD_LIBRARY_PATH's help.
    libraries = {line.split()[-1] for line in maps.splitlines() if "libpython" in line}
    assert all(library.startswith(str(folder)) for library in libraries)


def test_nothing_of_the_host_s_packages(runtime, data_dir):
    interpreter = interpreters.find(runtime)
    assert interpreter is not None
    folder = lang_dir.assemble(interpreter, data_dir / "runtimes")
    names = {path.name for path in folder.rglob("*")}
    assert "site-packages" not in names
    assert "dist-packages" not in names
    assert not [name for name in names if name.endswith(".pth")]
    code = "import importlib.util as u;print(u.find_spec('pip'),u.find_spec('pytest'))"
    assert run(folder, interpreter.minor, code).split() == ["None", "None"]


def test_another_user_can_read_all_of_it(planner, make, tmp_path):
    folder = planner.ground(make.target(tmp_path)).lang_dir
    assert folder is not None
    for path in [folder, *folder.rglob("*")]:
        mode = path.stat().st_mode
        assert mode & 0o004, path
        assert not path.is_dir() or mode & 0o001, path


def test_bytecode_of_the_standard_library_is_valid(planner, make, tmp_path):
    """The sandbox cannot write any, so a stale one would cost every start."""
    folder = planner.ground(make.target(tmp_path)).lang_dir
    assert folder is not None
    minor = make.running.removeprefix("python")
    env = {"PYTHONPATH": ""}
    code = "import json.decoder, sys; sys.stderr.write('done')"
    answer = subprocess.run(
        [folder / "bin" / f"python{minor}", "-v", "-S", "-c", code],
        env=env, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    loaded = [
        line for line in answer.stderr.splitlines() if "json/decoder" in line or "decoder" in line
    ]
    assert any(
        "matches" in line or ("code object from" in line and "__pycache__" in line)
        for line in loaded
    )
    assert not any("wrote" in line for line in loaded)


def test_made_once_whoever_asks(tmp_path, make):
    interpreter = interpreters.find(make.running)
    assert interpreter is not None
    made: list[Path] = []

    def assemble() -> None:
        made.append(lang_dir.assemble(interpreter, tmp_path / "store"))

    threads = [threading.Thread(target=assemble) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 3
    assert len(set(made)) == 1
    assert os.listdir(tmp_path / "store") == [made[0].name]
    before = made[0].stat().st_mtime_ns
    assert lang_dir.assemble(interpreter, tmp_path / "store") == made[0]
    assert made[0].stat().st_mtime_ns == before


def test_copies_where_a_link_would_not_be_readable(tmp_path):
    source = tmp_path / "private"
    source.write_text("x")
    source.chmod(0o600)
    os.utime(source, (1, 1))
    lang_dir.place(source, tmp_path / "shown")
    shown = (tmp_path / "shown").stat()
    assert shown.st_ino != source.stat().st_ino
    assert shown.st_mode & 0o444 == 0o444
    assert shown.st_mtime == 1
    assert source.stat().st_mode & 0o777 == 0o600
