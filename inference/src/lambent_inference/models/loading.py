"""From a package to a model that answers: its graphs opened, its decoder made, a trial run done."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from lambent_inference.errors import BrokenPackage, InferenceError, InvalidModelConfiguration
from lambent_inference.models.contract import Description, Family, Image
from lambent_inference.models.formats.runner import Runner
from lambent_inference.models.package import Package
from lambent_inference.models.registries.source import Found
from lambent_inference.models.tasks.decoder import Decoder
from lambent_inference.settings import Settings

VCPU_MB = 1769
"""Memory for which a function gets one core."""


@dataclass(slots=True)
class Model:
    """A loaded model. `run` and the decoder may be called from several threads."""

    description: Description
    decoder: Decoder
    runners: dict[str, Runner]
    max_batch: int
    """1 where the graph takes no more or requests may not be put together."""
    fixed_batch: int | None = None
    """Where the graph's first axis has a size of its own."""

    def close(self) -> None:
        for runner in self.runners.values():
            runner.close()


def load(found: Found, settings: Settings) -> Model:
    """Blocking; raises what `errors.py` has."""
    before = _resident_bytes()
    with found.held() as package:
        runners = _runners(package, settings)
        model = _model(package, runners, found, settings)
        if not settings.model_validation_disabled:
            _try(model, package)
    grown = max(0, _resident_bytes() - before)
    held = max(grown, package.size_bytes)
    model.description = replace(model.description, memory_bytes=held)
    return model


def _runners(package: Package, settings: Settings) -> dict[str, Runner]:
    threads = settings.onnx_threads or cores()
    manifest = package.manifest
    if manifest.family == "rapidocr":
        from lambent_inference.models.formats.reader import Reader

        return {"model": Reader(threads)}
    names = dict(manifest.parts) or {"model": _main_file(package)}
    if manifest.parts and manifest.model:
        names["model"] = manifest.model
    return {
        part: _runner(package, package.path(name), threads, settings)
        for part, name in names.items()
    }


def _runner(package: Package, path: Path, threads: int, settings: Settings) -> Runner:
    from lambent_inference.models.formats import sklearn

    if path.suffix in sklearn.SUFFIXES:
        columns = [one.name for one in package.manifest.features]
        return sklearn.SklearnRunner(
            path, allow_pickles=settings.allow_pickled_models, columns=columns
        )
    if path.suffix != ".onnx":
        raise InvalidModelConfiguration(detail=f"{path.name}: no format that is known here")
    from lambent_inference.models.formats.onnx import OnnxRunner

    return OnnxRunner(path, threads=threads)


def _main_file(package: Package) -> str:
    manifest = package.manifest
    if manifest.model:
        return manifest.model
    known = (".onnx", ".skops", ".joblib", ".pkl", ".pickle")
    found = [name for name in manifest.files if name.endswith(known)]
    if len(found) != 1:
        raise BrokenPackage(detail=f"{manifest.model_id}: model.json must say which file is it")
    return found[0]


def _model(package: Package, runners: dict[str, Runner], found: Found, settings: Settings) -> Model:
    from lambent_inference.models.tasks.families import decoder

    made = decoder(package, runners)
    fixed = _fixed_batch(runners)
    manifest = package.manifest
    limit = min(settings.max_batch_size, manifest.input.max_batch or settings.max_batch_size)
    alone = manifest.task is Family.OCR or fixed == 1
    description = Description(
        model_id=found.model_id,
        family=manifest.task,
        version=manifest.version,
        batch_size=fixed,
        input_height=made.input_height,
        input_width=made.input_width,
        classes=made.classes,
        features=made.features,
        provider=next(iter(runners.values())).provider,
    )
    return Model(description, made, runners, 1 if alone else min(limit, fixed or limit), fixed)


def _fixed_batch(runners: dict[str, Runner]) -> int | None:
    sizes = {
        port.shape[0] for runner in runners.values() for port in runner.inputs if port.shape
    } - {None}
    return min(size for size in sizes if size is not None) if sizes else None


def _try(model: Model, package: Package) -> None:
    """One prediction on nothing: a graph that does not fit its model.json shows it here."""
    from lambent_inference.models.tasks.trial import question

    asked = question(model.decoder, package.manifest)
    if asked is None:
        return
    task, images = asked
    try:
        answer(model, task, images)
    except InferenceError:
        raise
    # Whatever onnxruntime or numpy has against it, the package is what is wrong.
    except Exception as error:
        raise InvalidModelConfiguration(
            detail=f"the trial prediction of {package.manifest.model_id} failed: {error}"
        ) from error


def answer(model: Model, task: Any, images: Sequence[Image]) -> tuple[Any, ...]:
    """A prediction on this thread, without company."""
    from lambent_inference.models import batches

    prepared = model.decoder.prepare(task, images)
    outputs = batches.run(model, [prepared])[0]
    return model.decoder.finish(outputs, prepared, task)


def cores() -> int:
    """Whole cores that a model may use: in a function, by its memory."""
    there = len(os.sched_getaffinity(0))
    memory = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    if memory.isdigit():
        return max(1, min(there, int(memory) // VCPU_MB))
    return there


def _resident_bytes() -> int:
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except OSError:  # no /proc, as on a Mac
        return 0
    return int(pages) * resource.getpagesize()
