"""What is known to convert wrongly or not at all, each by name, before a conversion is tried.

A silent failure is one where the graph runs and answers something else: these are refused however
the sample comes out. `RULES` is the list; each rule sees every estimator inside the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Any, Final

DEPTH_MAX: Final = 12
PROTOBUF_BROKEN: Final = 7
DEFAULT_WORDS: Final = r"(?u)\b\w\w+\b"
Rule = Callable[[Any], str | None]


def refused(model: Any) -> str | None:
    """Why the model is not converted; None where nothing is known against it."""
    steps = list(parts(model))
    for part in steps:
        for rule in RULES:
            if reason := rule(part):
                return f"{type(part).__name__}: {reason}"
    return _sparse_into_xgboost(steps)


def parts(model: Any, depth: int = 0) -> Iterator[Any]:
    """The estimator and all that are inside it, fitted ones where there are both."""
    if depth > DEPTH_MAX:
        return
    if isinstance(model, list | tuple):
        for one in model:
            yield from parts(one, depth + 1)
    elif hasattr(model, "get_params") and not isinstance(model, type):
        yield model
        if _is_big_ensemble(model):
            return
        for name, value in vars(model).items():
            if isinstance(value, list | tuple) or hasattr(value, "get_params"):
                yield from parts(value, depth + 1)
            elif isinstance(value, Mapping) and name == "named_transformers_":
                yield from parts(list(value.values()), depth + 1)


def _is_big_ensemble(model: Any) -> bool:
    """Forests and boosters hold hundreds of plain trees."""
    return type(model).__module__.startswith(("lightgbm", "xgboost")) or hasattr(model, "n_trees_")


def _of(*names: str) -> Callable[[Any], bool]:
    return lambda part: any(one.__name__ in names for one in type(part).__mro__)


def _native_categories(part: Any) -> str | None:
    flags = getattr(part, "is_categorical_", None)
    if type(part).__name__.startswith("HistGradientBoosting") and flags is not None and any(flags):
        return "its own categorical features convert to other splits; encode them before it"
    return None


def _protobuf(part: Any) -> str | None:
    if not type(part).__name__.startswith("HistGradientBoosting"):
        return None
    installed = metadata.version("protobuf")
    if int(installed.partition(".")[0]) < PROTOBUF_BROKEN:
        return None
    return (
        f"its converter does not work with protobuf {installed}; "
        f"pip install 'protobuf<{PROTOBUF_BROKEN}'"
    )


def _words(part: Any) -> str | None:
    if not _of("CountVectorizer")(part):
        return None
    if part.analyzer != "word":
        return f"analyzer={part.analyzer!r} has no equal in ONNX"
    if callable(part.tokenizer) or callable(part.preprocessor):
        return "a function of its own cannot be carried into a graph"
    if part.lowercase or part.strip_accents or part.token_pattern == DEFAULT_WORDS:
        return (
            "lower case depends on the locale and the default token pattern splits otherwise in "
            "ONNX; train with lowercase=False and token_pattern='[a-zA-Z0-9_]+'"
        )
    return None


def _function(part: Any) -> str | None:
    if _of("FunctionTransformer")(part) and part.func is not None:
        return "a function of its own cannot be carried into a graph"
    return None


def _hard_vote(part: Any) -> str | None:
    if _of("VotingClassifier")(part) and part.voting == "hard":
        return "a vote of labels has no converter; voting='soft' has one"
    return None


def _bins(part: Any) -> str | None:
    if _of("KBinsDiscretizer")(part) and part.encode.startswith("onehot"):
        return "encode='onehot' has no converter; encode='ordinal' has one"
    return None


def _never(part: Any) -> str | None:
    kinds = {
        "HashingVectorizer": "there is no hash of scikit-learn's in ONNX",
        "FeatureHasher": "there is no hash of scikit-learn's in ONNX",
        "SplineTransformer": "has no converter",
    }
    return next((why for name, why in kinds.items() if _of(name)(part)), None)


def _frame_categories(part: Any) -> str | None:
    booster = getattr(part, "_Booster", None)
    kind = type(part).__module__
    why = "pandas categoricals are looked up outside the trees; encode them before it"
    if kind.startswith("lightgbm") and getattr(booster, "pandas_categorical", None):
        return why
    if kind.startswith("xgboost") and booster is not None:
        try:
            types = booster.feature_types or ()
        except (AttributeError, ValueError):
            return None
        return why if "c" in types else None
    return None


def _raw_booster(part: Any) -> str | None:
    if type(part).__module__.startswith("xgboost") and getattr(part, "booster", None) in {
        "dart",
        "gblinear",
    }:
        return f"booster={part.booster!r} converts to other numbers"
    return None


def _sparse_into_xgboost(steps: list[Any]) -> str | None:
    """XGBoost takes a sparse matrix's zeros for missing values; a graph has real zeros."""
    boosted = any(type(one).__module__.startswith("xgboost") for one in steps)
    for one in steps:
        sparse = getattr(one, "sparse_output_", False)  # of a ColumnTransformer, as it came out
        alone = _of("OneHotEncoder")(one) and one.sparse_output
        plain = not any(_of("ColumnTransformer")(other) for other in steps)
        if boosted and (sparse or (alone and plain)):
            return (
                f"{type(one).__name__}: XGBoost takes the zeros of a sparse matrix for missing "
                "values, a graph does not; train with OneHotEncoder(sparse_output=False)"
            )
    return None


RULES: Final[tuple[Rule, ...]] = (
    _native_categories,
    _protobuf,
    _words,
    _function,
    _hard_vote,
    _bins,
    _never,
    _frame_categories,
    _raw_booster,
)
