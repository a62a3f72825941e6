"""What a graph is for, where its shapes say it, and a question where they do not."""

import pytest

from lambent.delivery.graphs.facts import Facts, Port
from lambent.delivery.graphs.purpose import Said, tell
from lambent.delivery.problem import Problem

PICTURES = Port("images", "float32", (None, 3, 640, 640))


def facts(*outputs, inputs=(PICTURES,), last="", **more):
    ports = tuple(Port(f"out{i}", "float32", shape) for i, shape in enumerate(outputs))
    return Facts(17, 9, "", tuple(inputs), ports, {}, {one.name: last for one in ports}, **more)


@pytest.mark.parametrize(
    ("found", "task", "family", "classes"),
    [
        (facts((1, 84, 8400)), "object-detection", "yolov8", 80),
        (facts((1, 25200, 85)), "object-detection", "yolov5", 80),
        (facts((None, 300, 6), names=("a", "b")), "object-detection", "yolov10", 2),
        (
            facts((1, 116, 8400), (1, 32, 160, 160), names=("a",) * 80),
            "instance-segmentation",
            "yolov8",
            80,
        ),
        (facts((None, 10), last="Softmax"), "classification", "onnx", 10),
        (facts((1, 56, 8400), names=("person",), said="pose"), "keypoint-detection", "yolov8", 1),
        (facts((None, 1), inputs=[Port("x", "float32", (None, 4))]), "tabular", "onnx", 0),
        (
            facts(
                (None,), inputs=[Port("a", "float32", (None, 1)), Port("b", "string", (None, 1))]
            ),
            "tabular",
            "onnx",
            0,
        ),
    ],
)
def test_seen(found, task, family, classes):
    told = tell(found, Said())
    assert (told.task, told.family, len(told.classes)) == (task, family, classes)


@pytest.mark.parametrize(
    "found",
    [
        facts((None, 512)),  # a classifier, or an embedding
        facts((None, 4, 64, 64)),
        facts((None, 8, 512), inputs=[Port("input_ids", "int64", (None, 77))]),
    ],
)
def test_not_guessed(found):
    with pytest.raises(Problem) as caught:
        tell(found, Said())
    assert caught.value.code == "GRAPH_TASK_UNKNOWN"
    assert "--task" in caught.value.fix


def test_an_end_to_end_detector_must_name_its_classes():
    with pytest.raises(Problem) as caught:
        tell(facts((None, 300, 6)), Said())
    assert "--classes" in caught.value.fix


def test_what_is_said_wins():
    told = tell(
        facts((None, 512)), Said("classification", "resnet", ("a", "b"), {"scale": 1}, "none")
    )
    assert (told.family, told.classes) == ("resnet", ("a", "b"))
    assert told.more == {"input": {"scale": 1}, "activation": "none"}


def test_softmax_is_applied_once():
    assert tell(facts((None, 10), last="Softmax"), Said()).more["activation"] == "none"
    assert "activation" not in tell(facts((None, 10)), Said("classification")).more


def test_channels_may_come_last_and_must_be_three():
    last = facts((None, 2), inputs=[Port("x", "float32", (None, 224, 224, 3))])
    assert tell(last, Said("classification")).more["input"] == {"layout": "nhwc"}
    with pytest.raises(Problem) as caught:
        tell(
            facts((None, 2), inputs=[Port("x", "float32", (None, 1, 28, 28))]),
            Said("classification"),
        )
    assert caught.value.code == "GRAPH_UNSUITABLE"
