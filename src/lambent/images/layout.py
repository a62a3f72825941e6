"""OCI layout folders as they are written: blobs by their digest, and an index of tags.

    <folder>/oci-layout  index.json  blobs/sha256/<digest>

A blob is written beside its place and renamed, and the index last, so that what a tag names is
always whole. (OCI image layout specification 1.0.)
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lambent.images.manifest import tag_of
from lambent.images.problem import ImageError

KIND: Final = "application/vnd.oci.image"
MANIFEST: Final = f"{KIND}.manifest.v1+json"
CONFIG: Final = f"{KIND}.config.v1+json"
LAYER: Final = f"{KIND}.layer.v1.tar"
LAYER_GZIP: Final = f"{LAYER}+gzip"
NAME: Final = "org.opencontainers.image.ref.name"


class LayoutWriter:
    """One layout folder, made where it is not there yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._blobs = folder / "blobs" / "sha256"
        if folder.exists() and any(folder.iterdir()) and not (folder / "oci-layout").is_file():
            raise ImageError(f"{folder} is a folder of something else, and no OCI layout")
        self._blobs.mkdir(parents=True, exist_ok=True)
        if not (folder / "oci-layout").is_file():
            _replace(folder / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes to this layout meanwhile."""
        with (self.folder / "oci-layout").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def add(self, content: bytes, media_type: str) -> dict[str, Any]:
        """Keep `content`; its descriptor."""
        digest = hashlib.sha256(content).hexdigest()
        if not (self._blobs / digest).is_file():
            _replace(self._blobs / digest, content)
        return _descriptor(digest, len(content), media_type)

    def add_json(self, document: Mapping[str, Any], media_type: str) -> dict[str, Any]:
        return self.add(canonical(document), media_type)

    def add_file(self, source: Path, digest: str, media_type: str) -> dict[str, Any]:
        """Keep a file whose digest is known: linked where that can be, else copied."""
        place = self._blobs / digest
        if not place.is_file():
            partial = self._blobs / f".{digest}.{os.getpid()}"
            partial.unlink(missing_ok=True)
            try:
                os.link(source, partial, follow_symlinks=True)
            except OSError:
                shutil.copyfile(source, partial)
            partial.replace(place)
        return _descriptor(digest, place.stat().st_size, media_type)

    def tag(self, name: str, manifest: Mapping[str, Any]) -> None:
        """Let a tag name this manifest, and drop blobs that nothing names any more."""
        entries = [e for e in self._index() if tag_of(e) != name]
        entries.append({**manifest, "annotations": {NAME: name}})
        entries.sort(key=tag_of)
        index = {"schemaVersion": 2, "mediaType": f"{KIND}.index.v1+json", "manifests": entries}
        _replace(self.folder / "index.json", canonical(index))
        self._sweep(entries)

    def _index(self) -> list[dict[str, Any]]:
        try:
            found = json.loads((self.folder / "index.json").read_bytes())
            return list(found["manifests"])
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError):
            raise ImageError(f"{self.folder}/index.json is no index of an OCI layout") from None

    def _sweep(self, entries: list[dict[str, Any]]) -> None:
        """Blobs of images that no tag names; where one cannot be read nothing is removed."""
        kept: set[str] = set()
        left = [str(entry["digest"]) for entry in entries]
        try:
            while left:
                digest = left.pop().removeprefix("sha256:")
                kept.add(digest)
                document = json.loads((self._blobs / digest).read_bytes())
                left += [str(each["digest"]) for each in document.get("manifests", ())]
                parts = (document.get("config"), *document.get("layers", ()))
                kept |= {str(part["digest"]).removeprefix("sha256:") for part in parts if part}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return
        for blob in self._blobs.iterdir():
            if blob.name not in kept:
                blob.unlink(missing_ok=True)


def canonical(document: Mapping[str, Any]) -> bytes:
    """JSON whose bytes depend on what it says alone."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _descriptor(digest: str, size: int, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}


def _replace(path: Path, content: bytes) -> None:
    """The whole content, or what was there."""
    fd, partial = tempfile.mkstemp(prefix=".", dir=path.parent)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        os.fchmod(fd, 0o644)
    Path(partial).replace(path)
