"""Boxes by words: an export for fixed words, and Grounding DINO's numbers per token."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from lambent_inference.errors import InvalidRequest
from lambent_inference.models.contract import DetectNamed

WORLD = {"task": "open-vocabulary-detection", "family": "yolo_world", "classes": ["cat", "dog"]}
ROWS = {"output0": np.array([[20, 30, 10, 20, 0.9, 0.1], [50, 30, 8, 8, 0.2, 0.8]], np.float32).T}


def test_an_export_for_fixed_words_answers_for_those_that_are_asked(answered):
    (found,) = answered(DetectNamed(texts=("dog",)), ROWS, **WORLD)
    assert [(box.class_name, box.class_id, box.x) for box in found.boxes] == [("dog", 0, 50)]
    with pytest.raises(InvalidRequest, match="zebra"):
        answered(DetectNamed(texts=("zebra",)), ROWS, **WORLD)


@pytest.fixture
def dino(write, serialised):
    words = {"[CLS]": 1, "[SEP]": 2, ".": 3, "a": 4, "cat": 5, "remote": 6, "control": 7, "?": 8}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    # Tokens of "a cat. remote control.": [CLS] a cat . remote control . [SEP]
    logits = np.full((1, 3, 8), -9, np.float32)
    logits[0, 0, 2] = 3  # cat
    logits[0, 1, 4:6] = (1, 2)  # remote control
    logits[0, 2, 3] = 3  # a dot, which is no text
    boxes = np.array([[[0.5, 0.5, 0.25, 0.5], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 1, 1]]])
    nodes = [
        helper.make_node("ReduceMean", ["pixel_values"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Cast", ["input_ids"], ["tokens"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["tokens"], ["token"], axes=[1], keepdims=0),
        helper.make_node("Add", ["mean", "token"], ["both"]),
        helper.make_node("Sub", ["both", "both"], ["zero"]),
        helper.make_node("Reshape", ["zero", "shape"], ["zeros"]),
        helper.make_node("Add", ["zeros", "l"], ["logits"]),
        helper.make_node("Add", ["zeros", "b"], ["pred_boxes"]),
    ]
    constants = [
        numpy_helper.from_array(logits, "l"),
        numpy_helper.from_array(boxes.astype(np.float32), "b"),
        numpy_helper.from_array(np.array([-1, 1, 1]), "shape"),
    ]
    inputs = [
        helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["N", 3, 64, 64]),
        helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["N", "tokens"]),
    ]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3, 8]),
        helper.make_tensor_value_info("pred_boxes", TensorProto.FLOAT, ["N", 3, 4]),
    ]
    files = {
        "model.onnx": serialised(nodes, inputs, outputs, constants),
        "tokenizer.json": tokenizer.to_str().encode(),
    }
    write(
        "grounding_dino/default", files, task="open-vocabulary-detection",
        family="grounding_dino", tokenizer="tokenizer.json", model="model.onnx",
    )  # fmt: skip


def test_grounding_dino_reads_the_tokens_of_each_text(dino, ask, blank):
    task = DetectNamed(texts=("A cat", "remote control"), confidence=0.5, iou_threshold=1)
    (found,) = ask("grounding_dino/default", task, [blank(128, 64)])
    cat, remote = found.boxes
    assert (cat.class_name, cat.class_id, cat.x, cat.width) == ("A cat", 0, 64, 32)
    assert cat.confidence == pytest.approx(1 / (1 + np.exp(-3)))
    assert (remote.class_name, remote.class_id) == ("remote control", 1)
    assert remote.confidence == pytest.approx(1 / (1 + np.exp(-2)))
    (found,) = ask(
        "grounding_dino/default",
        DetectNamed(texts=task.texts, text_threshold=0.9),
        [blank()],
    )
    assert [box.class_name for box in found.boxes] == ["A cat"]


def test_a_text_without_a_word(dino, ask, blank):
    with pytest.raises(InvalidRequest):
        ask("grounding_dino/default", DetectNamed(texts=("...",)), [blank()])
