"""Bilinear resize of 8-bit pictures, equal to the original's to the last bit.

The original resizes with OpenCV, whose bilinear filter works in fixed point (11 bits per axis) and
does not smooth. Pillow's own filters either smooth (`resize`) or truncate where OpenCV rounds
(`transform`, off by one in half the pixels), which moves confidences in the third decimal. This is
the same arithmetic in numpy, strip by strip so that a strip stays in the processor's cache. Pixels of
four bytes (`padded.py`) are picked as one number each, which is several times as fast as three bytes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Lines = NDArray[np.int32]

ONE: Final = 2048
"""1.0 as a weight of one axis."""
STRIP: Final = 16
"""Output rows per step: the intermediate rows of a 1080p picture fit into 1 MB."""
WORD: Final = np.dtype("<u4")


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """`pixels` (height × width × channels) in another size."""
    before_height, before_width, channels = pixels.shape
    if (before_width, before_height) == (width, height):
        return pixels
    if (before_width, before_height) == (2 * width, 2 * height):
        return _halved(pixels)
    columns = _Axis(width, before_width, edge_weight=False, repeat=channels)
    rows = _Axis(height, before_height, edge_weight=True)
    out = np.empty((height, width * channels), np.uint8)
    for start in range(0, height, STRIP):
        part = slice(start, min(height, start + STRIP))
        lines, low, high = _lines(pixels, rows, part, columns)
        upper = lines[low]
        upper *= rows.weight_low[part, None]
        upper >>= 16
        lower = lines[high]
        lower *= rows.weight_high[part, None]
        lower >>= 16
        upper += lower
        upper += 2
        upper >>= 2
        out[part] = upper
    return out.reshape(height, width, channels)


class _Axis:
    """For every output position: its two neighbours before, and their weights."""

    def __init__(self, after: int, before: int, *, edge_weight: bool, repeat: int = 1) -> None:
        place = ((np.arange(after) + 0.5) * (before / after) - 0.5).astype(np.float32)
        floor = np.floor(place).astype(np.intp)
        share = place - floor.astype(np.float32)
        if (
            not edge_weight
        ):  # across, the outermost pixel stands alone; down, it is its own neighbour
            share = np.where((floor < 0) | (floor >= before - 1), np.float32(0), share)
        self.low = np.clip(floor, 0, before - 1)
        self.high = np.clip(floor + 1, 0, before - 1)
        self.weight_low = self._weights(np.float32(1) - share, repeat)
        self.weight_high = self._weights(share, repeat)
        self.alone = not self.weight_high.any()
        """Whether every position falls on one pixel, as where 1920 become 640."""
        steps = np.unique(np.diff(self.low))
        self.step = int(steps[0]) if len(steps) == 1 else 0
        """The distance between neighbours where it is always the same, else 0."""

    @staticmethod
    def _weights(share: NDArray[np.float32], repeat: int) -> Lines:
        """Once per channel, so that whole rows are multiplied at once."""
        weights: Lines = np.rint(share * np.float32(ONE)).astype(np.int32)
        return weights.repeat(repeat)


def _lines(
    pixels: Pixels, rows: _Axis, part: slice, columns: _Axis
) -> tuple[Lines, NDArray[np.intp], NDArray[np.intp]]:
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
    lines = _picked(source, columns.low, columns.step).astype(np.int32)
    if columns.alone:
        lines <<= 7
        return lines, low, high
    lines *= columns.weight_low
    right = _picked(source, columns.high, 0).astype(np.int32)
    right *= columns.weight_high
    lines += right
    lines >>= 4
    return lines, low, high


def _picked(source: Pixels, places: NDArray[np.intp], step: int) -> Pixels:
    """Some columns, as rows of bytes."""
    if source.shape[2] != WORD.itemsize:
        whole = step == 1 and len(places) == source.shape[1]
        return (source if whole else source.take(places, axis=1)).reshape(len(source), -1)
    words = source.view(WORD)[..., 0]
    if step:
        cut = words[:, places[0] : places[-1] + 1 : step]
        return np.ascontiguousarray(cut).view(np.uint8)
    return words.take(places, axis=1).view(np.uint8)


def _halved(pixels: Pixels) -> Pixels:
    """Exactly half the size: the mean of four, as OpenCV does it there."""
    rows = pixels[0::2].astype(np.uint16)
    rows += pixels[1::2]
    four = rows[:, 0::2] + rows[:, 1::2]
    four += 2
    four >>= 2
    return four.astype(np.uint8)
