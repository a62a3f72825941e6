"""Which decoder answers for a package: by what it is for, and for text-named boxes by architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lambent_inference.errors import InvalidModelConfiguration
from lambent_inference.models.contract import Family
from lambent_inference.models.formats.runner import Runner
from lambent_inference.models.package import Package
from lambent_inference.models.tasks.classification import Classification
from lambent_inference.models.tasks.decoder import Decoder
from lambent_inference.models.tasks.detection import Detection
from lambent_inference.models.tasks.embedding import Embeddings
from lambent_inference.models.tasks.grounded import GroundingDino, YoloWorld
from lambent_inference.models.tasks.keypoints import Keypoints
from lambent_inference.models.tasks.ocr import Ocr
from lambent_inference.models.tasks.segmentation import Segmentation
from lambent_inference.models.tasks.semantic import Semantic
from lambent_inference.models.tasks.tabular import Tabular

Make = Callable[[Package, Mapping[str, Runner]], Decoder]


def _grounded(package: Package, runners: Mapping[str, Runner]) -> Decoder:
    name = package.manifest.family.lower().replace("-", "_")
    if name.startswith("grounding_dino"):
        return GroundingDino(package, runners)
    if name.startswith("yolo_world"):
        return YoloWorld(package, runners)
    raise InvalidModelConfiguration(detail=f"no text-named detection family {name!r}")


DECODERS: Final[dict[Family, Make]] = {
    Family.DETECTION: Detection,
    Family.SEGMENTATION: Segmentation,
    Family.KEYPOINTS: Keypoints,
    Family.CLASSIFICATION: Classification,
    Family.SEMANTIC: Semantic,
    Family.EMBEDDING: Embeddings,
    Family.GROUNDED: _grounded,
    Family.OCR: Ocr,
    Family.TABULAR: Tabular,
}


def decoder(package: Package, runners: Mapping[str, Runner]) -> Decoder:
    return DECODERS[package.manifest.task](package, runners)
