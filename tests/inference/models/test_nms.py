"""The original's rule: how much of the lower box is covered, not IoU."""

import numpy as np
import pytest

from lambent_inference.models import nms


def kept(boxes, scores, classes=None, threshold=0.3, most=300, **how):
    classes = np.zeros(len(boxes), int) if classes is None else np.array(classes)
    rows = np.array(boxes, np.float32)
    scores = np.array(scores, np.float32)
    return nms.keep(rows, scores, classes, threshold, most=most, **how).tolist()


def test_a_small_box_inside_a_bigger_one_goes_although_their_iou_is_tiny():
    big, small = [0, 0, 99, 99], [40, 40, 49, 49]
    assert kept([big, small], [0.9, 0.8]) == [0]


def test_a_big_box_around_a_better_small_one_stays():
    big, small = [0, 0, 99, 99], [40, 40, 49, 49]
    assert kept([big, small], [0.8, 0.9]) == [1, 0]


def test_one_pixel_is_added_and_the_threshold_itself_is_allowed():
    # 10 × 10 pixels each (0…9), 3 columns shared: 30 of 100.
    first, second = [0, 0, 9, 9], [7, 0, 16, 9]
    assert kept([first, second], [0.9, 0.8], threshold=0.3) == [0, 1]
    assert kept([first, second], [0.9, 0.8], threshold=0.299) == [0]


def test_boxes_that_only_touch_share_a_column_of_pixels():
    first, second = [0, 0, 9, 9], [9, 0, 18, 9]
    assert kept([first, second], [0.9, 0.8], threshold=0.09) == [0]
    assert kept([first, second], [0.9, 0.8], threshold=0.1) == [0, 1]


def test_classes_do_not_touch_each_other_unless_asked_to():
    same = [[0, 0, 9, 9], [0, 0, 9, 9]]
    assert kept(same, [0.9, 0.8], [0, 1]) == [0, 1]
    assert kept(same, [0.9, 0.8], [0, 1], agnostic=True) == [0]


def test_the_highest_first_and_equals_in_the_models_order():
    apart = [[0, 0, 9, 9], [100, 0, 109, 9], [200, 0, 209, 9], [300, 0, 309, 9]]
    assert kept(apart, [0.5, 0.9, 0.5, 0.7]) == [1, 3, 0, 2]


def test_a_dropped_box_drops_no_others():
    row = [[0, 0, 9, 9], [5, 0, 14, 9], [10, 0, 19, 9]]
    assert kept(row, [0.9, 0.8, 0.7]) == [0, 2]


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_and_one(count):
    assert kept([[0, 0, 9, 9]] * count or np.empty((0, 4)), [0.5] * count) == list(range(count))


def test_against_the_rule_written_out():
    random = np.random.default_rng(4)
    for _ in range(30):
        corner = random.uniform(0, 80, (40, 2))
        boxes = np.concatenate([corner, corner + random.uniform(1, 60, (40, 2))], axis=1)
        boxes = boxes.astype(np.float32)
        scores = random.random(40).astype(np.float32)
        classes = random.integers(0, 3, 40)
        expected: list[int] = []
        for i in np.argsort(-scores, kind="stable").tolist():
            x0, y0, x1, y1 = boxes[i].astype(float)
            area = (x1 - x0 + 1) * (y1 - y0 + 1)
            covered = [
                max(0, min(x1, b[2]) - max(x0, b[0]) + 1)
                * max(0, min(y1, b[3]) - max(y0, b[1]) + 1)
                / area
                for j in expected
                if classes[j] == classes[i]
                for b in [boxes[j].astype(float)]
            ]
            if all(share <= 0.3 for share in covered):
                expected.append(i)
        assert kept(boxes, scores, classes) == expected
        for most in (0, 1, 7):
            assert kept(boxes, scores, classes, most=most) == expected[:most]
