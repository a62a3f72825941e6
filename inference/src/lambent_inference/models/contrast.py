"""The three contrast corrections that a package may ask for, as far as numpy can do them.

Stretching spreads the values between the 2nd and 98th percentile; histogram equalisation flattens
each channel's distribution; adaptive equalisation does so tile by tile, limited, and blends between
the tiles, so that a dark corner gains contrast without the rest losing it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
TILES: Final = 8
CLIP: Final = 0.03
"""Share of a tile's pixels that one value may hold; the rest is spread evenly."""


def stretch(pixels: Pixels) -> Pixels:
    low, high = np.percentile(pixels, (2, 98))
    if high <= low:
        return pixels
    scaled = (pixels.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    return scaled.clip(0, 255).astype(np.uint8)


def equalise(pixels: Pixels) -> Pixels:
    out = np.empty_like(pixels)
    for channel in range(pixels.shape[2]):
        counts = np.bincount(pixels[..., channel].ravel(), minlength=256)
        out[..., channel] = _table(counts)[pixels[..., channel]]
    return out


def equalise_tiles(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    rows, columns = min(TILES, height), min(TILES, width)
    out = np.empty_like(pixels)
    for channel in range(pixels.shape[2]):
        tables = _tables(pixels[..., channel], rows, columns)
        out[..., channel] = _blended(pixels[..., channel], tables)
    return out


def _tables(plane: Pixels, rows: int, columns: int) -> NDArray[np.float32]:
    tables = np.empty((rows, columns, 256), np.float32)
    for r, band in enumerate(np.array_split(plane, rows, axis=0)):
        for c, tile in enumerate(np.array_split(band, columns, axis=1)):
            counts = np.bincount(tile.ravel(), minlength=256).astype(np.float64)
            limit = max(1.0, CLIP * tile.size)
            excess = np.maximum(counts - limit, 0).sum()
            tables[r, c] = _table(np.minimum(counts, limit) + excess / 256)
    return tables


def _blended(plane: Pixels, tables: NDArray[np.float32]) -> Pixels:
    """Every pixel through the four tables around it, by distance to the tiles' middles."""
    height, width = plane.shape
    rows, columns, _ = tables.shape
    y = ((np.arange(height) + 0.5) * rows / height - 0.5).clip(0, rows - 1)
    x = ((np.arange(width) + 0.5) * columns / width - 0.5).clip(0, columns - 1)
    y0, x0 = y.astype(np.intp)[:, None], x.astype(np.intp)[None, :]
    y1, x1 = np.minimum(y0 + 1, rows - 1), np.minimum(x0 + 1, columns - 1)
    fy, fx = (y[:, None] - y0).astype(np.float32), (x[None, :] - x0).astype(np.float32)
    top = tables[y0, x0, plane] * (1 - fx) + tables[y0, x1, plane] * fx
    bottom = tables[y1, x0, plane] * (1 - fx) + tables[y1, x1, plane] * fx
    blended: NDArray[np.float32] = top * (1 - fy) + bottom * fy
    return np.rint(blended).clip(0, 255).astype(np.uint8)


def _table(counts: NDArray[np.generic]) -> NDArray[np.uint8]:
    """New value by old value: the cumulated share."""
    total: NDArray[np.float64] = np.cumsum(counts.astype(np.float64))
    first = total[np.flatnonzero(total)[0]] if total[-1] else 0.0
    span = total[-1] - first
    if span <= 0:
        return np.arange(256, dtype=np.uint8)
    table: NDArray[np.float64] = (total - first).clip(0) / span * 255
    return np.rint(table).clip(0, 255).astype(np.uint8)


CONTRASTS: Final[dict[str, Callable[[Pixels], Pixels]]] = {
    "stretching": stretch,
    "histogram": equalise,
    "adaptive": equalise_tiles,
}
