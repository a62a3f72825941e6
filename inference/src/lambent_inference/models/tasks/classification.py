"""One label or several: a row of numbers per picture becomes probabilities by class.

YOLO exports end in their softmax already; ViT, ResNet and the like answer plain logits. A package
may say otherwise (`activation`). As in the original, of one label the confidences are rounded to four
decimals before the threshold, which counts when reached; of several they are as they are, and only
those over the threshold are predicted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambent_inference.errors import InvalidModelConfiguration
from lambent_inference.models.contract import (
    Answer,
    Classify,
    ClassScore,
    MultiLabel,
    SingleLabel,
    Task,
)
from lambent_inference.models.formats.runner import Runner
from lambent_inference.models.package import Package
from lambent_inference.models.preprocessing import Frame
from lambent_inference.models.tasks.decoder import Array, Prepared, threshold
from lambent_inference.models.tasks.pictures import Pictures

DECIMALS = 4


class Classification(Pictures):
    asks: tuple[type[Task], ...] = (Classify,)

    def __init__(self, package: Package, runners: Mapping[str, Runner]) -> None:
        super().__init__(package, runners)
        own = "sigmoid" if self.manifest.multi_label else "softmax"
        if self.manifest.family.startswith("yolo"):
            own = "none"
        self.activation = self.manifest.activation or own

    def finish(self, outputs: Sequence[Array], prepared: Prepared, task: Any) -> tuple[Answer, ...]:
        rows = outputs[0].reshape(prepared.count, -1).astype(np.float64)
        if rows.shape[1] != len(self.classes):
            raise InvalidModelConfiguration(
                detail=f"{rows.shape[1]} outputs for {len(self.classes)} classes"
            )
        least = threshold(task.confidence, self.manifest.thresholds)
        shape = self._several if self.manifest.multi_label else self._one
        shares = activated(rows, self.activation)
        return tuple(
            shape(row, frame, least) for row, frame in zip(shares, prepared.context, strict=True)
        )

    def _one(self, row: NDArray[np.float64], frame: Frame, least: float) -> SingleLabel:
        row = row.round(DECIMALS)
        order = np.argsort(-row, kind="stable")
        scores = tuple(self._score(int(i), row) for i in order if row[i] >= least)
        return SingleLabel(frame.width, frame.height, scores)

    def _several(self, row: NDArray[np.float64], frame: Frame, least: float) -> MultiLabel:
        scores = tuple(self._score(i, row) for i in range(len(row)))
        over = tuple(one.class_name for one in scores if one.confidence > least)
        return MultiLabel(frame.width, frame.height, scores, over)

    def _score(self, i: int, row: NDArray[np.float64]) -> ClassScore:
        return ClassScore(self.classes[i], i, float(row[i]))


def activated(rows: NDArray[np.float64], how: str) -> NDArray[np.float64]:
    if how == "none":
        return rows
    if how == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-rows)))
    raised = np.exp(rows - rows.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))
