"""A class for every pixel: scores per class, enlarged to the picture, the highest one wins.

Where the model is less sure than the threshold, the pixel is background: the first class, with the
confidence that it has. Worked out in strips, so that a large picture with many classes needs no
more memory than a small one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambent_inference.errors import InvalidModelConfiguration
from lambent_inference.models.contract import Answer, SegmentSemantics, SemanticMask, Task
from lambent_inference.models.formats.runner import Runner
from lambent_inference.models.package import Package
from lambent_inference.models.preprocessing import Frame
from lambent_inference.models.tasks.decoder import Array, Prepared, threshold
from lambent_inference.models.tasks.pictures import Pictures

STRIP_VALUES = 4_000_000
BACKGROUND = "background"


class Semantic(Pictures):
    asks: tuple[type[Task], ...] = (SegmentSemantics,)

    def __init__(self, package: Package, runners: Mapping[str, Runner]) -> None:
        super().__init__(package, runners)
        self.activation = self.manifest.activation or "softmax"

    def finish(self, outputs: Sequence[Array], prepared: Prepared, task: Any) -> tuple[Answer, ...]:
        scores = outputs[0]
        if scores.ndim != 4:
            raise InvalidModelConfiguration(detail=f"the graph answers {scores.shape}")
        names = self._names(scores.shape[1])
        least = threshold(task.confidence, self.manifest.thresholds)
        return tuple(
            self._mask(one.astype(np.float32), frame, names, least)
            for one, frame in zip(scores, prepared.context, strict=True)
        )

    def _names(self, count: int) -> tuple[str, ...]:
        """Models have a background of their own that class lists often leave out."""
        if count == len(self.classes):
            return self.classes
        if count == len(self.classes) + 1:
            return (BACKGROUND, *self.classes)
        raise InvalidModelConfiguration(detail=f"{count} planes for {len(self.classes)} classes")

    def _mask(
        self, scores: NDArray[np.float32], frame: Frame, names: tuple[str, ...], least: float
    ) -> SemanticMask:
        shares = _activated(scores, self.activation)
        classes = np.empty((frame.height, frame.width), np.uint8)
        sure = np.empty((frame.height, frame.width), np.uint8)
        y = self._places(frame, shares.shape[1], down=True)
        x = self._places(frame, shares.shape[2], down=False)
        across = _between(shares, x, axis=2)
        step = max(1, STRIP_VALUES // (len(names) * frame.width))
        for start in range(0, frame.height, step):
            part = slice(start, start + step)
            fine = _between(across, y[part], axis=1)
            best = fine.argmax(axis=0)
            high = np.take_along_axis(fine, best[None], axis=0)[0]
            unsure = high < least
            classes[part] = np.where(unsure, 0, best)
            sure[part] = np.rint(np.where(unsure, fine[0], high).clip(0, 1) * 255)
        return SemanticMask(frame.width, frame.height, classes, sure, names)

    def _places(self, frame: Frame, grid: int, *, down: bool) -> NDArray[np.float64]:
        """For every pixel of the picture along one axis: where it lies in the model's output."""
        side, scale, pad, begin, whole = (
            (frame.height, frame.scale_y, frame.pad_y, frame.crop_y, self.input_height)
            if down
            else (frame.width, frame.scale_x, frame.pad_x, frame.crop_x, self.input_width)
        )
        model = (np.arange(side) + 0.5 - begin) * scale + pad
        return np.asarray((model * grid / whole - 0.5).clip(0, grid - 1))


def _between(values: NDArray[np.float32], places: NDArray[np.float64], axis: int) -> Any:
    low = places.astype(np.intp)
    high = np.minimum(low + 1, values.shape[axis] - 1)
    share = (places - low).astype(np.float32)
    if axis == 1:
        share = share[:, None]
    return values.take(low, axis) * (1 - share) + values.take(high, axis) * share


def _activated(scores: NDArray[np.float32], how: str) -> NDArray[np.float32]:
    if how == "none":
        return scores
    if how == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-scores)))
    raised = np.exp(scores - scores.max(axis=0, keepdims=True))
    return np.asarray(raised / raised.sum(axis=0, keepdims=True))
