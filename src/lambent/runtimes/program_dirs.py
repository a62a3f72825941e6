"""Makes what a sandbox shows at /var/lang and /var/runtime for Node.js and Ruby.

/var/lang holds the interpreter alone: Node.js's is linked (copied where links are refused), the
distribution's Ruby is a link into /usr, which every sandbox shows. /var/runtime holds our runtime,
and for Node.js the `node_modules` that the owner wants there (AWS has its SDK in that place).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

from lambent.runtimes.lang_dir import place, publish
from lambent.runtimes.programs import Program

HERE: Final = Path(__file__).parent
Family = Literal["node", "ruby"]


def lang_dir(program: Program, name: Family, store: Path) -> Path:
    """The folder for `program` under `store`, made on first use; safe against other makers."""
    stat = program.executable.stat()
    facts = f"{program.executable} {stat.st_size} {stat.st_mtime_ns}"

    def fill(work: Path) -> None:
        binaries = work / "bin"
        binaries.mkdir()
        binaries.chmod(0o755)
        if program.executable.is_relative_to("/usr"):
            (binaries / name).symlink_to(program.executable)
        else:
            place(program.executable, binaries / name)

    return _made(store, f"{name}{program.version}", facts, fill)


def runtime_dir(name: Family, store: Path, modules: Path | None = None) -> Path:
    """The folder with our runtime, and `modules` as its node_modules."""
    sources = [path for path in sorted((HERE / name).rglob("*")) if path.is_file()]
    facts = [f"{path.relative_to(HERE)} {path.read_bytes()!r}" for path in sources]
    for path in _tree(modules):
        stat = path.lstat()
        facts.append(f"{path} {stat.st_size} {stat.st_mtime_ns}")

    def fill(work: Path) -> None:
        for path in sources:
            to = work / path.relative_to(HERE / name)
            _folder(to.parent)
            shutil.copyfile(path, to)
            to.chmod(0o644)
        if modules is not None:
            _place_tree(modules, work / "node_modules")

    return _made(store, f"runtime-{name}", "\n".join(facts), fill)


def _made(store: Path, stem: str, facts: str, fill: Callable[[Path], None]) -> Path:
    final = store / f"{stem}-{hashlib.sha256(facts.encode()).hexdigest()[:16]}"
    if final.is_dir():
        return final
    store.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".making-", dir=store))
    try:
        fill(work)
        work.chmod(0o755)
        publish(work, final)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return final


def _tree(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield from sorted(folder.rglob("*"))


def _place_tree(source: Path, to: Path) -> None:
    """Files by hard links; links stay links, for packages refer to each other by them."""
    _folder(to)
    with os.scandir(source) as entries:
        for entry in entries:
            target = to / entry.name
            if entry.is_symlink():
                target.symlink_to(Path(entry.path).readlink())
            elif entry.is_dir():
                _place_tree(Path(entry.path), target)
            elif entry.is_file():
                place(Path(entry.path), target)


def _folder(path: Path) -> None:
    """Readable whatever the server's umask is."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)
