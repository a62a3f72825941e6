"""Golden numbers per head, and the order of the original's steps."""

import numpy as np
import pytest

from lambent_inference.errors import InvalidModelConfiguration
from lambent_inference.models.contract import Detect

CLASSES = ["cat", "dog", "owl"]


def columns(*rows) -> np.ndarray:
    """Anchors as YOLOv8 has them: a column each."""
    return np.array(rows, np.float32).T


def facts(box):
    return (box.x, box.y, box.width, box.height, round(box.confidence, 3), box.class_name)


ONE = (20, 30, 10, 20)
TWO = (50, 30, 8, 8)
HEADS = {
    "yolov8n": {"output0": columns((*ONE, 0.1, 0.9, 0), (*TWO, 0, 0, 0.75), (*TWO, 0.2, 0, 0))},
    "yolo11s": {"output0": columns((*ONE, 0.1, 0.9, 0), (*TWO, 0, 0, 0.75))},
    "yolov5s": {"output": np.array([[*ONE, 0.9, 0.1, 1, 0], [*TWO, 1, 0, 0, 0.75], [*TWO, 0.3, 1, 1, 1]])},
    "yolov10m": {"output0": np.array([[15, 20, 25, 40, 0.9, 1], [46, 26, 54, 34, 0.75, 2], [0] * 6])},
    "yolo_nas_s": {
        "boxes": np.array([[15, 20, 25, 40], [46, 26, 54, 34], [1, 1, 2, 2]]),
        "scores": np.array([[0.1, 0.9, 0], [0, 0, 0.75], [0.1, 0.2, 0.3]]),
    },
    "yolo-nas-l": {  # with suppression in the graph
        "num": np.array([2]),
        "boxes": np.array([[15, 20, 25, 40], [46, 26, 54, 34], [9, 9, 9, 9]]),
        "scores": np.array([0.9, 0.75, 0.99]),
        "ids": np.array([1, 2, 0]),
    },
}  # fmt: skip


@pytest.mark.parametrize("family", HEADS)
def test_every_head_says_the_same(answered, family):
    (found,) = answered(Detect(), HEADS[family], family=family, classes=CLASSES)
    assert [facts(box) for box in found.boxes] == [
        (20, 30, 10, 20, 0.9, "dog"),
        (50, 30, 8, 8, 0.75, "owl"),
    ]
    assert (found.width, found.height) == (64, 64)
    assert [box.class_id for box in found.boxes] == [1, 2]


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"confidence": -1e308}, 3), ({"confidence": 0.0}, 3), ({"confidence": 1.0}, 0),
        ({"confidence": 1e308}, 0), ({"iou_threshold": 1e308}, 2), ({"iou_threshold": -1e308}, 2),
        ({"max_detections": 0}, 0), ({"max_detections": 2**200}, 2),
    ],
)  # fmt: skip
def test_extremes_are_numbers_like_others(answered, asked, count):
    three = HEADS["yolov8n"]["output0"] + 0.0
    three[0, 2] = 5  # of its own place
    (found,) = answered(Detect(**asked), {"output0": three}, classes=CLASSES)
    assert len(found.boxes) == count


def test_objectness_counts_in_yolov5(answered):
    outputs = {"output": np.array([[*ONE, 0.8, 0.5, 0, 0]])}
    (found,) = answered(Detect(confidence=0.3), outputs, family="yolov5", classes=CLASSES)
    assert found.boxes[0].confidence == pytest.approx(0.4)


def test_the_threshold_itself_is_kept(answered):
    outputs = {"output0": columns((*ONE, 0.5, 0, 0), (*TWO, 0.4999, 0, 0))}
    (found,) = answered(Detect(confidence=0.5), outputs, classes=CLASSES)
    assert len(found.boxes) == 1


def test_thresholds_by_name_are_the_packages(answered):
    outputs = {"output0": columns((*ONE, 0.6, 0, 0), (*TWO, 0, 0.3, 0))}
    own = {"confidence": 0.5, "best": 0.2}
    for asked, count in (("default", 1), ("best", 2)):
        (found,) = answered(Detect(confidence=asked), outputs, classes=CLASSES, thresholds=own)
        assert len(found.boxes) == count


@pytest.mark.parametrize(
    ("resize", "size", "expected"),
    [
        # 128 × 32 pixels; the box covers the model's x 15…25, y 20…40.
        ("stretch", (128, 32), (40, 15, 20, 10)),
        ("fit-black", (128, 32), (40, 12, 20, 24)),  # scale ½, 24 rows of edge; y clipped at 0
        ("fit-black", (32, 32), (10, 15, 5 + 0, 10)),
    ],
)
def test_back_to_the_picture_clipped_and_whole(answered, blank, resize, size, expected):
    outputs = {"output0": columns((*ONE, 0.9, 0, 0))}
    (found,) = answered(
        Detect(), outputs, pictures=[blank(*size)], classes=CLASSES, input={"resize": resize}
    )
    box = found.boxes[0]
    corners = [box.x - box.width / 2, box.y - box.height / 2]
    corners += [box.x + box.width / 2, box.y + box.height / 2]
    assert all(value == int(value) for value in corners)
    if resize == "stretch":
        assert (box.x, box.y, box.width, box.height) == expected
    assert 0 <= corners[1] <= corners[3] <= size[1]


def test_a_box_over_the_edge_is_cut(answered):
    outputs = {"output0": columns((60, 4, 20, 20, 0.9, 0, 0))}
    (found,) = answered(Detect(), outputs, classes=CLASSES)
    box = found.boxes[0]
    assert (box.x, box.y, box.width, box.height) == (57, 7, 14, 14)


def test_the_class_filter_comes_after_the_limit(answered):
    outputs = {"output0": columns((*ONE, 0.9, 0, 0), (*TWO, 0, 0.8, 0))}
    task = Detect(max_detections=1, class_filter=("dog",))
    (found,) = answered(task, outputs, classes=CLASSES)
    assert found.boxes == ()
    (found,) = answered(Detect(class_filter=("dog",)), outputs, classes=CLASSES)
    assert [box.class_name for box in found.boxes] == ["dog"]


def test_classes_suppress_each_other_only_if_agnostic(answered):
    outputs = {"output0": columns((*ONE, 0.9, 0, 0), (*ONE, 0, 0.8, 0))}
    (found,) = answered(Detect(), outputs, classes=CLASSES)
    assert len(found.boxes) == 2
    (found,) = answered(Detect(class_agnostic_nms=True), outputs, classes=CLASSES)
    assert len(found.boxes) == 1


def test_an_answer_per_picture_in_order(answered, blank):
    outputs = {"output0": columns((*ONE, 0.9, 0, 0))}
    found = answered(Detect(), outputs, pictures=[blank(64, 64), blank(128, 128)], classes=CLASSES)
    assert [one.boxes[0].x for one in found] == [20, 40]


def test_an_unknown_family_is_a_misconfiguration(answered):
    with pytest.raises(InvalidModelConfiguration):
        answered(Detect(), HEADS["yolov8n"], family="ssd", classes=CLASSES)


def test_a_fixed_batch_is_filled_up_and_more_is_split(write, graph, ask, blank):
    rows = {"output0": columns((*ONE, 0.9, 0, 0))}
    write("made/1", {"weights.onnx": graph(rows, batch=2)}, classes=CLASSES)
    found = ask("made/1", Detect(), [blank()] * 5)
    assert len(found) == 5
    assert all(one.boxes[0].x == 20 for one in found)
