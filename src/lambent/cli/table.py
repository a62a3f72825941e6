"""Rows under headings, for terminals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from lambent.cli.output import Output


def show(
    out: Output, headings: Sequence[str], rows: Sequence[Sequence[object]], right: str = ""
) -> None:
    """Print `rows` in columns; those whose letter in `right` is `r` are aligned to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    print(f"  {out.style(_line(headings, widths, right), 'dim')}")
    for row in cells:
        print(f"  {_line(row, widths, right)}")


def _line(cells: Sequence[str], widths: Sequence[int], right: str) -> str:
    padded = [
        cell.rjust(width) if side == "r" else cell.ljust(width)
        for cell, width, side in zip_longest(cells, widths, right[: len(cells)], fillvalue="")
        if isinstance(width, int)
    ]
    return "  ".join(padded).rstrip()
