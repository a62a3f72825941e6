"""One row of the tables."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """Markdown in the texts; each is one or two sentences."""

    code: str
    meaning: str
    cause: str
    fix: str
