"""What a smaller graph lost, by the measure of each task."""

from types import SimpleNamespace as Answer

import pytest

from lambent.delivery.graphs.evidence import Evidence
from lambent.delivery.graphs.loss import measure


def box(x, class_id=0):
    return Answer(x=x, y=10, width=10, height=10, class_id=class_id)


def test_boxes_agree_where_they_cover_each_other():
    one = [Answer(boxes=(box(10), box(50)))]
    assert measure(one, [Answer(boxes=(box(11), box(50)))], Evidence()).lost == 0
    assert measure(one, [Answer(boxes=(box(10),))], Evidence()).lost == pytest.approx(0.5)
    assert measure(one, [Answer(boxes=(box(10, 1), box(50)))], Evidence()).after == pytest.approx(
        1 / 3
    )
    nothing = [Answer(boxes=())]
    assert measure(nothing, nothing, Evidence()).after == 1


def test_numbers_by_r_squared_with_answers_and_by_range_without():
    old = [Answer(prediction=float(i), probabilities=None) for i in range(10)]
    new = [Answer(prediction=i + (5.0 if i == 9 else 0.0), probabilities=None) for i in range(10)]
    right = Evidence(labels=tuple(map(str, range(10))))
    assert measure(old, old, right).before == 1
    assert measure(old, new, right).lost == pytest.approx(25 / 82.5)
    assert measure(old, new, Evidence()).after == pytest.approx(0.9)


def test_vectors_by_their_angle():
    old = [Answer(vector=(1.0, 0.0)), Answer(vector=(0.0, 2.0))]
    assert (
        measure(old, [Answer(vector=(3.0, 0.01)), Answer(vector=(1.0, 1.0))], Evidence()).after
        == 0.5
    )
