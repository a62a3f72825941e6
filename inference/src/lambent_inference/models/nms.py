"""Non-maximum suppression by the original's rule, which is not IoU.

Boxes are looked at from the highest confidence down. One is dropped where a kept one of its class
covers more than the threshold *of the lower box's own area* (one pixel added to every side, strictly
more): so a small box inside a bigger one of its class goes, however little the two share. Boxes are
left, top, right, bottom in the model's pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]


def keep(
    boxes: Floats, scores: Floats, classes: Indices, threshold: float, *, agnostic: bool = False
) -> Indices:
    """Indices of the boxes that stay, the highest score first; equals stay in the model's order."""
    order = np.argsort(-scores, kind="stable")
    if agnostic:
        return order[_kept(boxes[order], threshold)]
    stays = np.zeros(len(order), bool)
    ordered = classes[order]
    for one in np.unique(ordered):
        places = np.flatnonzero(ordered == one)
        stays[places[_kept(boxes[order[places]], threshold)]] = True
    return order[stays]


def _kept(boxes: Floats, threshold: float) -> Indices:
    """Of boxes in order: which stay."""
    left, top, right, bottom = boxes.T.astype(np.float64)
    areas = (right - left + 1) * (bottom - top + 1)
    rest = np.arange(len(boxes))
    kept: list[int] = []
    while len(rest):
        first, rest = int(rest[0]), rest[1:]
        kept.append(first)
        if not len(rest):
            break
        width = np.minimum(right[first], right[rest]) - np.maximum(left[first], left[rest]) + 1
        height = np.minimum(bottom[first], bottom[rest]) - np.maximum(top[first], top[rest]) + 1
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        rest = rest[~(shared / areas[rest] > threshold)]
    return np.array(kept, np.intp)
