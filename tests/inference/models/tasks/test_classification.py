import numpy as np
import pytest

from lambent_inference.errors import InvalidModelConfiguration
from lambent_inference.models.contract import Classify

FACTS = {"task": "classification", "family": "vit", "classes": ["a", "b", "c"]}
LOGITS = {"logits": np.array([1.0, 3.0, 2.0])}


def test_softmax_rounded_to_four_decimals_the_highest_first(answered):
    (found,) = answered(Classify(confidence=0.1), LOGITS, **FACTS)
    assert [(s.class_name, s.class_id, s.confidence) for s in found.scores] == [
        ("b", 1, 0.6652),
        ("c", 2, 0.2447),
    ]


def test_nothing_over_the_threshold(answered):
    (found,) = answered(Classify(confidence=0.9), LOGITS, **FACTS)
    assert found.scores == ()


def test_yolo_exports_have_their_softmax_already(answered):
    shares = {"output0": np.array([0.2, 0.7, 0.1])}
    (found,) = answered(Classify(), shares, **{**FACTS, "family": "yolov8n-cls"})
    assert [(s.class_name, s.confidence) for s in found.scores] == [("b", 0.7)]


def test_several_labels_keep_all_classes_and_name_those_over(answered, blank):
    (found,) = answered(Classify(), LOGITS, pictures=[blank(30, 20)], multi_label=True, **FACTS)
    assert [s.confidence for s in found.scores] == pytest.approx(
        [0.731058579, 0.952574127, 0.880797078]
    )
    assert found.predicted == ("a", "b", "c")
    assert (found.width, found.height) == (30, 20)
    half = {"output0": np.array([0.5, 0.7, 0.1])}
    (found,) = answered(
        Classify(confidence=0.5), half, **{**FACTS, "multi_label": True, "activation": "none"}
    )
    assert found.predicted == ("b",), "over, not at"


def test_classes_must_match(answered):
    with pytest.raises(InvalidModelConfiguration):
        answered(Classify(), LOGITS, **{**FACTS, "classes": ["a"]})
