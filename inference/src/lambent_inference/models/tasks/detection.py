"""Boxes: candidates of a head, suppressed, brought back to the picture, cut and rounded.

The order is the original's: threshold (>=), suppression, the `max_detections` highest, back to the
picture's pixels, clipped and rounded to whole ones, and only then the class filter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambent_inference.models import nms
from lambent_inference.models.contract import Answer, Box, Detect, Detections, Task
from lambent_inference.models.formats.runner import Runner
from lambent_inference.models.package import Package
from lambent_inference.models.preprocessing import Frame
from lambent_inference.models.tasks.decoder import Array, Prepared, threshold
from lambent_inference.models.tasks.heads import Candidates, head
from lambent_inference.models.tasks.pictures import Pictures


@dataclass(frozen=True, slots=True)
class Kept:
    """The detections of one picture after suppression, the highest first."""

    frame: Frame
    model_corners: NDArray[np.float32]
    corners: NDArray[np.float64]
    """In whole pixels of the picture."""
    scores: NDArray[np.float32]
    classes: NDArray[np.intp]
    extras: NDArray[np.float32]


class Detection(Pictures):
    asks: tuple[type[Task], ...] = (Detect,)

    def __init__(self, package: Package, runners: Mapping[str, Runner]) -> None:
        super().__init__(package, runners)
        self.head = head(self.manifest.family)

    def extras(self, outputs: Sequence[Array]) -> int:  # noqa: ARG002 - siblings look at them
        """Columns per anchor beside box and classes."""
        return 0

    def finish(self, outputs: Sequence[Array], prepared: Prepared, task: Any) -> tuple[Answer, ...]:
        least = threshold(task.confidence, self.manifest.thresholds)
        found = self.head(outputs, len(self.classes), least, self.extras(outputs))
        answers = []
        for place, (candidates, frame) in enumerate(zip(found, prepared.context, strict=True)):
            kept = select(candidates, frame, task)
            boxes = self.boxes(kept, outputs, place, task)
            answers.append(Detections(frame.width, frame.height, filtered(boxes, task)))
        return tuple(answers)

    def boxes(
        self,
        kept: Kept,
        outputs: Sequence[Array],  # noqa: ARG002 - siblings look at them
        place: int,  # noqa: ARG002
        task: Any,  # noqa: ARG002
    ) -> list[Box]:
        return [box(kept, i, self.classes) for i in range(len(kept.scores))]


def select(candidates: Candidates, frame: Frame, task: Any) -> Kept:
    """Suppression, the limit, and the way back to the picture."""
    if candidates.suppressed:
        order = np.argsort(-candidates.scores, kind="stable")
    else:
        order = nms.keep(
            candidates.corners,
            candidates.scores,
            candidates.classes,
            task.iou_threshold,
            most=task.max_detections,
            agnostic=task.class_agnostic_nms,
        )
    order = order[: task.max_detections]
    model_corners = candidates.corners[order]
    return Kept(
        frame,
        model_corners,
        np.rint(frame.clip(frame.back(model_corners))),
        candidates.scores[order],
        candidates.classes[order],
        candidates.extras[order],
    )


def box(kept: Kept, i: int, names: Sequence[str], **more: Any) -> Box:
    left, top, right, bottom = (float(value) for value in kept.corners[i])
    class_id = int(kept.classes[i])
    return Box(
        x=(left + right) / 2,
        y=(top + bottom) / 2,
        width=right - left,
        height=bottom - top,
        confidence=float(kept.scores[i]),
        class_name=names[class_id],
        class_id=class_id,
        **more,
    )


def filtered(boxes: Sequence[Box], task: Detect) -> tuple[Box, ...]:
    if task.class_filter is None:
        return tuple(boxes)
    return tuple(one for one in boxes if one.class_name in task.class_filter)
