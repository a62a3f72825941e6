"""Folders in the original server's cache layout, read as packages.

`weights.onnx`, `environment.json` (preprocessing, classes), `class_names.txt`, `model_type.json` and,
for key points, `keypoints_metadata.json`. Nothing in them is checksummed; what the files are now is
what the package is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lambent_inference.errors import BrokenPackage, InvalidModelConfiguration
from lambent_inference.models.contract import Family
from lambent_inference.models.package import (
    Crop,
    Input,
    Manifest,
    Resize,
    Skeleton,
    describe_files,
)

ENVIRONMENT: Final = "environment.json"
TYPE: Final = "model_type.json"
CLASSES: Final = "class_names.txt"
KEYPOINTS: Final = "keypoints_metadata.json"

RESIZES: Final[dict[str, Resize]] = {
    "Stretch to": "stretch",
    "Fit (black edges) in": "fit-black",
    "Fit (white edges) in": "fit-white",
    "Fit (grey edges) in": "fit-grey",
    "Fit (reflect edges) in": "fit-black",
    "Fit within": "fit-black",
}
"""Formats that are not here are stretched."""
CONTRASTS: Final[dict[str, Any]] = {
    "Contrast Stretching": "stretching",
    "Histogram Equalization": "histogram",
    "Adaptive Equalization": "adaptive",
}
TASKS: Final = {
    "object-detection": Family.DETECTION,
    "instance-segmentation": Family.SEGMENTATION,
    "keypoint-detection": Family.KEYPOINTS,
    "classification": Family.CLASSIFICATION,
    "single-label-classification": Family.CLASSIFICATION,
    "multi-label-classification": Family.CLASSIFICATION,
    "semantic-segmentation": Family.SEMANTIC,
}
NORMALISED: Final = {
    "vit": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "resnet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "deep-lab": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""What the platform's training of an architecture does to pixels beside dividing by 255."""


def is_original(folder: Path) -> bool:
    return (folder / ENVIRONMENT).is_file() or (folder / TYPE).is_file()


def read(folder: Path, model_id: str, *, checksums: bool = True) -> Manifest:
    """A folder as a manifest; raises BrokenPackage. Without checksums only sizes are looked up."""
    project, _, version = model_id.rpartition("/")
    kind = _json(folder / TYPE)
    environment = _json(folder / ENVIRONMENT)
    weights = _weights(folder)
    name = str(kind.get("project_task_type", "object-detection"))
    if name not in TASKS:
        raise InvalidModelConfiguration(detail=f"{TYPE}: {name!r} is not served here")
    names = [
        weights,
        *(n for n in (ENVIRONMENT, TYPE, CLASSES, KEYPOINTS) if (folder / n).is_file()),
    ]
    family = str(kind.get("model_type") or "yolov8")
    try:
        return Manifest(
            id=project,
            version=version,
            task=TASKS[name],
            family=family,
            input=_input(environment, family),
            classes=_classes(folder, environment),
            multi_label=name.startswith("multi") or bool(environment.get("MULTICLASS")),
            keypoints=_skeletons(folder),
            model=weights,
            files=describe_files(folder, names) if checksums else {},
        )
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise BrokenPackage(detail=f"{folder}: {error}") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BrokenPackage(detail=f"{path.name}: {error}") from error
    if not isinstance(found, dict):
        raise BrokenPackage(detail=f"{path.name} is no object")
    return found


def _weights(folder: Path) -> str:
    found = sorted(path.name for path in folder.glob("*.onnx"))
    if "weights.onnx" in found:
        return "weights.onnx"
    if len(found) != 1:
        raise BrokenPackage(detail=f"{folder} has no weights.onnx")
    return found[0]


def _classes(folder: Path, environment: Mapping[str, Any]) -> tuple[str, ...]:
    if (folder / CLASSES).is_file():
        lines = (folder / CLASSES).read_text("utf-8").splitlines()
        return tuple(line.strip() for line in lines if line.strip())
    by_id = environment.get("CLASS_MAP")
    if isinstance(by_id, str):
        by_id = json.loads(by_id)
    if isinstance(by_id, dict) and by_id:
        return tuple(str(by_id[key]) for key in sorted(by_id, key=int))
    listed = environment.get("CLASS_LIST") or ()
    if isinstance(listed, str):
        listed = json.loads(listed)
    return tuple(str(one) for one in listed)


def _input(environment: Mapping[str, Any], family: str) -> Input:
    steps = environment.get("PREPROCESSING") or {}
    if isinstance(steps, str):
        steps = json.loads(steps)
    how = _enabled(steps, "resize")
    crop = _enabled(steps, "static-crop")
    contrast = _enabled(steps, "contrast")
    width, height = how.get("width"), how.get("height")
    resolution = environment.get("RESOLUTION")
    if isinstance(resolution, list | tuple) and len(resolution) == 2:
        height, width = height or resolution[0], width or resolution[1]
    elif isinstance(resolution, int | str) and str(resolution).isdigit():
        height, width = height or resolution, width or resolution
    mean, std = next((v for k, v in NORMALISED.items() if family.startswith(k)), (None, None))
    size = environment.get("BATCH_SIZE")
    return Input(
        width=int(width) if width else None,
        height=int(height) if height else None,
        resize=RESIZES.get(str(how.get("format")), "stretch"),
        mean=mean,
        std=std,
        grayscale=bool(_enabled(steps, "grayscale")),
        contrast=CONTRASTS.get(str(contrast.get("type"))) if contrast else None,
        static_crop=Crop(**{k: float(crop[k]) for k in Crop.__struct_fields__ if k in crop})
        if crop
        else None,
        max_batch=int(str(size)) if str(size).isdigit() else None,
    )


def _enabled(steps: Mapping[str, Any], name: str) -> dict[str, Any]:
    step = steps.get(name)
    return step if isinstance(step, dict) and step.get("enabled") else {}


def _skeletons(folder: Path) -> tuple[Skeleton, ...]:
    path = folder / KEYPOINTS
    if not path.is_file():
        return ()
    try:
        found = json.loads(path.read_bytes())
        ordered = sorted(found, key=lambda one: int(one.get("object_class_id", 0)))
        return tuple(
            Skeleton(tuple(str(one["keypoints"][k]) for k in sorted(one["keypoints"], key=int)))
            for one in ordered
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrokenPackage(detail=f"{KEYPOINTS}: {error}") from error
