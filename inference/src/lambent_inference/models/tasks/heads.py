"""What the exporters' detection heads look like, and how candidates are read from them.

Every head becomes the same `Candidates`: corners in the model's pixels, the best class of each
anchor and its confidence. Layouts, by the exporters' documentation:

- yolov5, yolov7: one output N × anchors × (cx, cy, w, h, objectness, classes…)
- yolov8, v9, v11, v12: one output N × (cx, cy, w, h, classes…, extras…) × anchors
- yolov10 and other end-to-end exports: one output N × 300 × (x1, y1, x2, y2, score, class)
- yolo_nas: N × anchors × (x1, y1, x2, y2) and N × anchors × classes; or, with its own suppression
  in the graph, counts N × 1, boxes N × M × 4, scores N × M and class ids N × M
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lambent_inference.errors import InvalidModelConfiguration

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Of one picture, already above the threshold."""

    corners: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.intp]
    extras: NDArray[np.float32]
    """What the head says further about each: mask coefficients, key points."""
    suppressed: bool = False
    """Whether the graph did that already."""


Head = Callable[[Sequence[Array], int, float, int], list[Candidates]]
"""Outputs, number of classes, threshold, extras per anchor → candidates per picture."""


def anchor_free(
    outputs: Sequence[Array], count: int, threshold: float, extras: int
) -> list[Candidates]:
    """YOLOv8 and its heirs."""
    found = []
    for rows in outputs[0]:  # (4 + classes + extras) × anchors
        if rows.shape[0] != 4 + count + extras:
            raise _wrong(outputs[0], f"4 + {count} + {extras} rows")
        scores = rows[4 : 4 + count]
        best = scores.max(axis=0)
        places = np.flatnonzero(best >= threshold)
        chosen = rows[:, places].T.astype(np.float32)
        classes = scores[:, places].argmax(axis=0)
        corners = from_centres(chosen[:, :4])
        found.append(Candidates(corners, best[places], classes, chosen[:, 4 + count :]))
    return found


def with_objectness(
    outputs: Sequence[Array], count: int, threshold: float, extras: int
) -> list[Candidates]:
    """YOLOv5 and v7: a class counts as much as there is an object at all."""
    found = []
    for rows in outputs[0]:  # anchors × (5 + classes + extras)
        if rows.ndim != 2 or rows.shape[1] != 5 + count + extras:
            raise _wrong(outputs[0], f"5 + {count} + {extras} columns")
        # No class can lift an anchor over the threshold that its objectness does not reach.
        chosen = rows[rows[:, 4] >= threshold].astype(np.float32)
        scores = chosen[:, 5 : 5 + count] * chosen[:, 4:5]
        best = scores.max(axis=1, initial=0)
        stays = best >= threshold
        chosen, scores, best = chosen[stays], scores[stays], best[stays]
        classes = scores.argmax(axis=1)
        corners = from_centres(chosen[:, :4])
        found.append(Candidates(corners, best, classes, chosen[:, 5 + count :]))
    return found


def end_to_end(
    outputs: Sequence[Array], count: int, threshold: float, extras: int
) -> list[Candidates]:
    """Exports that suppress in the graph: rows are final."""
    found = []
    for rows in outputs[0]:
        if rows.ndim != 2 or rows.shape[1] != 6 + extras:
            raise _wrong(outputs[0], f"6 + {extras} columns")
        chosen = rows[rows[:, 4] >= threshold].astype(np.float32)
        classes = _within(chosen[:, 5].astype(np.intp), count)
        found.append(Candidates(chosen[:, :4], chosen[:, 4], classes, chosen[:, 6:], True))
    return found


def nas(outputs: Sequence[Array], count: int, threshold: float, extras: int) -> list[Candidates]:
    if len(outputs) >= 4:
        return _nas_suppressed(outputs, count, threshold)
    if len(outputs) < 2:
        raise InvalidModelConfiguration(detail="a YOLO-NAS export has boxes and scores")
    boxes, scores = outputs[0], outputs[1]
    if boxes.shape[-1] != 4 or (scores.shape[-1] == 4 and count != 4):
        boxes, scores = scores, boxes
    if boxes.shape[-1] != 4 or scores.shape[-1] != count:
        raise _wrong(scores, f"{count} columns")
    found = []
    for corners, rows in zip(boxes, scores, strict=True):
        best = rows.max(axis=1, initial=0)
        places = np.flatnonzero(best >= threshold)
        nothing = np.empty((len(places), extras), np.float32)
        found.append(
            Candidates(
                corners[places].astype(np.float32),
                best[places].astype(np.float32),
                rows[places].argmax(axis=1),
                nothing,
            )
        )
    return found


def _nas_suppressed(outputs: Sequence[Array], count: int, threshold: float) -> list[Candidates]:
    found = []
    for number, boxes, scores, ids in zip(*outputs[:4], strict=True):
        there = int(np.ravel(number)[0])
        keep = np.flatnonzero(scores[:there] >= threshold)
        nothing = np.empty((len(keep), 0), np.float32)
        classes = _within(ids[keep].astype(np.intp), count)
        found.append(
            Candidates(boxes[keep].astype(np.float32), scores[keep], classes, nothing, True)
        )
    return found


def from_centres(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centre and size to corners."""
    half = boxes[:, 2:4] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def _within(classes: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    if len(classes) and (classes.min() < 0 or classes.max() >= count):
        raise InvalidModelConfiguration(detail=f"class id outside the package's {count} classes")
    return classes


def _wrong(output: Array, wanted: str) -> InvalidModelConfiguration:
    return InvalidModelConfiguration(
        detail=f"the graph answers {output.shape}, this family has {wanted}; do the classes match?"
    )


HEADS: Final[dict[str, Head]] = {
    "yolov5": with_objectness,
    "yolov7": with_objectness,
    "yolov8": anchor_free,
    "yolov9": anchor_free,
    "yolov11": anchor_free,
    "yolov12": anchor_free,
    "yolov10": end_to_end,
    "yolo_nas": nas,
    "yolo_world": anchor_free,
}
"""By `family` of a package; sizes and spellings (`yolov8n`, `yolo11s-seg`) are dealt with by `head`."""


def head(family: str) -> Head:
    """The reader for an architecture; raises InvalidModelConfiguration for an unknown one."""
    name = family.lower().replace("-", "_").replace("yolo_v", "yolov")
    if name.startswith(("yolo1", "yolo2")):
        name = "yolov" + name.removeprefix("yolo")
    for known in sorted(HEADS, key=len, reverse=True):
        if name.startswith(known):
            return HEADS[known]
    raise InvalidModelConfiguration(
        detail=f"no detection family {family!r}; known: {sorted(HEADS)}"
    )
