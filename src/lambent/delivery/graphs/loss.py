"""What a smaller graph lost: the same questions to both, by the measure of the task.

With labels it is the share of right answers (of numbers, R²), before and after. Without them it is
how far the smaller graph agrees with the larger one, which then counts as 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from lambent.delivery.graphs.evidence import Evidence

LIMIT: Final = 0.01
"""One right answer in a hundred; `--max-loss` says otherwise."""
COSINE: Final = 0.99
OVERLAP: Final = 0.5
NEAR: Final = 0.01
"""Of the range of a sample's numbers."""


@dataclass(frozen=True, slots=True)
class Loss:
    measure: str
    before: float
    after: float
    rows: int

    @property
    def lost(self) -> float:
        return max(0.0, self.before - self.after)

    def facts(self) -> dict[str, Any]:
        return asdict(self) | {"lost": self.lost}


def measure(before: Sequence[Any], after: Sequence[Any], evidence: Evidence) -> Loss:
    """Answers of both graphs to the same rows or pictures."""
    rows = len(before)
    if _numbers(before):
        return _of_numbers(before, after, evidence.labels)
    if evidence.labels and _has_label(before[0]):
        shares = [
            sum(_label(one) == label for one, label in zip(answers, evidence.labels, strict=True))
            / rows
            for answers in (before, after)
        ]
        return Loss("accuracy", shares[0], shares[1], rows)
    same = sum(_agreement(one, other) for one, other in zip(before, after, strict=True))
    return Loss("agreement", 1.0, same / rows, rows)


def _numbers(answers: Sequence[Any]) -> bool:
    first = answers[0]
    return (
        hasattr(first, "prediction")
        and isinstance(first.prediction, float)
        and not first.probabilities
    )


def _of_numbers(before: Sequence[Any], after: Sequence[Any], labels: Sequence[str]) -> Loss:
    import numpy as np

    old, new = (np.array([one.prediction for one in answers]) for answers in (before, after))
    if labels:
        wanted = np.array(labels, float)
        spread = float(((wanted - wanted.mean()) ** 2).sum()) or 1.0
        scores = [1 - float(((wanted - got) ** 2).sum()) / spread for got in (old, new)]
        return Loss("R²", scores[0], scores[1], len(old))
    reach = float(np.ptp(old)) or max(1.0, float(np.abs(old).max()))
    near = np.abs(old - new) <= NEAR * reach
    return Loss("agreement", 1.0, float(near.mean()), len(old))


def _has_label(answer: Any) -> bool:
    return hasattr(answer, "prediction") or (
        hasattr(answer, "scores") and not hasattr(answer, "predicted")
    )


def _label(answer: Any) -> str:
    if hasattr(answer, "prediction"):
        return str(answer.prediction)
    return answer.scores[0].class_name if answer.scores else ""


def _agreement(one: Any, other: Any) -> float:
    """0…1 for one row or picture."""
    if hasattr(one, "predicted"):
        return float(set(one.predicted) == set(other.predicted))
    if _has_label(one):
        return float(_label(one) == _label(other))
    if hasattr(one, "vector"):
        return float(_cosine(one.vector, other.vector) >= COSINE)
    if hasattr(one, "boxes"):
        return _same_boxes(one.boxes, other.boxes)
    return float((one.classes == other.classes).mean())


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    sizes = math.hypot(*one) * math.hypot(*other)
    return product / sizes if sizes else 0.0


def _same_boxes(one: Sequence[Any], other: Sequence[Any]) -> float:
    """Boxes of the same class in the same place, over all that either has."""
    left = list(other)
    met = 0
    for box in one:
        found = next(
            (b for b in left if b.class_id == box.class_id and _overlap(box, b) >= OVERLAP), None
        )
        if found is not None:
            left.remove(found)
            met += 1
    total = len(one) + len(other) - met
    return met / total if total else 1.0


def _overlap(one: Any, other: Any) -> float:
    width = min(one.x + one.width / 2, other.x + other.width / 2) - max(
        one.x - one.width / 2, other.x - other.width / 2
    )
    height = min(one.y + one.height / 2, other.y + other.height / 2) - max(
        one.y - one.height / 2, other.y - other.height / 2
    )
    shared = float(max(0.0, width) * max(0.0, height))
    return shared / float((one.width * one.height + other.width * other.height - shared) or 1.0)
