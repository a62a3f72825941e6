"""The X-Ray documents of one trace as rows of a waterfall: a tree by parent, in order of start.

Documents come in any order and as they please: a subsegment inside its parent or by itself, twice
(first in progress), without its parent, without an end. The function writes them, so nothing in
them is believed: wrong types are left out, and so is a circle of parents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from lambent.cli.waterfall import Phase

DEEPEST: Final = 32
SOURCE: Final = "x-ray"


@dataclass(frozen=True, slots=True)
class Row:
    """One segment or subsegment."""

    depth: int
    name: str
    origin: str | None
    start_ms: float
    """After the first segment's start."""
    duration_ms: float | None
    """None: it was in progress when it was sent last."""
    failed: bool

    def facts(self) -> dict[str, Any]:
        return asdict(self)

    def phase(self) -> Phase:
        return Phase(self.name, self.start_ms, self.duration_ms, SOURCE)


def rows(documents: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The tree, parents before their children."""
    known: dict[str, dict[str, Any]] = {}
    for document in documents:
        for one in _flat(document, None, 0):
            known[one["id"]] = one
    if not known:
        return []
    children: dict[str, list[dict[str, Any]]] = {}
    for one in known.values():
        parent = one["parent_id"] if one["parent_id"] in known else ""
        children.setdefault(parent, []).append(one)
    first = min(one["start_time"] for one in known.values())
    return list(_walk("", children, first, 0))


def end_ms(found: Iterable[Row]) -> float:
    """How long the waterfall is."""
    return max((row.start_ms + (row.duration_ms or 0) for row in found), default=0.0)


def _flat(document: Mapping[str, Any], parent: str | None, depth: int) -> Iterator[dict[str, Any]]:
    id_, start, name = (document.get(key) for key in ("id", "start_time", "name"))
    if not (isinstance(id_, str) and isinstance(start, (int, float)) and depth < DEEPEST):
        return
    own = parent or document.get("parent_id")
    end = document.get("end_time")
    yield {
        "id": id_,
        "name": "".join(c if c.isprintable() else "?" for c in str(name)[:200]),
        "parent_id": own if isinstance(own, str) else "",
        "origin": document.get("origin") if isinstance(document.get("origin"), str) else None,
        "start_time": start,
        "end_time": end if isinstance(end, (int, float)) else None,
        "failed": any(document.get(key) is True for key in ("fault", "error", "throttle")),
    }
    inside = document.get("subsegments")
    for one in inside if isinstance(inside, list) else ():
        if isinstance(one, Mapping):
            yield from _flat(one, id_, depth + 1)


def _walk(
    parent: str, children: dict[str, list[dict[str, Any]]], first: float, depth: int
) -> Iterator[Row]:
    for one in sorted(children.pop(parent, ()), key=lambda one: one["start_time"]):
        end = one["end_time"]
        yield Row(
            depth,
            one["name"],
            one["origin"],
            round((one["start_time"] - first) * 1000, 3),
            None if end is None else round(max(0.0, end - one["start_time"]) * 1000, 3),
            one["failed"],
        )
        if depth < DEEPEST:
            yield from _walk(one["id"], children, first, depth + 1)
