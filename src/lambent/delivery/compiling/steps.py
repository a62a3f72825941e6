"""`lambent model compile`, step by step: read, refuse or convert, judge, package, measure, report."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lambent.delivery.compiling import (
    convert,
    gate,
    measure,
    packaging,
    refusals,
    sample,
    sandboxed,
)
from lambent.delivery.problem import Problem

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What the user asks for."""

    model: Path
    sample: Path
    into: Path
    id: str
    version: str = "1"
    licence: str | None = None
    allow_joblib: bool = False
    measured: bool = True
    bench: sandboxed.Bench | None = None
    """A server to measure on; without one a bare process on this machine is what is timed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A model, decided: the graph where it passed, else the reason why not."""

    graph: bytes | None
    verdict: gate.Verdict | None
    reason: str


def decide(model: Any, rows: sample.Sample) -> Outcome:
    """Refuse by name, convert, and let the gate judge."""
    if reason := refusals.refused(model) or _shape(model, rows):
        return Outcome(None, None, f"refused: {reason}")
    try:
        graph = convert.convert(model, rows)
    except convert.NotConverted as error:
        return Outcome(None, None, f"no conversion: {error}")
    verdict = gate.judge(model, graph, rows)
    if not verdict.passed:
        return Outcome(None, verdict, f"below the gate: {verdict.reason}{_advice(model)}")
    return Outcome(graph, verdict, "")


def _advice(model: Any) -> str:
    names = " ".join(type(one).__name__ for one in refusals.parts(model))
    trees = any(word in names for word in ("Forest", "Trees", "Tree", "XGB", "LGBM", "Boosting"))
    if trees and "Scaler" in names:
        return "; trees split at a float's last digit and need no scaler: train without it"
    return ""


def _shape(model: Any, rows: sample.Sample) -> str | None:
    """What the server has no answer for."""
    import numpy as np

    answer = np.asarray(model.predict(rows.native_input(rows.frame.head(2))))
    if answer.ndim > 1 and answer.shape[1] > 1:
        return f"{type(model).__name__}: a row has several answers"
    return None


def compile_model(order: Order, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Make the package; the report that lies in it, too."""
    _needed()
    packaging.refuse_existing(order.into)
    if order.model.suffix not in sample.SUFFIXES:
        raise Problem(
            "MODEL_UNREADABLE",
            f"{order.model} is no {', '.join(sorted(sample.SUFFIXES))} file",
            fix="save the fitted estimator with joblib, or export the network to ONNX and compile that",
        )
    progress("loading the model")
    model = sample.load_model(order.model)
    if not hasattr(model, "predict"):
        raise Problem(
            "MODEL_UNREADABLE",
            f"{order.model} holds a {type(model).__name__}, which has no predict",
            fix="save the fitted estimator or pipeline itself (XGBClassifier, not its Booster)",
        )
    rows = sample.read(order.sample, model)
    progress("converting and comparing")
    outcome = decide(model, rows)
    with tempfile.TemporaryDirectory(prefix="lambent-compile-") as scratch:
        folder = Path(scratch)
        report = _fill(folder, order, model, rows, outcome, progress)
        shutil.copytree(folder, order.into, dirs_exist_ok=True)
    return report


def _fill(
    folder: Path,
    order: Order,
    model: Any,
    rows: sample.Sample,
    outcome: Outcome,
    progress: Progress,
) -> dict[str, Any]:
    if outcome.graph is not None:
        file = "model.onnx"
        (folder / file).write_bytes(outcome.graph)
    else:
        consent = order.allow_joblib
        file = packaging.write_native(model, folder, outcome.reason, allow_joblib=consent)
    packaging.write_warm_up(folder, rows)
    report: dict[str, Any] = {
        "model": f"{order.id}/{order.version}",
        "estimator": type(model).__name__,
        "form": file.rpartition(".")[2],
        "reason": outcome.reason,
        "gate": outcome.verdict.facts() if outcome.verdict else None,
        "libraries": sorted(
            {type(one).__module__.partition(".")[0] for one in refusals.parts(model)}
        ),
        "versions": _versions(),
    }
    if order.measured:
        report |= _measured(folder, file, order, model, rows, progress)
    (folder / packaging.REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    _describe(folder, file, order, model, rows)
    return {**report, "folder": str(order.into)}


def _describe(folder: Path, file: str, order: Order, model: Any, rows: sample.Sample) -> None:
    facts = {"id": order.id, "version": order.version}
    if order.licence:
        facts["licence"] = order.licence
    features, classes = packaging.features_of(rows), packaging.classes_of(model)
    packaging.write_manifest(folder, file, facts, features, classes)


def _measured(
    folder: Path, file: str, order: Order, model: Any, rows: sample.Sample, progress: Progress
) -> dict[str, Any]:
    """Both forms as functions where there is a server, else in processes; the report says which."""
    why = "no server is running here"
    if order.bench is not None:
        progress("measuring both as functions")
        try:
            return _as_functions(order.bench, folder, file, order, model, rows)
        except Problem as problem:
            why = f"{problem.code}: {problem.message}"
    progress("measuring both in fresh processes")
    return {
        "before": measure.measure(order.model, rows),
        "after": measure.measure(folder / file, rows),
        "measured_in": "fresh processes, without a sandbox's limits, priced at 512 MB",
        "not_as_functions": why,
    }


def _as_functions(
    bench: sandboxed.Bench,
    folder: Path,
    file: str,
    order: Order,
    model: Any,
    rows: sample.Sample,
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="lambent-native-") as scratch:
        native = Path(scratch)
        kept = packaging.write_native(model, native, "", allow_joblib=True)
        packaging.write_warm_up(native, rows)
        _describe(native, kept, order, model, rows)
        before = sandboxed.measure(bench, native)
    _describe(folder, file, order, model, rows)
    after = sandboxed.measure(bench, folder) if file.endswith(".onnx") else before
    place = f"functions of {after['memory_mb']} MB on {bench.runtime}, in their sandbox"
    return {"before": before, "after": after, "measured_in": place}


def _versions() -> dict[str, str]:
    names = (
        "scikit-learn", "skl2onnx", "onnxmltools", "onnxruntime", "lightgbm", "xgboost-cpu",
        "xgboost", "skops", "joblib", "pandas", "protobuf",
    )  # fmt: skip
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _needed() -> None:
    wanted = ("sklearn", "skl2onnx", "onnxruntime", "pandas", "skops")
    missing = [name for name in wanted if find_spec(name) is None]
    if missing:
        raise Problem(
            "COMPILER_MISSING",
            "what compiles models is not installed here",
            why="missing: " + ", ".join(missing),
            fix="pip install 'lambent[compile]'",
        )
