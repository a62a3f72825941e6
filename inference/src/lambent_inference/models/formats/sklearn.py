"""scikit-learn estimators: skops files, whose types are checked, or pickles where the owner allows.

A skops file names the types inside it, and only those of scikit-learn, scipy and numpy that skops
itself trusts are loaded. joblib and pickle files run whatever code their maker put in, so the owner
must say ALLOW_PICKLED_MODELS=True.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from lambent_inference.errors import BrokenPackage, Forbidden, ServiceMisconfigured
from lambent_inference.models.formats.runner import Array, Port

PICKLED: Final = frozenset({".joblib", ".pkl", ".pickle"})
SUFFIXES: Final = PICKLED | {".skops"}


class SklearnRunner:
    """`rows` in (an object array of tuples, in the features' order), answer and probabilities out."""

    inputs: Sequence[Port] = (Port("rows", (None, None), np.dtype(object)),)
    provider = "cpu"

    def __init__(self, path: Path, *, allow_pickles: bool, columns: Sequence[str] = ()) -> None:
        self.estimator = _load(path, allow_pickles=allow_pickles)
        if not hasattr(self.estimator, "predict"):
            raise BrokenPackage(detail=f"{path.name} holds no estimator")
        seen = getattr(self.estimator, "feature_names_in_", None)
        self.trained_on = tuple(str(one) for one in seen) if seen is not None else ()
        self.width = int(getattr(self.estimator, "n_features_in_", 0)) or len(columns)
        classes = getattr(self.estimator, "classes_", ())
        probable = hasattr(self.estimator, "predict_proba")
        self.classes = tuple(str(one) for one in classes) if probable else ()
        names = ("label", "probabilities") if self.classes else ("label",)
        self.outputs = tuple(Port(name, (None,), np.dtype(object)) for name in names)

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        rows = self._table(feeds["rows"])
        outputs = [np.asarray(self.estimator.predict(rows))]
        if self.classes:
            outputs.append(np.asarray(self.estimator.predict_proba(rows)))
        return outputs

    def _table(self, rows: Array) -> Any:
        """By column name where it was trained so: column transformers pick their columns by it."""
        if not self.trained_on:
            return rows
        try:
            import pandas as pd
        except ImportError:
            return rows
        return pd.DataFrame(
            {name: rows[:, i] for i, name in enumerate(self.trained_on)}
        ).infer_objects()

    def close(self) -> None:
        del self.estimator


def _load(path: Path, *, allow_pickles: bool) -> Any:
    if path.suffix == ".skops":
        return _load_skops(path)
    if not allow_pickles:
        raise Forbidden(
            "This model is a pickle, which runs code when loaded; its owner must allow that "
            "(ALLOW_PICKLED_MODELS=True) or convert it with skops or to ONNX."
        )
    try:
        import joblib
    except ImportError as error:
        raise ServiceMisconfigured(
            detail="needs `pip install lambent-inference[sklearn]`"
        ) from error
    try:
        return joblib.load(path)
    # A pickle can raise anything at all.
    except Exception as error:
        raise BrokenPackage(detail=f"{path.name}: {error}") from error


def _load_skops(path: Path) -> Any:
    try:
        from skops import io
    except ImportError as error:
        raise ServiceMisconfigured(
            detail="needs `pip install lambent-inference[sklearn]`"
        ) from error
    try:
        untrusted = io.get_untrusted_types(file=path)
        estimator = None if untrusted else io.load(path, trusted=[])
    # skops raises what zipfile, json and numpy raise, and its own, for a file that is not whole.
    except Exception as error:
        raise BrokenPackage(detail=f"{path.name}: {error}") from error
    if untrusted:
        raise Forbidden(
            "This model holds types that are not scikit-learn's: " + ", ".join(untrusted)
        )
    return estimator
