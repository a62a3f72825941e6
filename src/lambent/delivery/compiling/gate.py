"""The verdict: the graph and the native model on the same rows, as the server would feed the graph.

Of every kind of row at most one label in a thousand may differ, and 99 of 100 rows must be within
1e-4 (of a probability; of a number relative to its size). Rows that the native model refuses itself
are no evidence; nor, about labels, are made rows on which it is undecided to 1e-6 (a forest with an
even number of trees has many, and bisection finds them). The worst rows are kept, so that a person can look at them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from lambent.delivery.compiling import probes
from lambent.delivery.compiling.convert import has_probabilities
from lambent.delivery.compiling.sample import Sample

FLIPS_MAX: Final = 0.001
CLOSE: Final = 1e-4
TIE: Final = 1e-6
CLOSE_SHARE_MIN: Final = 0.99
WORST: Final = 3


@dataclass(frozen=True, slots=True)
class Group:
    """One kind of rows."""

    kind: str
    rows: int
    flips: int
    far: int
    largest: float
    ties: int = 0
    """Rows where the model itself cannot decide: made rows on a tie are no evidence about labels."""

    @property
    def passed(self) -> bool:
        return self.flips <= FLIPS_MAX * self.rows and self.far <= (1 - CLOSE_SHARE_MIN) * self.rows


@dataclass(frozen=True, slots=True)
class Verdict:
    groups: tuple[Group, ...]
    worst: tuple[Mapping[str, Any], ...] = ()
    """Rows with the largest differences, and what both said."""
    failure: str = ""
    """Why the graph could not be run at all."""
    skipped: tuple[str, ...] = field(default=())
    """Kinds of rows that the native model itself refuses."""

    @property
    def passed(self) -> bool:
        return not self.failure and all(one.passed for one in self.groups)

    @property
    def largest(self) -> float:
        return max((one.largest for one in self.groups), default=math.nan)

    @property
    def reason(self) -> str:
        if self.failure:
            return self.failure
        bad = [one for one in self.groups if not one.passed]
        return "; ".join(
            f"{one.kind}: {one.flips} of {one.rows} labels differ, {one.far} rows by more than "
            f"{CLOSE:g} (largest {one.largest:.2g})"
            for one in bad
        )

    def facts(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "largest_difference": None if math.isnan(self.largest) else self.largest,
            "groups": [asdict(one) | {"passed": one.passed} for one in self.groups],
            "worst": [dict(one) for one in self.worst],
            "not_tried": list(self.skipped),
        }


def judge(model: Any, graph: bytes, sample: Sample) -> Verdict:
    """Run both on everything that `probes` makes."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the estimator, about unknown categories and the like
        return _judge(model, graph, sample)


def _judge(model: Any, graph: bytes, sample: Sample) -> Verdict:
    try:
        session = open_session(graph)
    # onnxruntime raises classes of its own, without a common base.
    except Exception as error:  # noqa: BLE001
        return Verdict((), failure=f"onnxruntime does not load the graph: {_line(error)}")
    frames = probes.make(sample, lambda frame: model.predict(sample.native_input(frame)))
    groups: list[Group] = []
    worst: list[dict[str, Any]] = []
    skipped: list[str] = []
    for kind, frame in frames.items():
        try:
            wanted = native(model, sample, frame)
        # An estimator may refuse a row in any way; that is its answer, and no graph's fault.
        except Exception as error:  # noqa: BLE001
            if kind == "sample":
                failure = f"the model does not take its own sample: {_line(error)}"
                return Verdict((), failure=failure)
            skipped.append(kind)
            continue
        try:
            got = run(session, feeds(session, sample, frame))
        except Exception as error:  # noqa: BLE001  the same of onnxruntime
            return Verdict(tuple(groups), failure=f"{kind} rows: {_line(error)}")
        group, rows = _compare(kind, frame, wanted, got)
        groups.append(group)
        worst += rows
    worst.sort(key=lambda one: -one["difference"])
    return Verdict(tuple(groups), tuple(worst[:WORST]), skipped=tuple(skipped))


def open_session(graph: bytes | str) -> Any:
    """Of a graph in memory, or of a file (whose weights may lie beside it)."""
    import os

    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # else it starts a thread and a database at import
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def native(model: Any, sample: Sample, frame: Any) -> tuple[Any, Any]:
    """Labels (or numbers), and probabilities where there are any."""
    import numpy as np

    rows = sample.native_input(frame)
    shares = np.asarray(model.predict_proba(rows)) if has_probabilities(model) else None
    return np.asarray(model.predict(rows)), shares


def feeds(session: Any, sample: Sample, frame: Any) -> dict[str, Any]:
    """As the inference server makes them: missing text is empty, a missing number is NaN."""
    import numpy as np

    columns = []
    for column, name in zip(sample.columns, frame.columns, strict=True):
        if column.kind == "string":
            values = frame[name].astype(object).where(frame[name].notna(), "")
            columns.append(np.array([str(one) for one in values], object))
        else:
            columns.append(frame[name].to_numpy(np.float32))
    inputs = session.get_inputs()
    if len(inputs) == 1:
        return {inputs[0].name: np.stack(columns, axis=1)}
    return {one.name: column[:, None] for one, column in zip(inputs, columns, strict=True)}


def run(session: Any, fed: Mapping[str, Any]) -> tuple[Any, Any]:
    import numpy as np

    outputs = session.run(None, dict(fed))
    label = np.asarray(outputs[0])
    label = label.reshape(len(label), -1)[:, 0]
    return label, (np.asarray(outputs[1]) if len(outputs) > 1 else None)


def _compare(
    kind: str, frame: Any, wanted: tuple[Any, Any], got: tuple[Any, Any]
) -> tuple[Group, list[dict[str, Any]]]:
    import numpy as np

    labels, shares = wanted
    labels = labels.reshape(len(labels), -1)[:, 0]
    if shares is None and labels.dtype.kind == "f":
        away = np.abs(got[0].astype(float) - labels) / np.maximum(1.0, np.abs(labels))
        flipped = np.zeros(len(labels), bool)
    else:
        flipped = labels.astype(str) != got[0].astype(str)
        if shares is None or got[1] is None or shares.shape != got[1].shape:
            away = flipped.astype(float)
        else:
            away = np.abs(shares - got[1]).max(axis=1)
    away = np.where(np.isnan(away), np.inf, away)
    tied = np.zeros(len(labels), bool)
    if kind != "sample" and shares is not None and shares.ndim == 2 and shares.shape[1] > 1:
        top = np.sort(shares, axis=1)[:, -2:]
        tied = flipped & (top[:, 1] - top[:, 0] < TIE)
        flipped &= ~tied
    far = int((away > CLOSE).sum())
    group = Group(kind, len(labels), int(flipped.sum()), far, float(away.max()), int(tied.sum()))
    order = np.lexsort((-away, ~flipped))[:WORST]
    rows = [
        {
            "kind": kind,
            "row": {str(name): plain(value) for name, value in frame.iloc[i].items()},
            "native": plain(labels[i]),
            "onnx": plain(got[0][i]),
            "difference": float(min(away[i], 1e308)),
        }
        for i in order
        if flipped[i] or away[i] > 0
    ]
    return group, rows


def plain(value: Any) -> Any:
    """A cell as JSON has it; a missing one is None."""
    found = value.item() if hasattr(value, "item") else value
    if isinstance(found, float) and math.isnan(found):
        return None
    return found if isinstance(found, str | int | float | bool | None) else str(found)


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
