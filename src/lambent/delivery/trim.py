"""What of an installed package tree a function can use.

Left out: test modules and their data, what only compilers read, console scripts and installer notes. Kept:
everything that importlib.metadata reads, and all data files. The tree becomes the same on every
machine: RECORD loses the hashes of scripts that name this one.
"""

from __future__ import annotations

import csv
import io
import os
import re
from pathlib import Path

from lambent.delivery import bytecode, elf

_BUILD_ONLY = (".pyx", ".pxd", ".a")  # what compilers read; there is none on Lambda
_TEST = re.compile(r"test_.*\.py|.*_test\.py|conftest\.py")
_INSTALLER_FILES = frozenset({"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})


def files(tree: Path, python: Path | None) -> list[tuple[str, bytes, bool]]:
    """`(name, bytes, executable)` of what stays, with bytecode when `python` is given."""
    names = sorted(p.relative_to(tree).as_posix() for p in tree.rglob("*") if p.is_file())
    tests = _tests(names)
    kept = {name for name in names if name not in tests and _useful(tree, name)}
    if python is not None:
        bytecode.compile_tree(python, tree, kept)
        caches = (p.relative_to(tree).as_posix() for p in tree.rglob("__pycache__/*.pyc"))
        kept.update(caches)
    found = []
    for name in sorted(kept):
        path = tree / name
        raw = path.read_bytes()
        if path.name == "RECORD" and path.parent.name.endswith(".dist-info"):
            raw = _record(raw, kept)
        elif ".so" in path.name:
            raw = elf.blank_symbols(raw)
        found.append((name, raw, os.access(path, os.X_OK)))
    return found


def _tests(names: list[str]) -> set[str]:
    """Test modules, and the data beside them, in folders called `tests`.

    Other modules in such folders stay: numpy.testing imports one of numpy._core.tests.
    """
    folders = set()
    for name in names:
        folder, _, file = name.rpartition("/")
        if folder.rpartition("/")[2] == "tests" and _TEST.fullmatch(file):
            folders.add(folder + "/")
    return {
        name
        for name in names
        if any(name[: at + 1] in folders for at in _slashes(name))
        and (not name.endswith(".py") or _TEST.fullmatch(name.rpartition("/")[2]))
    }


def _slashes(name: str) -> list[int]:
    return [at for at, letter in enumerate(name) if letter == "/"]


def _useful(tree: Path, name: str) -> bool:
    parts = name.split("/")
    if parts[0] == ".lock" or "__pycache__" in parts or name.endswith(_BUILD_ONLY):
        return False
    if parts[0] == "bin":
        # Console scripts start with this machine's path to Python; real programs are kept.
        with (tree / name).open("rb") as file:
            return file.read(2) != b"#!"
    # METADATA, entry points, RECORD and licences stay: importlib.metadata reads them.
    return not (
        len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in _INSTALLER_FILES
    )


def _record(raw: bytes, kept: set[str]) -> bytes:
    """RECORD without what is left out, and without hashes, which name this machine's scripts."""
    rows = csv.reader(io.StringIO(raw.decode()))
    names = sorted({row[0] for row in rows if row} & kept)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([name, "", ""] for name in names)
    return out.getvalue().encode()
