"""A compiled model beside its native form: the same rows, each in the function that deploy makes of it.

Both are functions of the inference server without SnapStart, deployed to one server and measured by
their REPORT lines: Init and first answer, and what a row more takes in a warm call.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts import compiled_pipelines

from benchmarks.cases import Result, result
from benchmarks.platform_under_test import platform
from lambent.cli import report
from lambent.cli.init import newest_runtime
from lambent.delivery.aws import Aws
from lambent.delivery.compiling import sandboxed, steps

LIMIT_MB = 250
MODEL = "ColumnTransformer, HistGradientBoosting"


def compiled_model() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder, platform(zipped_limit_mb=str(LIMIT_MB)) as server:
        aws = Aws(server.url)
        bench = sandboxed.Bench(aws, newest_runtime(), LIMIT_MB << 20, report.parse)
        found = _compiled(Path(folder), bench)
    after, before = found["after"], found["before"]
    ours, peer = after["cold_start_ms"], before["cold_start_ms"]
    yield result("compiled_cold_start", "ms", ours, peer, "≤ 0.3 × native", met=ours <= 0.3 * peer)
    ours, peer = after["row_us"], before["row_us"]
    yield result("compiled_row", "µs", ours, peer, "≤ 0.1 × native", met=ours <= 0.1 * peer)


def _compiled(folder: Path, bench: sandboxed.Bench) -> dict[str, Any]:
    import joblib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the estimator, about its own future
        model, rows = compiled_pipelines.cases()[MODEL](compiled_pipelines.data())
        joblib.dump(model, folder / "model.joblib")
        rows.to_csv(folder / "rows.csv", index=False)
        order = steps.Order(
            folder / "model.joblib", folder / "rows.csv", folder / "made", "churn", bench=bench
        )
        found = steps.compile_model(order)
    if found["form"] != "onnx" or "not_as_functions" in found:
        raise RuntimeError(f"not measured as functions: {found}")
    return found


COMPILE_CASES = {"compiled": compiled_model}
