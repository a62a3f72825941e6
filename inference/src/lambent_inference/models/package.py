"""The model package: a folder (or archive) with `model.json` and the files that it names.

`model.json` says what the model does and how its input is made, so that nothing about it is guessed
at load time; docs/models.md is its reference. Every file has its size and sha256 there. A folder in
the original's cache layout is read as a package too (`original.py`). Registries bring packages,
`tasks/` and `formats/` run them. Neither numpy nor onnxruntime is imported here.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

import msgspec

from lambent_inference.errors import BrokenPackage
from lambent_inference.models.contract import Family

MANIFEST: Final = "model.json"
FORMAT: Final = 1
NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*(/[A-Za-z0-9_][A-Za-z0-9_.\-]*){0,2}")
VERSION: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
MANIFEST_MAX_BYTES: Final = 8 << 20
CHUNK: Final = 1 << 20

Resize = Literal["stretch", "fit-black", "fit-white", "fit-grey", "shortest-crop", "none"]


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str
    size: int


class Crop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Per cent of the picture that is kept."""

    x_min: float = 0
    y_min: float = 0
    x_max: float = 100
    y_max: float = 100


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a picture becomes the model's tensor."""

    width: int | None = None
    """None where the graph says it."""
    height: int | None = None
    resize: Resize = "stretch"
    channels: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nchw", "nhwc"] = "nchw"
    scale: float = 255.0
    """Pixels are divided by it, then `mean` is taken away and the rest divided by `std`."""
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    grayscale: bool = False
    contrast: Literal["stretching", "histogram", "adaptive"] | None = None
    static_crop: Crop | None = None
    max_batch: int | None = None


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `default` and `best` stand for in a request."""

    confidence: float = 0.4
    best: float | None = None


class Skeleton(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The key points of one class, in the model's order."""

    keypoints: tuple[str, ...]


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature of a table, as `contract.Feature`."""

    name: str
    kind: Literal["number", "integer", "string", "boolean"] = "number"
    categories: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    required: bool = True


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`model.json`."""

    format: int = FORMAT
    id: str
    version: str
    task: Family
    family: str
    """The architecture, which decides the decoder: yolov8, yolo_nas, vit, clip, sklearn…"""
    input: Input = Input()
    classes: tuple[str, ...] = ()
    multi_label: bool = False
    activation: Literal["softmax", "sigmoid", "none"] | None = None
    """What still has to be applied to a classifier's outputs; None: what its family exports."""
    keypoints: tuple[Skeleton, ...] = ()
    features: tuple[Column, ...] = ()
    thresholds: Thresholds = Thresholds()
    aliases: tuple[str, ...] = ()
    licence: str | None = None
    model: str | None = None
    """The file that is loaded; None where there is but one that could be."""
    parts: dict[str, str] = {}
    """Further graphs by role: `visual`, `textual`."""
    tokenizer: str | None = None
    context_length: int = 77
    files: dict[str, File] = {}

    @property
    def model_id(self) -> str:
        return f"{self.id}/{self.version}"


@dataclass(frozen=True, slots=True)
class Package:
    """A manifest and the folder with its files, already verified."""

    manifest: Manifest
    folder: Path

    def path(self, name: str) -> Path:
        """A file of the package; raises BrokenPackage where it is not one."""
        return inside(self.folder, name)

    @property
    def size_bytes(self) -> int:
        return sum(one.size for one in self.manifest.files.values())


def parse(data: bytes) -> Manifest:
    """`model.json`, checked; raises BrokenPackage."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BrokenPackage(detail=f"{MANIFEST}: {error}") from error
    if manifest.format != FORMAT:
        raise BrokenPackage(detail=f"{MANIFEST}: format {manifest.format} is not known here")
    if not NAME.fullmatch(manifest.id) or not VERSION.fullmatch(manifest.version):
        raise BrokenPackage(detail=f"{MANIFEST}: {manifest.id!r}/{manifest.version!r} is no name")
    for name, file in manifest.files.items():
        checked_name(name)
        if file.size < 0 or not re.fullmatch(r"[0-9a-f]{64}", file.sha256):
            raise BrokenPackage(detail=f"{MANIFEST}: {name} has no valid size and sha256")
    for wanted in (manifest.model, manifest.tokenizer, *manifest.parts.values()):
        if wanted is not None and wanted not in manifest.files:
            raise BrokenPackage(detail=f"{MANIFEST}: {wanted} is not among its files")
    return manifest


def read(folder: Path) -> Manifest:
    """The manifest of a folder; raises BrokenPackage."""
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MANIFEST_MAX_BYTES:
            raise BrokenPackage(detail=f"{path} is too large")
        return parse(path.read_bytes())
    except OSError as error:
        raise BrokenPackage(detail=str(error)) from error


def encode(manifest: Manifest) -> bytes:
    """As `model.json` is written: to be read by people too."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def verify(manifest: Manifest, folder: Path) -> None:
    """Raises BrokenPackage unless every file is there, whole and unchanged."""
    for name, expected in manifest.files.items():
        path = inside(folder, name)
        try:
            size = path.stat().st_size
        except OSError as error:
            raise BrokenPackage(detail=f"{manifest.model_id}: {name} is missing") from error
        if size != expected.size or sha256(path) != expected.sha256:
            raise BrokenPackage(detail=f"{manifest.model_id}: {name} is not what model.json says")


def describe_files(folder: Path, names: list[str]) -> dict[str, File]:
    return {
        name: File(sha256=sha256(folder / name), size=(folder / name).stat().st_size)
        for name in sorted(names)
    }


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checked_name(name: str) -> str:
    """A relative path below the package; raises BrokenPackage for any other."""
    path = PurePosixPath(name)
    if (
        not name
        or path.is_absolute()
        or "\\" in name
        or "\0" in name
        or str(path) != name
        or ".." in path.parts
        or name == MANIFEST
    ):
        raise BrokenPackage(detail=f"{name!r} is no name of a package's file")
    return name


def inside(folder: Path, name: str) -> Path:
    """`folder/name`, links followed, refused where that leads out of the folder."""
    path = folder / checked_name(name)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BrokenPackage(detail=f"{name!r} leads out of its package")
    return path
