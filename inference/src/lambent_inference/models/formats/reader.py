"""Text recognition by rapidocr, an extra that brings its own (Apache-licensed) weights.

It is the one thing here that brings OpenCV along, which is why it is an extra.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lambent_inference.errors import InvalidRequest, ServiceMisconfigured
from lambent_inference.models.formats.runner import Array, Port

LANGUAGES: Final = frozenset(
    {"en", "ch", "ch_sim", "ch_tra", "zh", "ja", "de", "fr", "es", "it", "pt", "nl", "sv", "da",
     "no", "fi", "pl", "cs", "hu", "ro", "tr", "id", "ms", "vi", "la"}
)  # fmt: skip
"""Latin scripts, Chinese and Japanese are what the bundled recogniser was trained on."""


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    confidence: float
    corners: tuple[tuple[float, float], ...]


class Reader:
    """One engine; it keeps state while it reads, so one picture at a time."""

    inputs: Sequence[Port] = (Port("image", (None,), np.dtype(object)),)
    outputs: Sequence[Port] = (Port("lines", (None,), np.dtype(object)),)
    provider = "cpu"

    def __init__(self, threads: int) -> None:
        try:
            from rapidocr import RapidOCR
        except ImportError as error:
            raise ServiceMisconfigured(
                detail="OCR needs `pip install lambent-inference[ocr]`"
            ) from error
        logging.getLogger("RapidOCR").setLevel(logging.ERROR)
        self._lock = threading.Lock()
        self._engine = RapidOCR(
            params={
                "Global.log_level": "error",
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def check(self, languages: Sequence[str]) -> None:
        unknown = [one for one in languages if one.lower() not in LANGUAGES]
        if unknown:
            raise InvalidRequest(
                f"Text in {', '.join(unknown)} cannot be read here; known are "
                f"{', '.join(sorted(LANGUAGES))}."
            )

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        read = np.empty(len(feeds["image"]), object)
        for place, pixels in enumerate(feeds["image"]):
            read[place] = self._lines(pixels)
        return [read]

    def _lines(self, pixels: Array) -> list[Line]:
        with self._lock:
            found: Any = self._engine(np.ascontiguousarray(pixels[..., ::-1]))  # it wants BGR
        if found.boxes is None or found.txts is None:
            return []
        return [
            Line(text, float(score), tuple((float(x), float(y)) for x, y in corners))
            for text, score, corners in zip(found.txts, found.scores, found.boxes, strict=True)
        ]

    def close(self) -> None:
        del self._engine
