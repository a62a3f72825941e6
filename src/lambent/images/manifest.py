"""What an image consists of: its configuration and its layers, whichever form it is kept in.

Three forms are read without any tool: an OCI layout folder, the `dir:` folder that skopeo makes,
and a docker archive (`docker save`). The next step is `unpack`.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from lambent.images.files import regular
from lambent.images.problem import ImageError

MOST_LAYERS: Final = 127
SIZE_LIMIT: Final = 10 << 30
"""AWS: 10 GB uncompressed, all layers together."""
MOST_JSON: Final = 8 << 20
_INDEXES: Final = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
_PLATFORMS: Final = {"x86_64": "amd64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Config:
    """What the image says of how it is run; the Docker words Entrypoint, Cmd, WorkingDir, Env."""

    entry_point: tuple[str, ...]
    command: tuple[str, ...]
    working_directory: str
    environment: dict[str, str]
    architecture: str = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer's tar, perhaps compressed: a file, or a member of a docker archive."""

    path: Path
    member: str = ""
    digest: str = ""
    """sha256 in hexadecimal of the file, to be verified; empty where the form has none."""
    media_type: str = ""
    """As the manifest has it; empty where there is no manifest."""

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        if not self.member:
            with regular(self.path) as file:
                yield file
            return
        with regular(self.path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            inner = archive.extractfile(self.member)
            if inner is None:
                raise ImageError(f"the archive's layer {self.member} is not a file")
            yield inner


@dataclass(frozen=True, slots=True)
class Image:
    config: Config
    layers: tuple[Layer, ...]
    document: Mapping[str, Any] = field(default_factory=dict)
    """The whole configuration, as an image that is built on this one needs it."""


def go_architecture(architecture: str) -> str:
    """AWS's word for a processor in Go's, which images use."""
    return _PLATFORMS.get(architecture, architecture)


@contextmanager
def _described(what: str) -> Iterator[None]:
    """Descriptions come from anywhere: one of another form is an image that is not valid."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise ImageError(f"{what} is not described as images are: {error!r}") from None


def layout_digest(folder: Path, tag: str) -> str:
    """The digest that a tag has now; without a tag the layout must hold one image."""
    with _described(f"the layout {folder}"):
        entries = _json(folder / "index.json").get("manifests", [])
        if tag:
            entries = [e for e in entries if tag_of(e) == tag or tag_of(e).endswith(f":{tag}")]
        if len(entries) != 1:
            what = f"{len(entries)} images" + (f" with the tag {tag}" if tag else "")
            raise ImageError(f"the layout {folder} has {what}; name one by its tag")
        return _hex(entries[0]["digest"])


def tag_of(entry: dict[str, Any]) -> str:
    return str((entry.get("annotations") or {}).get("org.opencontainers.image.ref.name", ""))


def read_layout(folder: Path, digest: str, architecture: str) -> Image:
    """The image with this digest (of a manifest, or of an index of several)."""

    def blob(name: str) -> Path:
        return folder / "blobs" / "sha256" / _hex(name)

    with _described(f"the image {digest[:19]}"):
        manifest = _verified_json(blob(digest), digest)
        if manifest.get("mediaType") in _INDEXES or "manifests" in manifest:
            chosen = _for_platform(manifest, architecture)
            manifest = _verified_json(blob(chosen), chosen)
        return _image(manifest, blob)


def read_dir(folder: Path) -> Image:
    """What skopeo has written (`dir:`), digests already verified."""
    with _described("the image"):
        return _image(_json(folder / "manifest.json"), lambda name: folder / _hex(name))


def _image(manifest: dict[str, Any], blob: Any) -> Image:
    layers = [
        (str(layer["digest"]), str(layer.get("mediaType", ""))) for layer in manifest["layers"]
    ]
    named = str(manifest["config"]["digest"])
    document = _verified_json(blob(named), named)
    found = tuple(Layer(blob(d), digest=_hex(d), media_type=kind) for d, kind in layers)
    return _checked(Image(_config(document), found, document))


def archive_digest(path: Path, reference: str = "") -> str:
    """A docker archive has no manifest with a digest; that of its configuration names it."""
    _, content = _archive_parts(path, reference)
    return hashlib.sha256(content).hexdigest()


def read_archive(path: Path, reference: str = "") -> Image:
    entry, content = _archive_parts(path, reference)
    with _described(str(path)):
        layers = tuple(Layer(path, member=str(name)) for name in entry["Layers"])
        document = _object(content, str(path))
        return _checked(Image(_config(document), layers, document))


def _archive_parts(path: Path, reference: str) -> tuple[dict[str, Any], bytes]:
    try:
        with regular(path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            entries = json.loads(_member(archive, "manifest.json"))
            if reference:
                entries = [e for e in entries if reference in (e.get("RepoTags") or ())]
            if len(entries) != 1:
                raise ImageError(f"{path} has {len(entries)} such images; name one by its tag")
            return entries[0], _member(archive, entries[0]["Config"])
    except (tarfile.TarError, KeyError, TypeError, ValueError, OSError) as error:
        raise ImageError(f"{path} is no docker archive: {error}") from None


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise ImageError(f"{name} in the archive is not a file")
    return file.read(MOST_JSON)


def _for_platform(index: dict[str, Any], architecture: str) -> str:
    wanted = go_architecture(architecture)
    for entry in index["manifests"]:
        platform = entry.get("platform") or {}
        if platform.get("architecture") == wanted and platform.get("os", "linux") == "linux":
            return str(entry["digest"])
    raise ImageError(f"the image has no variant for linux/{wanted}")


def _config(document: dict[str, Any]) -> Config:
    said = document.get("config") or {}
    pairs = (entry.partition("=") for entry in _words(said.get("Env")))
    return Config(
        entry_point=_words(said.get("Entrypoint")),
        command=_words(said.get("Cmd")),
        working_directory=str(said.get("WorkingDir") or "/"),
        environment={name: value for name, _, value in pairs},
        architecture=str(document.get("architecture", "")),
    )


def _words(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list | None):
        raise TypeError(f"{given!r} is no list of words")
    return tuple(map(str, given or ()))


def _checked(image: Image) -> Image:
    if len(image.layers) > MOST_LAYERS:
        raise ImageError(f"the image has {len(image.layers)} layers; {MOST_LAYERS} are allowed")
    return image


def _hex(digest: str) -> str:
    algorithm, _, value = digest.rpartition(":")
    if algorithm not in {"", "sha256"} or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise ImageError(f"{digest!r} is no SHA-256 digest")
    return value


def _verified_json(path: Path, digest: str) -> dict[str, Any]:
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != _hex(digest):
        raise ImageError(f"{path.name} does not have the content that its digest says")
    return _object(content, path.name)


def _json(path: Path) -> dict[str, Any]:
    return _object(_read(path), str(path))


def _read(path: Path) -> bytes:
    with regular(path) as file:
        return file.read(MOST_JSON)


def _object(content: bytes, name: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        raise ImageError(f"{name} is not JSON") from None
    if not isinstance(found, dict):
        raise ImageError(f"{name} is not a JSON object")
    return found
