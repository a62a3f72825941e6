"""Boxes with masks: each anchor has coefficients that weigh the prototypes of its picture.

`accurate` brings every mask to the size of the model's input before it is cut off at a half, `fast`
leaves it at the prototypes' size, `tradeoff` lies between, by its factor. A mask is only worked out
within its box. Outlines come back in the picture's pixels, run lengths over the whole picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from msgspec.structs import replace as changed
from numpy.typing import NDArray

from lambent_inference.errors import InvalidMaskMode, InvalidModelConfiguration
from lambent_inference.models import masks
from lambent_inference.models.contract import Box, Segment, Task
from lambent_inference.models.preprocessing import Frame
from lambent_inference.models.resizing import resize
from lambent_inference.models.tasks.decoder import Array
from lambent_inference.models.tasks.detection import Detection, Kept, box

Grid = NDArray[np.float32]


class Segmentation(Detection):
    asks: tuple[type[Task], ...] = (Segment,)

    def extras(self, outputs: Sequence[Array]) -> int:
        """As many coefficients as there are prototypes."""
        return int(_prototypes(outputs).shape[1])

    def boxes(self, kept: Kept, outputs: Sequence[Array], place: int, task: Any) -> list[Box]:
        prototypes = _prototypes(outputs)[place].astype(np.float32)
        scale = _scale(task, prototypes.shape[2], self.input_width)
        weights = kept.extras @ prototypes.reshape(len(prototypes), -1)
        values = (1 / (1 + np.exp(-weights))).reshape(-1, *prototypes.shape[1:])
        to_grid = prototypes.shape[2] / self.input_width
        return [
            _with_mask(
                box(kept, i, self.classes),
                *_cut(values[i], kept.model_corners[i] * to_grid, scale),
                self._way(kept.frame, to_grid * scale),
                task,
            )
            for i in range(len(kept.scores))
        ]

    @staticmethod
    def _way(frame: Frame, factor: float) -> Frame:
        """The frame, to a mask's grid instead of the model's input; positions stay exact."""
        return replace(
            frame,
            scale_x=frame.scale_x * factor,
            scale_y=frame.scale_y * factor,
            pad_x=frame.pad_x * factor,
            pad_y=frame.pad_y * factor,
        )


def _prototypes(outputs: Sequence[Array]) -> Array:
    for output in outputs:
        if output.ndim == 4:
            return output
    raise InvalidModelConfiguration(detail="the graph answers no mask prototypes")


def _scale(task: Segment, grid_width: int, input_width: int) -> float:
    """How many times finer than the prototypes masks are worked out."""
    finest = input_width / grid_width
    if task.mask_decode_mode == "fast":
        return 1.0
    if task.mask_decode_mode == "accurate":
        return finest
    if not 0 <= task.tradeoff_factor <= 1:
        raise InvalidMaskMode
    return 1 + (finest - 1) * task.tradeoff_factor


def _cut(values: Grid, corners: NDArray[np.float32], scale: float) -> tuple[masks.Mask, int, int]:
    """The mask within a box (in prototype pixels), `scale` times finer, and where it begins.

    A column belongs to the box where `left <= column < right`, as the exporters cut their masks.
    """
    height, width = (round(side * scale) for side in values.shape)
    left, top = np.ceil(corners[:2] * scale).astype(int).clip(0)
    right, bottom = np.ceil(corners[2:] * scale).astype(int)
    columns, rows = np.arange(left, min(right, width)), np.arange(top, min(bottom, height))
    if not len(columns) or not len(rows):
        return np.zeros((0, 0), bool), int(left), int(top)
    fine = _bilinear(values, rows, columns, scale)
    return fine > 0.5, int(left), int(top)


def _bilinear(
    values: Grid, rows: NDArray[np.intp], columns: NDArray[np.intp], scale: float
) -> Grid:
    """Some rows and columns of `values` enlarged."""
    if scale == 1:
        return values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    y = ((rows + 0.5) / scale - 0.5).clip(0, values.shape[0] - 1)
    x = ((columns + 0.5) / scale - 0.5).clip(0, values.shape[1] - 1)
    y0, x0 = y.astype(np.intp), x.astype(np.intp)
    y1 = np.minimum(y0 + 1, values.shape[0] - 1)
    x1 = np.minimum(x0 + 1, values.shape[1] - 1)
    fy = (y - y0).astype(np.float32)[:, None]
    across = (x - x0).astype(np.float32)
    lines = values[:, x0] * (1 - across) + values[:, x1] * across
    fine: Grid = lines[y0] * (1 - fy) + lines[y1] * fy
    return fine


def _with_mask(one: Box, mask: masks.Mask, left: int, top: int, way: Frame, task: Segment) -> Box:
    if task.mask_format == "rle":
        return changed(one, rle=masks.rle(_whole(mask, left, top, way)))
    points = np.array(masks.outline(mask), np.float64).reshape(-1, 2)
    points += np.array([left, top])
    places = way.clip(way.back(points))
    return changed(one, points=tuple((float(x), float(y)) for x, y in places))


def _whole(mask: masks.Mask, left: int, top: int, way: Frame) -> masks.Mask:
    """The mask in the picture's own pixels."""
    whole = np.zeros((way.height, way.width), bool)
    if not mask.size:
        return whole
    height, width = mask.shape
    corners = np.array([[left, top, left + width, top + height]], np.float64)
    x0, y0, x1, y1 = (int(value) for value in np.rint(way.clip(way.back(corners)))[0])
    if x1 <= x0 or y1 <= y0:
        return whole
    grown = resize((mask.astype(np.uint8) * 255)[..., None], x1 - x0, y1 - y0)
    whole[y0:y1, x0:x1] = grown[..., 0] > 127
    return whole
