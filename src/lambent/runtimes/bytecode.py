"""Bytecode for packages that came without: a second tree beside the unpacked one.

    <trees>/<sha256>/                      what the zip held; never touched
    <trees>/<sha256>.python3.12/           the same files (hard links) and the bytecode they lacked
    <trees>/<sha256>.python3.12 → <sha256> nothing was missing
    <trees>/<sha256>.python3.12.making/    half of it; made anew by the next attempt

The second tree takes its name when it is complete and on the disk, so whoever sees it may use it,
and an environment sees one tree or the other, never a change (docs/decisions/0005). What compiles
is `python/lambent_runtime/compile_sources.py`, in a sandbox (engine/bytecode.py); what it answers
is foreign: it decides the bytes of its own package's bytecode, and nothing else. Blocking
throughout; the store deletes these trees with their package.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from lambent.store.artifacts import flush_file_system

FOLDER: Final = "__pycache__"
LARGEST_PYC: Final = 64 * 1024 * 1024
MOST: Final = 262_144_000
"""Bytes of bytecode for one package: a short source can compile to a thousand times its size."""
MOST_SKIPPED: Final = 5
"""Sources that end the compiler; after so many the rest is left as it is."""
NO_PLACE: Final = frozenset({errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOTDIR})
"""The package has something else where the bytecode would stand, or too long a name."""


def compiled(tree: Path, runtime: str) -> Path:
    """Where the tree with bytecode for `python3.x` is, once it has been made."""
    return tree.with_name(f"{tree.name}.{runtime}")


def best(tree: Path, runtime: str) -> Path:
    """The folder to run from: with bytecode if there is such a tree by now."""
    made = compiled(tree, runtime)
    try:
        return made if stat.S_ISDIR(made.lstat().st_mode) else tree
    except OSError:
        return tree


class Compilation:
    """The making of one tree for one Python version: `remaining` → `receive` … → `publish`."""

    def __init__(self, tree: Path, runtime: str) -> None:
        self._tree = tree
        self._final = compiled(tree, runtime)
        self._work = self._final.with_name(f"{self._final.name}.making")
        self._suffix = f".cpython-{runtime.removeprefix('python').replace('.', '')}.pyc"
        self._names: list[bytes] = []
        self._next = 0
        self._skipped = 0
        self._bytes = 0
        self.files = 0
        """How many were compiled."""

    def open(self) -> bool:
        """Find the sources; False when this tree has been made already."""
        if self._final.is_symlink() or self._final.is_dir():
            return False
        self.discard()
        self._names = sorted(_sources(os.fsencode(self._tree)))
        return True

    def remaining(self) -> bytes:
        """The names to be compiled yet, for the compiler's standard input; empty when all are."""
        return b"\0".join(self._names[self._next :])

    def receive(self, stream: BinaryIO) -> None:
        """Take what a compiler says until it ends; closes the stream.

        A compiler that ends early died of a source, which is passed over.
        """
        with stream:
            while self._next < len(self._names):
                pyc = self._frame(stream)
                if pyc is None:
                    self._skip()
                    return
                if pyc:
                    self._place(self._names[self._next], pyc)
                self._next += 1

    def _frame(self, stream: BinaryIO) -> bytes | None:
        """The answer for one source, b"" if it needs none; None at the end, and for nonsense."""
        head = stream.read(4)
        size = int.from_bytes(head, "big")
        if len(head) < 4 or size > LARGEST_PYC:
            return None
        body = stream.read(size)
        return body if len(body) == size else None

    def _skip(self) -> None:
        self._skipped += 1
        self._next = len(self._names) if self._skipped >= MOST_SKIPPED else self._next + 1

    def _place(self, name: bytes, pyc: bytes) -> None:
        self._bytes += len(pyc)
        if self._bytes > MOST:
            self._next = len(self._names)
            return
        if not self._work.is_dir():
            _link(self._tree, self._work)
        folder, _, file = os.fsdecode(name).rpartition("/")
        try:
            _write(self._work / folder / FOLDER, f"{file[:-3]}{self._suffix}", pyc)
        except OSError as error:
            if error.errno not in NO_PLACE:
                raise
        else:
            self.files += 1

    def publish(self) -> None:
        """Give what was made its name, once it is on the disk."""
        if not self._work.is_dir():
            self._final.symlink_to(self._tree.name)
            return
        flush_file_system(self._work)
        self._work.rename(self._final)

    def discard(self) -> None:
        """Remove what is half made."""
        shutil.rmtree(self._work, ignore_errors=True)


def _sources(tree: bytes) -> Iterator[bytes]:
    """The package's sources by their names in it; what links lead to is found at its own place."""
    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(os.path.join(tree, folder)) as entries:  # noqa: PTH118  bytes: names are foreign
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != FOLDER.encode():
                        waiting.append(folder + entry.name + b"/")
                elif (
                    entry.name.endswith(b".py")
                    and not entry.name.startswith(b".")
                    and entry.is_file(follow_symlinks=False)
                ):
                    yield folder + entry.name


def _link(source: Path, to: Path) -> None:
    """The same tree once more, its files shared."""
    to.mkdir()
    waiting = [(source, to)]
    while waiting:
        old, new = waiting.pop()
        new.chmod(0o755)
        with os.scandir(old) as entries:
            for entry in entries:
                place = new / entry.name
                if entry.is_symlink():
                    place.symlink_to(os.readlink(entry.path))  # noqa: PTH115  as text: a Path would change it
                elif entry.is_dir():
                    place.mkdir()
                    waiting.append((Path(entry.path), place))
                else:
                    _share(Path(entry.path), place)


def _share(source: Path, to: Path) -> None:
    try:
        to.hardlink_to(source)
    except OSError:  # a file system without links, or too many of them
        shutil.copy2(source, to)


def _write(cache: Path, name: str, pyc: bytes) -> None:
    """A file of our own: what stands there is stale, and shared with the package's tree."""
    if cache.is_symlink():
        raise FileExistsError(errno.EEXIST, "a link", str(cache))
    cache.mkdir(exist_ok=True)
    cache.chmod(0o755)
    file = cache / name
    file.unlink(missing_ok=True)
    with file.open("xb") as out:
        out.write(pyc)
    file.chmod(0o644)
