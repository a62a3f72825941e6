"""Masks as outlines and as run lengths.

Outlines are those of OpenCV's external contours: the border's pixels from the topmost on, to the
left and down first, without the ones inside a straight run (horizontal, vertical or diagonal). Of several pieces
the one with the longest outline is kept. Run lengths are COCO's: down the columns, zeros first,
packed six bits to a character.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Points = list[tuple[int, int]]

AROUND: Final = ((1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1))
"""The eight neighbours as (x, y), clockwise as seen in a picture, from the right."""
WEST: Final = 4


def outline(mask: Mask) -> Points:
    """The longest outer border, as (x, y); of equals the lowest. Empty for an empty mask."""
    contours = outlines(mask)
    return max(contours, key=len) if contours else []


def outlines(mask: Mask) -> list[Points]:
    """The outer border of every piece (pixels that touch, corners included), the lowest first."""
    padded = np.pad(mask, 1)
    grid = [bytearray(row.tobytes()) for row in padded.astype(np.uint8)]
    # A border begins where a row enters the mask; what was followed already is marked with 2.
    starts = np.argwhere(padded[:, 1:] & ~padded[:, :-1])
    found: list[Points] = []
    outside: Mask | None = None
    for row, column in starts.tolist():
        x, y = column + 1, row
        if grid[y][x] == 2:
            continue
        if found and outside is None:  # only where there is more than one piece without holes
            outside = _outside_reached(padded)
        if outside is None or outside[y, x - 1]:
            first, *rest = _corners(_follow(grid, x, y))
            found.append([(px - 1, py - 1) for px, py in (first, *reversed(rest))])
    return found[::-1]  # OpenCV's order, which decides between equals


def _outside_reached(padded: Mask) -> Mask:
    """Background that is connected to the picture's edge, so that holes give no outer border."""
    background = ~padded
    reached = np.zeros_like(padded)
    reached[0, :] = reached[-1, :] = reached[:, 0] = reached[:, -1] = True
    while True:
        before = int(reached.sum())
        _sweep(reached, background)
        if int(reached.sum()) == before:
            return reached


def _sweep(reached: Mask, background: Mask) -> None:
    """Spread along every row and column, both ways, until the next mask pixel."""
    for field, free in ((reached, background), (reached.T, background.T)):
        for step in (1, -1):
            seen, open_ = field[:, ::step], free[:, ::step]
            places = np.arange(seen.shape[1])
            last_seen = np.maximum.accumulate(np.where(seen, places, -1), axis=1)
            last_wall = np.maximum.accumulate(np.where(open_, -1, places), axis=1)
            seen |= open_ & (last_seen > last_wall)


def _follow(grid: list[bytearray], x: int, y: int) -> Points:
    """Moore's walk around one piece, from its first pixel whose left neighbour is outside."""
    start, came = (x, y), WEST
    border: Points = []
    first_move: tuple[int, int, int] | None = None
    while True:
        grid[y][x] = 2
        for turn in range(1, 9):
            direction = (came + turn) % 8
            dx, dy = AROUND[direction]
            if grid[y + dy][x + dx]:
                break
        else:
            return [start]
        move = (x, y, direction)
        if move == first_move:
            return border
        first_move = first_move or move
        border.append((x, y))
        x, y = x + dx, y + dy
        # From the new pixel, look first at the neighbour after the one that was found empty last.
        came = (direction + 5) % 8 if direction % 2 else (direction + 6) % 8


def _corners(border: Points) -> Points:
    """Without the points in the middle of a straight run."""
    if len(border) <= 2:
        return border
    kept = []
    for i, (x, y) in enumerate(border):
        before, after = border[i - 1], border[(i + 1) % len(border)]
        if (x - before[0], y - before[1]) != (after[0] - x, after[1] - y):
            kept.append((x, y))
    return kept


def run_lengths(mask: Mask) -> list[int]:
    """Lengths of alternating runs down the columns, beginning with zeros."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    lengths = np.diff(edges).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


def packed(lengths: list[int]) -> str:
    """COCO's compressed string: from the fourth on, the difference to the run two before."""
    out = []
    for i, length in enumerate(lengths):
        value = length - lengths[i - 2] if i > 2 else length
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            out.append(chr((bits | 0x20 if more else bits) + 48))
    return "".join(out)


def rle(mask: Mask) -> str:
    return packed(run_lengths(mask))
