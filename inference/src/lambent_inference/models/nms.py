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
    boxes: Floats,
    scores: Floats,
    classes: Indices,
    threshold: float,
    *,
    most: int,
    agnostic: bool = False,
) -> Indices:
    """Indices of the `most` first boxes that stay, the highest score first.

    Equals stay in the model's order. With a threshold of nothing thousands of boxes come, of which
    a few hundred are wanted: looking ends with the last of those.
    """
    order = np.argsort(-scores, kind="stable")
    left, top, right, bottom = boxes[order].T.astype(np.float64)
    areas = (right - left + 1) * (bottom - top + 1)
    kinds = np.zeros(len(order), np.intp) if agnostic else classes[order]
    rest = np.arange(len(order))
    kept: list[int] = []
    while len(rest) and len(kept) < most:
        first, rest = int(rest[0]), rest[1:]
        kept.append(first)
        width = np.minimum(right[first], right[rest]) - np.maximum(left[first], left[rest]) + 1
        height = np.minimum(bottom[first], bottom[rest]) - np.maximum(top[first], top[rest]) + 1
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        covered = shared / areas[rest] > threshold
        rest = rest[~(covered & (kinds[rest] == kinds[first]))]
    return order[kept]
