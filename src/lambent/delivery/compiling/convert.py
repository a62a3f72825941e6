"""The graph: skl2onnx for scikit-learn, onnxmltools for LightGBM and XGBoost inside it.

What the server feeds decides the inputs: one float matrix where every column is a number and none is
picked by name, else one input per column. Outputs are the label and, of a classifier that has them,
the probabilities; scores of other kinds are left out because nobody may take them for such.
What a converter does not take but can be had without changing an answer is changed in a copy.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

from lambent.delivery.compiling.refusals import parts
from lambent.delivery.compiling.sample import Column, Sample

MATRIX = "features"


class NotConverted(Exception):  # noqa: N818  a condition that leads to the native package
    """The reason, in one line."""


def convert(model: Any, sample: Sample) -> bytes:
    """The graph's bytes; raises NotConverted."""
    from skl2onnx import to_onnx

    _register(model)
    options = {"zipmap": False} if has_probabilities(model) else None
    plain = _rewritten(model)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # converters warn about their own dependencies
            graph = to_onnx(
                plain,
                initial_types=_inputs(model, sample),
                options=options,
                # onnxmltools knows no later set of operators for trees than this.
                target_opset={"": 17, "ai.onnx.ml": 3},
            )
    # Converters raise what they like: RuntimeError, KeyError, NotImplementedError…
    except Exception as error:
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise NotConverted(f"{type(error).__name__}: {text[0]}") from error
    keep = 2 if has_probabilities(model) else 1
    del graph.graph.output[keep:]
    return bytes(graph.SerializeToString())


def has_probabilities(model: Any) -> bool:
    return hasattr(model, "predict_proba") and hasattr(model, "classes_")


def by_column(model: Any, columns: tuple[Column, ...]) -> bool:
    """Whether each column is an input of its own."""
    picks = any(type(one).__name__ == "ColumnTransformer" for one in parts(model))
    return len(columns) > 1 and (picks or any(one.kind == "string" for one in columns))


def _inputs(model: Any, sample: Sample) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    columns = sample.columns
    if sample.texts:
        return [("text", StringTensorType([None, 1]))]
    if not by_column(model, columns):
        kind = StringTensorType if columns[0].kind == "string" else FloatTensorType
        name = columns[0].name if len(columns) == 1 else MATRIX
        return [(name, kind([None, len(columns)]))]
    return [
        (one.name, (StringTensorType if one.kind == "string" else FloatTensorType)([None, 1]))
        for one in columns
    ]


def _rewritten(model: Any) -> Any:
    """A copy that answers the same and has a converter, where something stands in its way.

    XGBoost loses the names of its features. A soft vote gives its shares per estimator, which only
    its own `transform` shows and nobody asks for here.
    """
    boosted = [one for one in parts(model) if type(one).__module__.startswith("xgboost")]
    votes = [one for one in parts(model) if getattr(one, "flatten_transform", False)]
    if not boosted and not votes:
        return model
    plain = copy.deepcopy(model)
    for one in parts(plain):
        if type(one).__module__.startswith("xgboost"):
            one.get_booster().feature_names = None
        elif hasattr(one, "flatten_transform"):
            one.flatten_transform = False
    return plain


def _register(model: Any) -> None:
    """Make the converters known of what is in the model; importing the libraries takes a second."""
    found = {type(one).__module__.partition(".")[0]: one for one in parts(model)}
    if "lightgbm" in found:
        _register_lightgbm()
    if "xgboost" in found:
        _register_xgboost()


def _register_lightgbm() -> None:
    import lightgbm
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

    _both(lightgbm.LGBMClassifier, lightgbm.LGBMRegressor, convert_lightgbm, "LightGbmLGBM")


def _register_xgboost() -> None:
    import xgboost
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost

    _both(xgboost.XGBClassifier, xgboost.XGBRegressor, convert_xgboost, "XGBoostXGB")
    forests = xgboost.XGBRFClassifier, xgboost.XGBRFRegressor
    _both(*forests, convert_xgboost, "XGBoostXGBRF")


def _both(classifier: type, regressor: type, converter: Any, name: str) -> None:
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    update_registered_converter(
        classifier,
        f"{name}Classifier",
        calculate_linear_classifier_output_shapes,
        converter,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    update_registered_converter(
        regressor, f"{name}Regressor", calculate_linear_regressor_output_shapes, converter
    )
