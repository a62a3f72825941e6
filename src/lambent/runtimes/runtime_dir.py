"""Makes the folder that a sandbox shows at /var/runtime, one per Python version.

It holds our runtime (`python/`), and boto3 with all it needs and snapshot_restore_py, taken from
the server's own environment, where they are pinned and pure Python. A function's own copies win:
/var/runtime stands after them on the path. boto3 of today needs Python 3.10; on 3.9 the packages
that still support it are given, and a function that wants boto3 there brings its own.
Bytecode is compiled by the interpreter that will run it, with unchecked hashes, so that an import
asks the file system for nothing but the bytecode.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from lambent.errors import ConfigurationError
from lambent.runtimes.interpreters import Interpreter
from lambent.runtimes.lang_dir import place, publish

SOURCE: Final = Path(__file__).parent / "python"
PINNED: Final = (
    "boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3",
    "snapshot-restore-py",
)  # fmt: skip
COMPILE_S: Final = 300.0


def assemble(interpreter: Interpreter | str, store: Path) -> Path:
    """The folder for `interpreter` under `store`, made on first use; safe against other makers.

    Where this machine has no such interpreter, its minor version, `3.12`, gives sources alone.
    """
    minor = interpreter if isinstance(interpreter, str) else interpreter.minor
    version = interpreter if isinstance(interpreter, str) else interpreter.version
    given = _given_to(minor)
    final = store / f"runtime-{minor}-{_digest(version, given)}"
    if final.is_dir():
        return final
    store.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".making-", dir=store))
    try:
        _copy_runtime(work)
        for distribution in given:
            _copy_distribution(distribution, work)
        work.chmod(0o755)
        if isinstance(interpreter, Interpreter):
            _compile(interpreter, work)
        publish(work, final)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return final


def _given_to(minor: str) -> list[importlib.metadata.Distribution]:
    """The pinned packages that support this Python."""
    try:
        found = [importlib.metadata.distribution(name) for name in PINNED]
    except importlib.metadata.PackageNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is missing from lambent's own environment, so functions cannot have it",
            code="INSTALLATION_BROKEN",
            fix="install lambent again",
        ) from None
    return [each for each in found if _supports(each.metadata["Requires-Python"], minor)]


def _supports(requires: str | None, minor: str) -> bool:
    lowest = re.search(r">=\s*3\.(\d+)", requires or "")
    return lowest is None or int(lowest[1]) <= int(minor.split(".")[1])


def _digest(python: str, given: list[importlib.metadata.Distribution]) -> str:
    versions = [f"{each.metadata['Name']} {each.version}" for each in given]
    facts = [python, _source_digest(), *versions]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


@functools.cache
def _source_digest() -> str:
    """Of our runtime's own files; a server does not change while it runs."""
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(f"{path.relative_to(SOURCE)}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources() -> list[Path]:
    """`python/__init__.py` makes a package of the folder for our own tools only."""
    return sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def _copy_runtime(work: Path) -> None:
    for path in _sources():
        to = work / path.relative_to(SOURCE)
        _make_folder(to.parent, work)
        shutil.copyfile(path, to)
        to.chmod(0o644)


def _copy_distribution(distribution: importlib.metadata.Distribution, work: Path) -> None:
    """A package's modules and data, and of its dist-info what `importlib.metadata` reads."""
    for file in distribution.files or ():
        parts = file.parts
        if ".." in parts or "__pycache__" in parts or file.suffix == ".so":
            continue
        if parts[0].endswith(".dist-info") and file.name != "METADATA":
            continue
        to = work.joinpath(*parts)
        _make_folder(to.parent, work)
        place(Path(str(distribution.locate_file(file))), to)


def _make_folder(folder: Path, root: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    while folder != root:  # readable whatever the server's umask is
        folder.chmod(0o755)
        folder = folder.parent


def _compile(interpreter: Interpreter, work: Path) -> None:
    """Without bytecode everything still works, only slower; so a failure here is no failure."""
    subprocess.run(
        [interpreter.executable, "-I", "-S", "-m", "compileall", "-q", "-j0", "-s", work,
         "-p", "/var/runtime", "--invalidation-mode", "unchecked-hash", work],
        check=False,
        timeout=COMPILE_S,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
    )  # fmt: skip
