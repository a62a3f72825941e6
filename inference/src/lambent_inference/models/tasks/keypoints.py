"""Boxes with key points: each anchor has three further numbers per point (x, y, confidence)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lambent_inference.errors import InvalidModelConfiguration
from lambent_inference.models.contract import Box, DetectKeypoints, Keypoint, Task
from lambent_inference.models.formats.runner import Runner
from lambent_inference.models.package import Package
from lambent_inference.models.tasks.decoder import Array
from lambent_inference.models.tasks.detection import Detection, Kept, box

NUMBERS = 3


class Keypoints(Detection):
    asks: tuple[type[Task], ...] = (DetectKeypoints,)

    def __init__(self, package: Package, runners: Mapping[str, Runner]) -> None:
        super().__init__(package, runners)
        skeletons = self.manifest.keypoints
        if len(skeletons) not in {1, len(self.classes)} or not skeletons[0].keypoints:
            raise InvalidModelConfiguration(detail="model.json names no key points per class")
        self.points = max(len(one.keypoints) for one in skeletons)

    def extras(self, outputs: Sequence[Array]) -> int:  # noqa: ARG002 - model.json says it
        return NUMBERS * self.points

    def boxes(
        self,
        kept: Kept,
        outputs: Sequence[Array],  # noqa: ARG002 - all is in `kept`
        place: int,  # noqa: ARG002
        task: Any,
    ) -> list[Box]:
        return [
            box(kept, i, self.classes, keypoints=self._points(kept, i, task.keypoint_confidence))
            for i in range(len(kept.scores))
        ]

    def _points(self, kept: Kept, i: int, least: float) -> tuple[Keypoint, ...]:
        skeletons = self.manifest.keypoints
        names = skeletons[int(kept.classes[i]) if len(skeletons) > 1 else 0].keypoints
        rows = kept.extras[i].reshape(-1, NUMBERS)
        places = np.rint(kept.frame.clip(kept.frame.back(rows[:, :2])))
        return tuple(
            Keypoint(float(x), float(y), float(row[2]), number, name)
            for number, (name, row, (x, y)) in enumerate(
                zip(names, rows[: len(names)], places[: len(names)], strict=True)
            )
            if float(row[2]) >= least
        )
