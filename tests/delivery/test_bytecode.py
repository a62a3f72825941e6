import marshal
import struct
import sys
from pathlib import Path

from lambent.delivery import bytecode

PYTHON = Path(sys.executable)
TAG = sys.implementation.cache_tag


def test_unchecked_hash_and_path_of_the_function(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "mod.py").write_text("x = 1\n")
    assert bytecode.compile_tree(PYTHON, tmp_path, ["pkg/mod.py", "data.txt"]) == {}
    raw = (tmp_path / "pkg" / "__pycache__" / f"mod.{TAG}.pyc").read_bytes()
    (flags,) = struct.unpack_from("<I", raw, 4)
    assert flags == 0b01  # hash-based, not checked (PEP 552)
    assert marshal.loads(raw[16:]).co_filename == "/var/task/pkg/mod.py"


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        root = tmp_path / name
        root.mkdir()
        for i in range(7):
            text = f"NAMES = {{'a{i}', 'b', 'c', 'd'}}\ndef f(self, a{i}): return a{i} in {{'x', 'y', 'z'}}\n"
            (root / f"m{i}.py").write_text(text)
        bytecode.compile_tree(PYTHON, root, [f"m{i}.py" for i in range(7)])
        found.append({p.name: p.read_bytes() for p in (root / "__pycache__").iterdir()})
    assert found[0] == found[1]
    assert len(found[0]) == 7


def test_a_file_that_does_not_compile_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("print 'old'\n")
    (tmp_path / "good.py").write_text("x = 1\n")
    failures = bytecode.compile_tree(PYTHON, tmp_path, ["bad.py", "good.py"])
    assert list(failures) == ["bad.py"]
    assert (tmp_path / "__pycache__" / f"good.{TAG}.pyc").is_file()
