"""Fetched packages below MODEL_CACHE_DIR: complete or absent, fetched once, within a size.

Everything that is ours lies in `.lambent/` there; what stands beside it is the owner's (the
original's layout, say) and is only ever read. A package is filled in a `.partial` folder, which
survives a crash so that the next attempt goes on where it ended, and is renamed when its checksums
hold. A lock file per package keeps other threads and processes waiting meanwhile, and keeps eviction
away from what is being loaded.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from lambent_inference.errors import BrokenPackage, ServiceMisconfigured
from lambent_inference.models import package
from lambent_inference.models.package import Manifest, Package

OURS: Final = ".lambent"
Fill = Callable[[Path], None]


class Cache:
    """Blocking; from any thread of any process."""

    def __init__(self, folder: Path, *, max_mb: int = 0) -> None:
        self.folder = folder / OURS
        self.max_bytes = max_mb * 1_000_000

    @contextlib.contextmanager
    def held(self, key: str, fill: Fill, *, size_bytes: int = 0) -> Iterator[Package]:
        """The package under `key`, verified and safe from eviction for as long as the block lasts.

        `fill` gets a folder that may hold what an earlier attempt left, and must leave a whole
        package with its model.json there. Raises what `fill` raises, and BrokenPackage.
        """
        place = self._place(key)
        with self._locked(place):
            found = self._intact(place)
            if found is None:
                shutil.rmtree(place, ignore_errors=True)
                self._make_room(size_bytes, keep=place)
                found = self._fetched(place, fill)
            os.utime(place)
            yield Package(found, place)

    def drop(self, key: str) -> None:
        """Forget a package; waits for whoever is loading it."""
        place = self._place(key)
        if not place.parent.exists():
            return
        with self._locked(place):
            shutil.rmtree(place, ignore_errors=True)
            shutil.rmtree(_partial(place), ignore_errors=True)

    def clear(self) -> None:
        for place in self._places():
            self.drop(place.name)

    def size_bytes(self) -> int:
        return sum(_size(place) for place in self._places())

    def _place(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()[:40] if not _is_name(key) else key
        return self.folder / name

    def _intact(self, place: Path) -> Manifest | None:
        if not place.is_dir():
            return None
        try:
            manifest = package.read(place)
            package.verify(manifest, place)
        except BrokenPackage:
            return None
        return manifest

    def _fetched(self, place: Path, fill: Fill) -> Manifest:
        partial = _partial(place)
        try:
            partial.mkdir(parents=True, exist_ok=True)
            fill(partial)
            manifest = package.read(partial)
            package.verify(manifest, partial)
        except BrokenPackage:
            shutil.rmtree(partial, ignore_errors=True)  # going on from it would break again
            raise
        except OSError as error:
            raise ServiceMisconfigured(detail=f"{place}: {error}") from error
        partial.rename(place)
        return manifest

    def _make_room(self, wanted: int, *, keep: Path) -> None:
        """Delete the least recently used ones; those that somebody holds are passed over."""
        if not self.max_bytes:
            return
        places = sorted(self._places(), key=lambda place: place.stat().st_mtime)
        total = wanted + sum(_size(place) for place in places)
        for place in places:
            if total <= self.max_bytes:
                return
            size = _size(place)
            if place != keep and self._dropped_if_idle(place):
                total -= size

    def _dropped_if_idle(self, place: Path) -> bool:
        try:
            with self._locked(place, wait=False):
                shutil.rmtree(place, ignore_errors=True)
                shutil.rmtree(_partial(place), ignore_errors=True)
        except BlockingIOError:
            return False
        return True

    def _places(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [one for one in self.folder.iterdir() if one.is_dir() and _is_name(one.name)]

    @contextlib.contextmanager
    def _locked(self, place: Path, *, wait: bool = True) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(place.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise ServiceMisconfigured(
                detail=f"MODEL_CACHE_DIR cannot be written: {error}"
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield
        finally:
            os.close(handle)


def _partial(place: Path) -> Path:
    return place.with_suffix(".partial")


def _is_name(name: str) -> bool:
    return len(name) == 40 and all(letter in "0123456789abcdef" for letter in name)


def _size(folder: Path) -> int:
    total = 0
    for one in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += one.stat().st_size
    return total
