"""Rows of a table: checked against the schema, fed by column or as one matrix, answered per row.

Every problem of a request is found before anything runs, and named by row and feature. Without a
schema in the package, the features are those that the graph or the estimator itself names.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from lambent_inference.errors import (
    InvalidFeatures,
    InvalidModelConfiguration,
    InvalidRequest,
)
from lambent_inference.models.contract import Answer, Feature, Image, Predict, Row, Scalar, Task
from lambent_inference.models.formats.runner import Runner
from lambent_inference.models.formats.sklearn import SklearnRunner
from lambent_inference.models.package import Package
from lambent_inference.models.tasks.decoder import Array, Prepared

PROBLEMS_MAX: Final = 50


class Tabular:
    asks: tuple[type[Task], ...] = (Predict,)
    input_width: int | None = None
    input_height: int | None = None

    def __init__(self, package: Package, runners: Mapping[str, Runner]) -> None:
        self.runner: Runner = runners["model"]
        said = tuple(
            Feature(
                name=one.name, kind=one.kind, categories=one.categories, minimum=one.minimum,
                maximum=one.maximum, required=one.required,
            )
            for one in package.manifest.features
        )  # fmt: skip
        self.features = said or _own_features(self.runner)
        self.classes = package.manifest.classes or getattr(self.runner, "classes", ())
        self.by_column = len(self.runner.inputs) > 1
        if self.by_column and len(self.runner.inputs) != len(self.features):
            raise InvalidModelConfiguration(
                detail=f"{len(self.features)} features for {len(self.runner.inputs)} inputs"
            )

    def prepare(self, task: Predict, images: Sequence[Image]) -> Prepared:
        if images:
            raise InvalidRequest("This model takes rows of a table, not images.")
        if not task.rows:
            raise InvalidRequest("At least one row is required.")
        rows = checked(self.features, task.rows)
        return Prepared(feeds=self._feeds(rows), count=len(rows))

    def _feeds(self, rows: Sequence[Sequence[Scalar]]) -> dict[str, Array]:
        if isinstance(self.runner, SklearnRunner):
            return {"rows": _matrix(rows)}
        if self.by_column:
            return {
                port.name: _column([row[i] for row in rows], port.kind)[:, None]
                for i, port in enumerate(self.runner.inputs)
            }
        port = self.runner.inputs[0]
        return {port.name: np.stack([_column(list(row), port.kind) for row in rows])}

    def finish(
        self,
        outputs: Sequence[Array],
        prepared: Prepared,
        task: Any,  # noqa: ARG002 - one of a family
    ) -> tuple[Answer, ...]:
        labels = np.asarray(outputs[0]).reshape(prepared.count, -1)[:, 0]
        shares = outputs[1] if len(outputs) > 1 else None
        return tuple(
            Row(_plain(label), self._probabilities(shares, i)) for i, label in enumerate(labels)
        )

    def _probabilities(self, shares: Any, i: int) -> dict[str, float] | None:
        if shares is None:
            return None
        one = shares[i]
        if isinstance(one, Mapping):  # skl2onnx with its ZipMap
            return {str(name): float(value) for name, value in one.items()}
        values = np.ravel(one)
        names = self.classes if len(self.classes) == len(values) else range(len(values))
        return {str(name): float(value) for name, value in zip(names, values, strict=True)}


def checked(
    features: Sequence[Feature], rows: Sequence[Mapping[str, Scalar] | Sequence[Scalar]]
) -> list[list[Scalar]]:
    """Rows in the schema's order; raises InvalidFeatures with everything that is wrong."""
    problems: list[dict[str, object]] = []
    out = []
    for number, row in enumerate(rows):
        given = _by_name(features, row, number, problems)
        if given is not None:
            out.append([_value(one, given, number, problems) for one in features])
        if len(problems) >= PROBLEMS_MAX:
            break
    if problems:
        raise InvalidFeatures(problems[:PROBLEMS_MAX])
    return out


