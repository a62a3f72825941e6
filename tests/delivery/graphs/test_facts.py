"""ONNX files, good and bad: each kind of bad has a name of its own."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tests.delivery.graphs import graphs

from lambent.delivery.graphs import facts
from lambent.delivery.problem import Problem


def code_of(path):
    with pytest.raises(Problem) as caught:
        facts.check(path)
    return caught.value.code


def test_what_goes_in_and_out_is_read(tmp_path):
    model = graphs.convolution()
    model.producer_name = "maker"
    entry = model.metadata_props.add()
    entry.key, entry.value = "names", "{0: 'red', 1: 'green', 2: 'blue'}"
    onnx.save(model, tmp_path / "a.onnx")
    found = facts.check(tmp_path / "a.onnx")
    assert (found.opset, found.ir_version, found.producer) == (13, 9, "maker")
    assert str(found.inputs[0]) == "images: float32 ? × 3 × 16 × 16"
    assert found.operators == {"Conv": 1, "ReduceMean": 1, "Softmax": 1}
    assert found.last == {"scores": "Softmax"}
    assert found.names == ("red", "green", "blue")


@pytest.mark.parametrize("text", ["{0: 'a', 2: 'b'}", "__import__('os')", "{", "7", "[]"])
def test_names_that_are_none_are_no_names(text):
    assert facts._names(text) == ()


def test_a_file_that_is_something_else(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"\x89PNG not a graph at all")
    assert code_of(tmp_path / "a.onnx") == "GRAPH_INVALID"
    (tmp_path / "a.onnx").write_bytes(b"")
    assert code_of(tmp_path / "a.onnx") == "GRAPH_INVALID"


def test_a_file_that_was_cut_short(tmp_path):
    data = graphs.convolution().SerializeToString()
    (tmp_path / "a.onnx").write_bytes(data[: len(data) // 2])
    assert code_of(tmp_path / "a.onnx") == "GRAPH_INVALID"


def test_a_graph_that_breaks_onnxs_rules(tmp_path):
    model = graphs.convolution()
    model.graph.node[1].input[0] = "nothing"
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    assert code_of(tmp_path / "a.onnx") == "GRAPH_INVALID"


@pytest.mark.parametrize("change", [{"opset": 99}, {"ir": 99}])
def test_a_graph_from_the_future(tmp_path, change):
    node = helper.make_node("Relu", ["x"], ["y"])
    model = graphs.made([node], [], [("x", [None, 2])], [("y", [None, 2])], **change)
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    assert code_of(tmp_path / "a.onnx") == "GRAPH_TOO_NEW"


@pytest.mark.parametrize("domain", ["", "some.company"])
def test_an_operator_that_nobody_has(tmp_path, domain):
    node = helper.make_node("Frobnicate", ["x"], ["y"], domain=domain)
    model = graphs.made([node], [], [("x", [None, 2])], [("y", [None, 2])])
    if domain:
        model.opset_import.append(helper.make_opsetid(domain, 1))
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    assert code_of(tmp_path / "a.onnx") == "GRAPH_OPERATOR_UNKNOWN"


def with_weights_outside(folder, location="weights.bin"):
    weights = helper.make_tensor(
        "w", TensorProto.FLOAT, [64, 64], np.eye(64, dtype=np.float32).tobytes(), raw=True
    )
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    model = graphs.made([node], [weights], [("x", [None, 64])], [("y", [None, 64])])
    onnx.save_model(
        model,
        folder / "a.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    if location != "weights.bin":
        model = onnx.load(folder / "a.onnx", load_external_data=False)
        model.graph.initializer[0].external_data[0].value = location
        (folder / "a.onnx").write_bytes(model.SerializeToString())


def test_weights_in_a_file_beside_it(tmp_path):
    with_weights_outside(tmp_path)
    assert facts.check(tmp_path / "a.onnx").data == ("weights.bin",)
    (tmp_path / "weights.bin").unlink()
    assert code_of(tmp_path / "a.onnx") == "GRAPH_DATA_MISSING"


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "deep/down"])
def test_weights_elsewhere_are_not_followed(tmp_path, location):
    with_weights_outside(tmp_path, location)
    assert code_of(tmp_path / "a.onnx") == "GRAPH_INVALID"
