"""Three numbers per point, brought back like the box."""

import numpy as np
import pytest

from lambent_inference.errors import InvalidModelConfiguration
from lambent_inference.models.contract import DetectKeypoints

ROW = [32, 32, 20, 20, 0.9, 30, 31, 0.8, 40, 41, 0.2]
OUTPUTS = {"output0": np.array([ROW], np.float32).T}
FACTS = {
    "task": "keypoint-detection",
    "family": "yolov8-pose",
    "classes": ["person"],
    "keypoints": [{"keypoints": ["nose", "eye"]}],
}


def test_points_in_the_pictures_pixels(answered, blank):
    (found,) = answered(DetectKeypoints(), OUTPUTS, pictures=[blank(128, 64)], **FACTS)
    nose, eye = found.boxes[0].keypoints
    assert (nose.x, nose.y, nose.class_id, nose.class_name) == (60, 31, 0, "nose")
    assert nose.confidence == pytest.approx(0.8)
    assert (eye.x, eye.y, eye.class_name) == (80, 41, "eye")


def test_unsure_points_are_left_out(answered):
    (found,) = answered(DetectKeypoints(keypoint_confidence=0.5), OUTPUTS, **FACTS)
    assert [one.class_name for one in found.boxes[0].keypoints] == ["nose"]


@pytest.mark.parametrize(("least", "count"), [(-1e308, 2), (1e308, 0)])
def test_extremes_are_numbers_like_others(answered, least, count):
    (found,) = answered(DetectKeypoints(keypoint_confidence=least), OUTPUTS, **FACTS)
    assert len(found.boxes[0].keypoints) == count


def test_a_package_without_names_of_points_is_misconfigured(answered):
    with pytest.raises(InvalidModelConfiguration):
        answered(DetectKeypoints(), OUTPUTS, **{**FACTS, "keypoints": []})
