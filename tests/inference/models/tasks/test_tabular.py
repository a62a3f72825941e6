"""Rows checked by name, fed as the graph or the estimator wants them, answered with probabilities."""

import io

import joblib
import numpy as np
import pytest
from onnx import TensorProto, helper
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from skops import io as skops

from lambent_inference.errors import BrokenPackage, Forbidden, InvalidFeatures, WrongFamily
from lambent_inference.models.contract import Detect, Predict

FACTS = {"task": "tabular"}
NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
SCHEMA = [{"name": name, "minimum": 0, "maximum": 10} for name in NAMES]


@pytest.fixture(scope="module")
def iris():
    table, kinds = load_iris(return_X_y=True)
    return LogisticRegression(max_iter=500).fit(table, kinds), table, kinds


def test_skops(write, ask, iris, tmp_path):
    model, table, _ = iris
    write("iris/1", {"m.skops": skops.dumps(model)}, family="sklearn", features=SCHEMA, **FACTS)
    named = tuple(dict(zip(NAMES, row, strict=True)) for row in table.tolist())
    rows = ask("iris/1", Predict(rows=named))
    assert [row.prediction for row in rows] == model.predict(table).tolist()
    expected = model.predict_proba(table[:1])[0]
    assert list(rows[0].probabilities) == ["0", "1", "2"]
    np.testing.assert_allclose(list(rows[0].probabilities.values()), expected)
    in_order = ask("iris/1", Predict(rows=tuple(table[:3].tolist())))
    assert in_order == rows[:3]


def test_pickles_only_by_consent(write, ask, iris):
    model, table, _ = iris
    out = io.BytesIO()
    joblib.dump(model, out)
    write("iris/1", {"m.joblib": out.getvalue()}, family="sklearn", **FACTS)
    rows = (tuple(table[0].tolist()),)
    with pytest.raises(Forbidden):
        ask("iris/1", Predict(rows=rows))
    assert ask("iris/1", Predict(rows=rows), allow_pickled_models=True)[0].prediction == 0


def test_a_skops_file_with_other_types_and_a_broken_one(write, ask):
    write("bad/1", {"m.skops": skops.dumps({"f": FailingType})}, family="sklearn", **FACTS)
    with pytest.raises(Forbidden, match="not scikit-learn"):
        ask("bad/1", Predict(rows=((1,),)))
    write("junk/1", {"m.skops": b"junk"}, family="sklearn", **FACTS)
    with pytest.raises(BrokenPackage):
        ask("junk/1", Predict(rows=((1,),)))


class FailingType:
    """Not one of scikit-learn's."""


def classifier(serialised) -> bytes:
    """Two classes by the sign of a - b, in ONNX-ML."""
    nodes = [
        helper.make_node(
            "LinearClassifier",
            ["x"],
            ["label", "probabilities"],
            domain="ai.onnx.ml",
            coefficients=[-1.0, 1.0, 1.0, -1.0],
            intercepts=[0.0, 0.0],
            classlabels_strings=["less", "more"],
            post_transform="SOFTMAX",
        )
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.STRING, ["N"]),
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2]),
    ]
    return serialised(nodes, inputs, outputs, extra=[("ai.onnx.ml", 3)])


def test_onnx_with_one_matrix(write, ask, serialised):
    schema = [{"name": "a"}, {"name": "b"}]
    write(
        "sign/1", {"m.onnx": classifier(serialised)}, family="onnx", features=schema,
        classes=["less", "more"], **FACTS,
    )  # fmt: skip
    more, less = ask("sign/1", Predict(rows=({"b": 0, "a": 3}, {"a": 0, "b": 3})))
    assert (more.prediction, less.prediction) == ("more", "less")
    assert more.probabilities["more"] == pytest.approx(1 / (1 + np.exp(-6)), abs=1e-6)


def test_onnx_with_an_input_per_column(write, ask, serialised):
    nodes = [
        helper.make_node("Cast", ["n"], ["m"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["m", "y"], ["sum"]),
    ]
    inputs = [
        helper.make_tensor_value_info("n", TensorProto.INT64, ["N", 1]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1]),
    ]
    outputs = [helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["N", 1])]
    write("add/1", {"m.onnx": serialised(nodes, inputs, outputs)}, family="onnx", **FACTS)
    rows = ask("add/1", Predict(rows=({"n": 2, "y": 0.5}, {"n": -1, "y": 1})))
    assert [row.prediction for row in rows] == [2.5, 0]
    assert rows[0].probabilities is None


def test_everything_that_is_wrong_is_named(write, ask, iris):
    model, _, _ = iris
    schema = [
        *SCHEMA[:2],
        {"name": "petal_length", "kind": "integer"},
        {"name": "petal_width", "required": False},
    ]
    write("iris/1", {"m.skops": skops.dumps(model)}, family="sklearn", features=schema, **FACTS)
    rows = (
        {"sepal_length": 1, "sepal_width": 2, "petal_length": 3},
        {"sepal_length": "x", "sepal_width": 11, "petal_length": 1.5, "colour": 1},
        {"sepal_width": True, "petal_length": float("nan")},
        (1, 2),
    )
    with pytest.raises(InvalidFeatures) as refused:
        ask("iris/1", Predict(rows=rows))
    found = {(one["row"], one["feature"]): one["problem"] for one in refused.value.problems}
    assert set(found) == {
        (1, "colour"), (1, "sepal_length"), (1, "sepal_width"), (1, "petal_length"),
        (2, "sepal_length"), (2, "sepal_width"), (2, "petal_length"), (3, "petal_length"),
    }  # fmt: skip
    assert found[1, "sepal_length"] == "must be a number, not text"
    assert found[1, "sepal_width"] == "must be at most 10, not 11"
    assert found[2, "sepal_length"] == "is missing"
    assert "2 values" in found[3, "petal_length"]


def test_pictures_are_not_rows(write, ask, iris, blank):
    write("iris/1", {"m.skops": skops.dumps(iris[0])}, family="sklearn", **FACTS)
    with pytest.raises(WrongFamily):
        ask("iris/1", Detect(), [blank()])
