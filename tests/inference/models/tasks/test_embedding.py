"""CLIP in miniature: a picture graph and a text graph whose answers can be worked out by hand."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from lambent_inference.errors import InvalidRequest
from lambent_inference.models.contract import Embed

WORDS = {"<start>": 1, "<end>": 2, "a": 3, "cat": 4, "dog": 5, "<unk>": 6}


@pytest.fixture
def tokenizer() -> bytes:
    made = Tokenizer(models.WordLevel(WORDS, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 1), ("<end>", 2)]
    )
    return made.to_str().encode()


@pytest.fixture
def textual(serialised) -> bytes:
    """The tokens themselves as a vector, so that a test sees what the graph was given."""
    return serialised(
        [helper.make_node("Cast", ["input_ids"], ["text_embeds"], to=TensorProto.FLOAT)],
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["N", 6])],
        [helper.make_tensor_value_info("text_embeds", TensorProto.FLOAT, ["N", 6])],
    )


@pytest.fixture
def visual(serialised) -> bytes:
    """The mean of each channel."""
    return serialised(
        [
            helper.make_node(
                "ReduceMean", ["pixel_values"], ["image_embeds"], axes=[2, 3], keepdims=0
            )
        ],
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["N", 3])],
    )


@pytest.fixture
def clip(write, tokenizer, textual, visual):
    files = {"visual.onnx": visual, "textual.onnx": textual, "tokenizer.json": tokenizer}
    write(
        "clip/ViT-B-16", files, task="embedding", family="clip", tokenizer="tokenizer.json",
        parts={"visual": "visual.onnx", "textual": "textual.onnx"},
        input={"resize": "shortest-crop", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    )  # fmt: skip


def test_texts_through_the_packages_tokenizer(clip, ask):
    one, two = ask("clip/ViT-B-16", Embed(texts=("a cat", "a zebra dog")))
    assert one.vector == (1, 3, 4, 2, 0, 0)
    assert two.vector == (1, 3, 6, 5, 2, 0)


def test_a_long_text_keeps_its_end_token(clip, ask):
    (one,) = ask("clip/ViT-B-16", Embed(texts=("a cat a cat a cat a dog",)))
    assert one.vector == (1, 3, 4, 3, 4, 2)


def test_pictures_scaled_and_normalised(clip, ask, blank):
    white, black = ask("clip/ViT-B-16", Embed(), [blank(20, 10, 255), blank(9, 9, 0)])
    assert white.vector == pytest.approx((1, 1, 1))
    assert black.vector == pytest.approx((-1, -1, -1))


def test_either_texts_or_pictures(clip, ask, blank):
    with pytest.raises(InvalidRequest):
        ask("clip/ViT-B-16", Embed())
    with pytest.raises(InvalidRequest):
        ask("clip/ViT-B-16", Embed(texts=("a",)), [blank()])


def test_yolo_world_with_words_of_the_request(write, ask, blank, serialised, tokenizer, textual):
    """Its scores are the fourth number of each word's vector, so words can be told apart."""
    from lambent_inference.models.contract import DetectNamed

    boxes = np.zeros((1, 4, 1), np.float32)
    boxes[0, :, 0] = (32, 32, 10, 10)
    nodes = [
        helper.make_node("Slice", ["txt_feats", "two", "three", "last"], ["third"]),
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Sub", ["mean", "mean"], ["zero"]),
        helper.make_node("Reshape", ["zero", "shape"], ["zeros"]),
        helper.make_node("Add", ["zeros", "boxes"], ["where"]),
        helper.make_node("Concat", ["where", "third"], ["output0"], axis=1),
    ]
    constants = [
        numpy_helper.from_array(np.array([2]), "two"),
        numpy_helper.from_array(np.array([3]), "three"),
        numpy_helper.from_array(np.array([2]), "last"),
        numpy_helper.from_array(np.array([-1, 1, 1]), "shape"),
        numpy_helper.from_array(boxes, "boxes"),
    ]
    inputs = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 64, 64]),
        helper.make_tensor_value_info("txt_feats", TensorProto.FLOAT, ["N", "words", 6]),
    ]
    outputs = [helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["N", "rows", 1])]
    files = {
        "model.onnx": serialised(nodes, inputs, outputs, constants),
        "textual.onnx": textual,
        "tokenizer.json": tokenizer,
    }
    write(
        "yolo_world/l", files, task="open-vocabulary-detection", family="yolo_world",
        model="model.onnx", parts={"textual": "textual.onnx"}, tokenizer="tokenizer.json",
    )  # fmt: skip
    (found,) = ask("yolo_world/l", DetectNamed(texts=("a cat", "a dog")), [blank()])
    (box,) = found.boxes
    # |1 3 4 2| and |1 3 5 2|: the dog's third number is the larger share of its vector.
    assert (box.class_name, box.class_id, box.x) == ("a dog", 1, 32)
    assert box.confidence == pytest.approx(5 / np.sqrt(39), abs=1e-6)
