"""`file://`: folders of the owner, used where they are and never written to.

Either one package (a folder with model.json, or an archive), or many below `<id>/<version>/`; a folder
in the original's layout counts as a package wherever it stands, MODEL_CACHE_DIR itself included.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lambent_inference.errors import BrokenPackage
from lambent_inference.models import archives, index, original, package
from lambent_inference.models.cache import Cache
from lambent_inference.models.package import MANIFEST, Manifest, Package
from lambent_inference.models.registries.source import Found, local_path

DEPTH_MAX = 3


class Folder:
    """Many packages below one folder, or one."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.root = local_path(uri)

    def find(self, model_id: str, api_key: str | None) -> Found | None:
        del api_key
        if (self.root / MANIFEST).is_file():
            manifest = package.read(self.root)
            return self._found(self.root, manifest.model_id) if named(manifest, model_id) else None
        known = self.index()
        resolved = known.resolve(model_id)
        if resolved is None:
            return None
        name = "/".join(resolved)
        folder = self.root / name
        if not folder.resolve().is_relative_to(self.root.resolve()):
            raise BrokenPackage(detail=f"{name} leads out of {self.root}")
        return self._found(folder, name)

    def index(self) -> index.Index:
        """What lies there; names of an index.json are added to it."""
        known = index.Index()
        if (self.root / index.INDEX).is_file():
            known = index.decode((self.root / index.INDEX).read_bytes())
        written = {(name, version) for name, m in known.models.items() for version in m.versions}
        for model_id, manifest in self._scan():
            name, _, version = model_id.rpartition("/")
            if (name, version) not in written:
                _add(known, name, version, manifest)
        return known

    def _scan(self) -> Iterator[tuple[str, Manifest | None]]:
        """Every package's id from where it lies, and its manifest where that can be read."""
        for folder in _folders(self.root, DEPTH_MAX):
            model_id = folder.relative_to(self.root).as_posix()
            if "/" not in model_id:
                continue
            if (folder / MANIFEST).is_file():
                try:
                    yield model_id, package.read(folder)
                except BrokenPackage:
                    yield model_id, None
            elif original.is_original(folder):
                yield model_id, None

    def _found(self, folder: Path, model_id: str) -> Found:
        return Found(model_id, lambda: self._held(folder, model_id))

    @contextlib.contextmanager
    def _held(self, folder: Path, model_id: str) -> Iterator[Package]:
        if (folder / MANIFEST).is_file():
            manifest = package.read(folder)
            package.verify(manifest, folder)
        else:
            manifest = original.read(folder, model_id)
        if manifest.model_id != model_id:
            raise BrokenPackage(detail=f"{folder} holds {manifest.model_id}")
        yield Package(manifest, folder)


def _add(known: index.Index, name: str, version: str, manifest: Manifest | None) -> None:
    model = known.models.setdefault(name, index.Model())
    model.versions[version] = {}
    model.latest = max(model.versions, key=index.natural)
    if manifest is not None:
        known.add(manifest, latest=model.latest == version)


def _folders(root: Path, depth: int) -> Iterator[Path]:
    try:
        children = sorted(one for one in root.iterdir() if one.is_dir())
    except OSError:
        return
    for child in children:
        if not package.VERSION.fullmatch(child.name):
            continue
        yield child
        if depth > 1:
            yield from _folders(child, depth - 1)


def named(manifest: Manifest, name: str) -> bool:
    """Whether a name means this one package."""
    names = {manifest.model_id, manifest.id, f"{manifest.id}/{index.LATEST}", *manifest.aliases}
    return name in names


class Archive:
    """One package as a file of the owner; it is unpacked into the cache."""

    def __init__(self, uri: str, cache: Cache) -> None:
        self.uri = uri
        self.path = local_path(uri)
        self._cache = cache

    def find(self, model_id: str, api_key: str | None) -> Found | None:
        del api_key
        key = self._key()
        with self.held(key) as held:
            manifest = held.manifest
        if not named(manifest, model_id):
            return None
        return Found(
            manifest.model_id, lambda: self.held(key), forget=lambda: self._cache.drop(key)
        )

    def _key(self) -> str:
        try:
            state = self.path.stat()
        except OSError as error:
            raise BrokenPackage(detail=str(error)) from error
        return f"{self.uri}#{state.st_size}#{state.st_mtime_ns}"

    @contextlib.contextmanager
    def held(self, key: str | None = None) -> Iterator[Package]:
        """The package, under whichever name."""

        def fill(folder: Path) -> None:
            for old in folder.rglob("*"):
                if old.is_file():
                    old.unlink()  # from an attempt that was cut short
            archives.unpack(self.path, folder)

        with self._cache.held(key or self._key(), fill) as found:
            yield found
