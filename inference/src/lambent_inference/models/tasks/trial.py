"""A question that any model of a family must be able to answer, for the check after loading."""

from __future__ import annotations

from typing import Any

import numpy as np

from lambent_inference.models.contract import (
    Classify,
    Detect,
    DetectKeypoints,
    Embed,
    Family,
    Image,
    Segment,
    SegmentSemantics,
)
from lambent_inference.models.package import Manifest
from lambent_inference.models.tasks.decoder import Decoder

QUESTIONS: dict[Family, Any] = {
    Family.DETECTION: Detect(),
    Family.SEGMENTATION: Segment(),
    Family.KEYPOINTS: DetectKeypoints(),
    Family.CLASSIFICATION: Classify(),
    Family.SEMANTIC: SegmentSemantics(),
    Family.EMBEDDING: Embed(),
}
"""What is not here has no neutral question: rows depend on a schema, OCR brings a proven engine."""


def question(decoder: Decoder, manifest: Manifest) -> tuple[Any, list[Image]] | None:
    task = QUESTIONS.get(manifest.task)
    if task is None:
        return None
    if decoder.input_width is None:  # embeds texts only
        return Embed(texts=("a",)), []
    grey = np.full((decoder.input_height or 1, decoder.input_width, 3), 114, np.uint8)
    return task, [Image(grey)]
