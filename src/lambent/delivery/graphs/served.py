"""The inference server itself on a package's folder: what it loads it serves, what it says is the truth.

The same code that runs in the function, in this process: no second opinion about resizing, heads or
schemas can disagree with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lambent.delivery.graphs.evidence import Evidence
from lambent.delivery.graphs.purpose import unsuitable
from lambent.delivery.problem import Problem


class Served:
    """One loaded package."""

    def __init__(self, folder: Path) -> None:
        from lambent_inference.errors import InferenceError
        from lambent_inference.models import loading, package
        from lambent_inference.models.registries.source import Found
        from lambent_inference.settings import Settings

        try:
            manifest = package.read(folder)
            package.verify(manifest, folder)
            held = package.Package(manifest, folder)
            found = Found(manifest.model_id, lambda: nullcontext(held))
            self._model = loading.load(found, Settings(onnx_threads=1))
        except InferenceError as error:
            raise unsuitable(error.detail or error.message) from None
        self.features = self._model.decoder.features
        self.task = manifest.task

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the pictures that it takes."""
        width, height = self._model.decoder.input_width, self._model.decoder.input_height
        return (width, height) if width and height else None

    def answers(self, evidence: Evidence) -> tuple[Any, ...]:
        """One answer per row or picture; raises Problem where the graph fails on them."""
        from lambent_inference.errors import InferenceError
        from lambent_inference.models import loading

        try:
            return loading.answer(self._model, self._question(evidence), list(evidence.images))
        except InferenceError as error:
            raise unsuitable(_said(error)) from None
        # numpy and onnxruntime raise what they like about shapes that do not fit.
        except Exception as error:
            raise unsuitable(f"{type(error).__name__}: {error}") from error

    def feeds(self, evidence: Evidence) -> Iterator[Mapping[str, Any]]:
        """What the graph is fed for each row or picture."""
        asked = self._question(evidence)
        alone = [[image] for image in evidence.images] or [[]]
        for images in alone:
            prepared = self._model.decoder.prepare(asked, images)
            for place in range(prepared.count):
                yield {name: feed[place : place + 1] for name, feed in prepared.feeds.items()}

    def _question(self, evidence: Evidence) -> Any:
        from lambent_inference.models.contract import Classify, Predict
        from lambent_inference.models.tasks.trial import QUESTIONS

        if evidence.rows:
            return Predict(rows=evidence.rows)
        asked = QUESTIONS[self.task]
        # Every class, however unlikely: the first of them is the answer.
        return Classify(confidence=0.0) if isinstance(asked, Classify) else asked

    def close(self) -> None:
        self._model.close()


def needed() -> None:
    """Raises Problem where what checks graphs is not installed."""
    missing = [name for name in ("onnx", "onnxruntime", "pandas") if find_spec(name) is None]
    if missing:
        raise Problem(
            "COMPILER_MISSING",
            "what compiles models is not installed here",
            why="missing: " + ", ".join(missing),
            fix="pip install 'lambent[compile]'",
        )
    if find_spec("lambent_inference") is None:
        raise Problem(
            "INFERENCE_MISSING",
            "the inference server is not installed here",
            why="it is what the graph is tried on",
            fix="pip install lambent-inference",
        )


def _said(error: Any) -> str:
    problems = getattr(error, "problems", None)
    if problems:
        first = problems[0]
        return f"row {first['row']}: {first['feature']} {first['problem']}"
    return str(error.detail or error.message)
