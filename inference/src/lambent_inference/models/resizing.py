"""Bilinear resize of 8-bit pictures, equal to the original's to the last bit.

The original resizes with OpenCV, whose bilinear filter works in fixed point (11 bits per axis) and
does not smooth. Pillow's own filters either smooth (`resize`) or truncate where OpenCV rounds
(`transform`, off by one in half the pixels), which moves confidences in the third decimal. This is
the same arithmetic in numpy, strip by strip so that a strip stays in the processor's cache: as
fast as Pillow's transform.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

ONE: Final = 2048
"""1.0 as a weight of one axis."""
STRIP: Final = 16
"""Output rows per step: the intermediate rows of a 1080p picture fit into 1 MB."""


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """`pixels` (height × width × channels) in another size."""
    before_height, before_width, _ = pixels.shape
    if (before_width, before_height) == (width, height):
        return pixels
    if (before_width, before_height) == (2 * width, 2 * height):
        return _halved(pixels)
    columns = _Axis(width, before_width, edge_weight=False)
    rows = _Axis(height, before_height, edge_weight=True)
    out = np.empty((height, width, pixels.shape[2]), np.uint8)
    for start in range(0, height, STRIP):
        part = slice(start, min(height, start + STRIP))
        lines, low, high = _lines(pixels, rows, part, columns)
        upper = lines[low]
        upper *= rows.weight_low[part, None, None]
        upper >>= 16
        lower = lines[high]
        lower *= rows.weight_high[part, None, None]
        lower >>= 16
        upper += lower
        upper += 2
        upper >>= 2
        out[part] = upper
    return out


class _Axis:
    """For every output position: its two neighbours before, and their weights."""

    def __init__(self, after: int, before: int, *, edge_weight: bool) -> None:
        place = ((np.arange(after) + 0.5) * (before / after) - 0.5).astype(np.float32)
        floor = np.floor(place).astype(np.intp)
        share = place - floor.astype(np.float32)
        if (
            not edge_weight
        ):  # across, the outermost pixel stands alone; down, it is its own neighbour
            share = np.where((floor < 0) | (floor >= before - 1), np.float32(0), share)
        self.low = np.clip(floor, 0, before - 1)
        self.high = np.clip(floor + 1, 0, before - 1)
        self.weight_low = np.rint((np.float32(1) - share) * np.float32(ONE)).astype(np.int32)
        self.weight_high = np.rint(share * np.float32(ONE)).astype(np.int32)


def _lines(
    pixels: Pixels, rows: _Axis, part: slice, columns: _Axis
) -> tuple[NDArray[np.int32], NDArray[np.intp], NDArray[np.intp]]:
    """The source rows of a strip, already resized across, and which of them each output row uses."""
    low, high = rows.low[part], rows.high[part]
    first, last = int(low[0]), int(high[-1]) + 1
    if last - first <= 2 * len(low):
        source = pixels[first:last]
        low, high = low - first, high - first
    else:  # a strong reduction skips rows
        source = pixels[np.concatenate([low, high])]
        low = np.arange(len(low))
        high = low + len(low)
    lines = source.take(columns.low, axis=1).astype(np.int32)
    lines *= columns.weight_low[:, None]
    right = source.take(columns.high, axis=1).astype(np.int32)
    right *= columns.weight_high[:, None]
    lines += right
    lines >>= 4
    return lines, low, high


def _halved(pixels: Pixels) -> Pixels:
    """Exactly half the size: the mean of four, as OpenCV does it there."""
    rows = pixels[0::2].astype(np.uint16)
    rows += pixels[1::2]
    four = rows[:, 0::2] + rows[:, 1::2]
    four += 2
    four >>= 2
    return four.astype(np.uint8)
