"""Code packages on disk, named by the SHA-256 of their zip, each unpacked once.

    <root>/packages/<sha256>.zip    what was uploaded, for downloads and for mending
    <root>/trees/<sha256>/          unpacked; the sandbox shows it at /var/task
    <root>/trees/<sha256>.flushed   the tree has reached the disk
    <root>/trees/<sha256>.*         what else was made from it (runtimes/bytecode.py); goes with it
    <root>/incoming/                half-made; emptied at every start

Everything is made in `incoming` and renamed into place, so a name that exists is whole after
`kill -9`. The zip is flushed before it is acknowledged; the tree, which can be made again from it,
is flushed behind the answer, and a start after a power cut makes those again that had not been.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from lambent.store.unpack import unpack, unpacked_size

T = TypeVar("T")

_libc = ctypes.CDLL(None, use_errno=True)


class Package(NamedTuple):
    """An uploaded zip that has been accepted."""

    sha256: str
    """Hexadecimal."""
    size: int
    """Bytes of the zip."""
    unpacked: int
    """Bytes of what is in it."""


class Artifacts:
    """The store of packages below `root`; safe for many requests at once."""

    def __init__(self, root: Path, *, threads: int = 2) -> None:
        self._packages = root / "packages"
        self._trees = root / "trees"
        self._incoming = root / "incoming"
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="lambent-code")
        self._placing = threading.Lock()
        self._counter = 0

    async def open(self) -> None:
        """Make the folders, and remove what an earlier process left half-made."""
        await self._run(self._open)

    async def close(self) -> None:
        """Wait for unpacking and flushing that is under way."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)

    def package(self, sha256: str) -> Path:
        return self._packages / f"{sha256}.zip"

    def tree(self, sha256: str) -> Path:
        return self._trees / sha256

    def incoming(self) -> Path:
        """A fresh name for a download in progress, on the same file system as the packages."""
        with self._placing:
            self._counter += 1
            return self._incoming / f"{os.getpid()}-{self._counter}"

    async def put(self, package: bytes | Path) -> Package:
        """Keep and unpack a zip: its bytes, or a file from `incoming()`, which is consumed.

        Raises what `unpack.unpack` raises; nothing is kept then.
        """
        return await self._run(lambda: self._put(package))

    async def inspect(self, sha256: str, work: Callable[[Path], T]) -> T:
        """What `work`, which may block, makes of a package that is held."""
        return await self._run(lambda: work(self.package(sha256)))

    def fill_tree(self, sha256: str, fill: Callable[[Path], None]) -> None:
        """A tree without a package: what `fill` puts into an empty folder, whole or not at all.

        Blocking; of two at once the second finds the place taken.
        """
        if self._is_whole(sha256):
            return
        staged = self.incoming()
        staged.mkdir(0o755)
        try:
            fill(staged)
            flush_file_system(staged)
            with self._placing:
                if not self._is_whole(sha256):
                    staged.rename(self.tree(sha256))
                    self._flushed(sha256).touch()
        finally:
            if staged.exists():
                _delete(staged)

    def used(self, sha256: str, moment_s: float) -> float | None:
        """When a tree was last used, wall time; `moment_s` is noted if it is later. Blocking.

        None where there is no such tree. A tree that nobody has used counts from its making.
        """
        mark = self._trees / f"{sha256}.used"
        with contextlib.suppress(FileNotFoundError):
            known = self.tree(sha256).stat().st_ctime
            with contextlib.suppress(FileNotFoundError):
                known = max(known, mark.stat().st_mtime)
            if moment_s > known:
                mark.touch()
                os.utime(mark, (moment_s, moment_s))
                known = moment_s
            return known
        return None

    async def ensure(self, sha256: str) -> bool:
        """Make the unpacked tree again if it is missing or may be incomplete; False without a zip."""
        return await self._run(lambda: self._ensure(sha256))

    async def remove(self, sha256: str) -> None:
        """Delete a package and its tree. The caller knows that nothing refers to them."""
        await self._run(lambda: self._remove(sha256))

    async def sweep(self, keep: Iterable[str]) -> list[str]:
        """Delete every package that is not in `keep`; only while nothing runs, so at start."""
        kept = frozenset(keep)
        return await self._run(lambda: self._sweep(kept))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _open(self) -> None:
        # Traversable, not listable: functions run under other users and see single trees.
        self._incoming.parent.mkdir(parents=True, exist_ok=True)
        for folder, mode in (
            (self._packages, 0o700),
            (self._trees, 0o711),
            (self._incoming, 0o700),
        ):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
        for left in self._incoming.iterdir():
            _delete(left)

    def _put(self, package: bytes | Path) -> Package:
        staged = package if isinstance(package, Path) else self.incoming()
        try:
            if isinstance(package, bytes):
                staged.write_bytes(package)
            sha256 = _digest(staged)
            known = self._is_whole(sha256)
            unpacked = unpacked_size(staged) if known else self._unpack(staged, sha256)
            kept = Package(sha256, staged.stat().st_size, unpacked)
            self._place_package(staged, sha256)
        finally:
            staged.unlink(missing_ok=True)
        return kept

    def _is_whole(self, sha256: str) -> bool:
        return self.tree(sha256).is_dir()

    def _unpack(self, zipped: Path, sha256: str) -> int:
        """Unpack beside, then rename; of two at once the second finds the place taken.

        Returns how many bytes it held.
        """
        staged = self.incoming()
        staged.mkdir(0o700)
        try:
            size = unpack(zipped, staged)
            with self._placing:
                if not self._is_whole(sha256):
                    staged.rename(self.tree(sha256))
        finally:
            _delete(staged)
        with contextlib.suppress(
            RuntimeError
        ):  # closing: the next start flushes it or unpacks anew
            self._threads.submit(self._flush_tree, sha256)
        return size

    def _place_package(self, staged: Path, sha256: str) -> None:
        """After the tree: a package that exists has one, unless the power was cut."""
        target = self.package(sha256)
        with self._placing:
            if target.exists():
                return
        _flush(staged)
        staged.replace(target)
        _flush(self._packages)

    def _flush_tree(self, sha256: str) -> None:
        """One flush of the file system costs less than one for each of thousands of files."""
        try:
            flush_file_system(self.tree(sha256))
        except OSError:
            return  # removed meanwhile, or refused by the disk: the next start unpacks it anew
        with self._placing:
            if self._is_whole(sha256):
                self._flushed(sha256).touch()

    def _flushed(self, sha256: str) -> Path:
        return self._trees / f"{sha256}.flushed"

    def _ensure(self, sha256: str) -> bool:
        if self._is_whole(sha256) and self._flushed(sha256).exists():
            return True
        if not self.package(sha256).exists():
            return False
        with self._placing:
            self._discard_tree(sha256)
        self._unpack(self.package(sha256), sha256)
        return True

    def _discard_tree(self, sha256: str) -> None:
        self._flushed(sha256).unlink(missing_ok=True)
        for tree in (*self._trees.glob(f"{sha256}.*"), self.tree(sha256)):
            self._counter += 1
            doomed = self._incoming / f"{os.getpid()}-{self._counter}"
            with contextlib.suppress(FileNotFoundError):
                tree.rename(doomed)
                _delete(doomed)

    def _remove(self, sha256: str) -> None:
        with self._placing:
            self.package(sha256).unlink(missing_ok=True)
            self._discard_tree(sha256)

    def _sweep(self, keep: frozenset[str]) -> list[str]:
        found = {file.stem for file in self._packages.iterdir()}
        found |= {entry.name.partition(".")[0] for entry in self._trees.iterdir()}
        doomed = sorted(found - keep)
        for sha256 in doomed:
            self._remove(sha256)
        return doomed


def flush_file_system(folder: Path) -> None:
    """Return once everything below `folder` is on the disk; for thousands of files at once."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        if _libc.syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), "syncfs")
    finally:
        os.close(descriptor)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