def _by_name(
    features: Sequence[Feature],
    row: Mapping[str, Scalar] | Sequence[Scalar],
    number: int,
    problems: list[dict[str, object]],
) -> Mapping[str, Scalar] | None:
    """None where a row's length is wrong, so that there is nothing to look at one by one."""
    if isinstance(row, Mapping):
        known = {one.name for one in features}
        problems += [
            {"row": number, "feature": name, "problem": "is not a feature of this model"}
            for name in row
            if name not in known
        ]
        return row
    if len(row) != len(features):
        text = f"the row has {len(row)} values, the model takes {len(features)}"
        name = features[min(len(row), len(features) - 1)].name
        problems.append({"row": number, "feature": name, "problem": text})
        return None
    return dict(zip((one.name for one in features), row, strict=True))


def _value(
    feature: Feature,
    given: Mapping[str, Scalar],
    number: int,
    problems: list[dict[str, object]],
) -> Scalar:
    value = given.get(feature.name)
    if value is None:
        if not feature.required:
            return "" if feature.kind == "string" else math.nan
        problems.append({"row": number, "feature": feature.name, "problem": "is missing"})
        return None
    if problem := _problem(feature, value):
        problems.append({"row": number, "feature": feature.name, "problem": problem})
    return value


def _problem(feature: Feature, value: Scalar) -> str | None:
    if feature.kind == "string":
        if not isinstance(value, str):
            return f"must be text, not {_word(value)}"
    elif feature.kind == "boolean":
        if not isinstance(value, bool):
            return f"must be true or false, not {_word(value)}"
    elif isinstance(value, bool | str):
        return f"must be a number, not {_word(value)}"
    elif feature.kind == "integer" and not (isinstance(value, int) or float(value).is_integer()):  # type: ignore[arg-type]
        return f"must be a whole number, not {value}"
    elif not math.isfinite(value):  # type: ignore[arg-type]
        return "must be finite"
    return _outside(feature, value)


def _outside(feature: Feature, value: Scalar) -> str | None:
    if feature.categories is not None and str(value) not in feature.categories:
        return f"must be one of {', '.join(feature.categories)}, not {value!r}"
    if isinstance(value, int | float):
        if feature.minimum is not None and value < feature.minimum:
            return f"must be at least {feature.minimum:g}, not {value:g}"
        if feature.maximum is not None and value > feature.maximum:
            return f"must be at most {feature.maximum:g}, not {value:g}"
    return None


def _word(value: Scalar) -> str:
    return {bool: "true or false", str: "text"}.get(type(value), "a number")


def _own_features(runner: Runner) -> tuple[Feature, ...]:
    if isinstance(runner, SklearnRunner):
        names = runner.trained_on or tuple(f"x{i}" for i in range(runner.width))
        return tuple(Feature(name=name) for name in names)
    if len(runner.inputs) > 1:
        return tuple(
            Feature(name=port.name, kind="string" if port.kind == np.object_ else "number")
            for port in runner.inputs
        )
    width = runner.inputs[0].shape[-1] if runner.inputs[0].shape else None
    if width is None:
        raise InvalidModelConfiguration(detail="neither model.json nor the graph names features")
    return tuple(Feature(name=f"x{i}") for i in range(width))


def _matrix(rows: Sequence[Sequence[Scalar]]) -> Array:
    if all(not isinstance(value, str) for row in rows for value in row):
        return np.array(rows, np.float64)
    table = np.empty((len(rows), len(rows[0])), object)
    for i, row in enumerate(rows):
        table[i] = row
    return table


def _column(values: list[Scalar], kind: np.dtype[Any]) -> Array:
    if kind == np.object_:
        return np.array([str(value) for value in values], object)
    return np.array(values, kind)


def _plain(value: Any) -> Scalar:
    plain = value.item() if isinstance(value, np.generic) else value
    return plain if isinstance(plain, str | int | float | bool) else str(plain)
