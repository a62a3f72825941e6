"""Weights (and, of convolutions, what flows between them) in 8 bits instead of 32.

Convolutions need to see real pictures to know what flows (static); matrix products measure it at
run time (dynamic). Trees and linear models of tables have neither, and nothing to gain.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from lambent.delivery.graphs.facts import Facts
from lambent.delivery.problem import Problem

CALIBRATED: Final = 200
"""Rows or pictures that static quantisation looks at."""
DONE: Final = frozenset({"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "ConvInteger"})
SMALLER: Final = frozenset({"Conv", "MatMul", "Gemm"})


def int8(path: Path, target: Path, facts: Facts, feeds: Iterable[Mapping[str, Any]]) -> str:
    """Write the smaller graph to `target`; the method that was used. Raises Problem."""
    found = set(facts.operators)
    if found & DONE:
        raise _failed(path, "it is quantised already", fix="leave --int8 out")
    if not found & SMALLER:
        raise _failed(
            path,
            "it has no Conv, MatMul or Gemm: there is nothing that 8 bits make smaller",
            fix="leave --int8 out",
        )
    method = "static" if "Conv" in found else "dynamic"
    with tempfile.TemporaryDirectory(prefix="lambent-int8-") as scratch:
        try:
            _write(path, Path(scratch), target, feeds if method == "static" else None)
        # The tool raises bare exceptions of every kind for shapes and operators it does not know.
        except Exception as error:
            text = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise _failed(
                path, f"{type(error).__name__}: {text}", fix="leave --int8 out"
            ) from error
    return method


def _write(
    path: Path, scratch: Path, target: Path, feeds: Iterable[Mapping[str, Any]] | None
) -> None:
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    logging.getLogger().addFilter(_silent)
    try:
        ready = scratch / "ready.onnx"
        quant_pre_process(str(path), str(ready), skip_symbolic_shape=True)
        made = scratch / "made.onnx"
        if feeds is None:
            quantization.quantize_dynamic(
                ready, made, per_channel=True, weight_type=quantization.QuantType.QInt8
            )
        else:
            quantization.quantize_static(
                ready,
                made,
                _Feeds(feeds),
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                quant_format=quantization.QuantFormat.QDQ,
                # Without VNNI two products of 8 bits overflow 16; 7 bits of weight never do.
                reduce_range=True,
            )
        shutil.copyfile(made, target)
    finally:
        logging.getLogger().removeFilter(_silent)


def _silent(record: logging.LogRecord) -> bool:
    """The tool logs advice through the root logger."""
    return record.levelno >= logging.ERROR


class _Feeds:
    """The tool's own interface for calibration (`CalibrationDataReader`)."""

    def __init__(self, feeds: Iterable[Mapping[str, Any]]) -> None:
        self._feeds: Iterator[Mapping[str, Any]] = iter(feeds)
        self._left = CALIBRATED

    def get_next(self) -> Mapping[str, Any] | None:
        self._left -= 1
        return next(self._feeds, None) if self._left >= 0 else None


def _failed(path: Path, why: str, fix: str) -> Problem:
    return Problem("QUANTISATION_FAILED", f"{path} cannot be quantised", why=why, fix=fix)
