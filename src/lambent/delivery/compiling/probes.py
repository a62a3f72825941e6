"""Rows to try a graph on, by kind; the gate wants every kind to pass for itself.

`sample` as given; `boundary`: between rows that the model tells apart, brought close to where its
answer turns; `thresholds`: around the middles of neighbouring values, where trees split; `missing`:
a value left out where the sample has such; `beyond`: numbers outside the sample and words that are
not in it; `spelling`: texts as people really write them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from lambent.delivery.compiling.sample import Sample

PAIRS_MAX: Final = 500
STEPS: Final = 10
"""Halvings between two rows: the last gap is a thousandth of the first, far above a float's own."""
ROWS_MAX: Final = 1000
SPELLINGS: Final = (
    str.upper,
    str.title,
    lambda text: f"  {text}\t",
    lambda text: text.replace(" ", "-"),
    lambda text: text.replace("e", "é"),
    lambda text: f"{text} a I 7 x_y 3.14 İstanbul ß 東京 😀 don't",
    lambda text: text.replace("a", "A").replace(" ", "\u00a0"),
    lambda text: text[:0],
)
Predict = Callable[[Any], Any]


def make(sample: Sample, predict: Predict) -> dict[str, Any]:
    """Frames by kind. `predict` is the native model, on a frame."""
    found = {
        "sample": sample.frame,
        "boundary": _boundary(sample, predict),
        "thresholds": _thresholds(sample),
        "missing": _missing(sample),
        "beyond": _beyond(sample),
        "spelling": _spelling(sample),
    }
    return {name: frame for name, frame in found.items() if frame is not None and len(frame)}


def _numbers(sample: Sample) -> list[Any]:
    pairs = zip(sample.columns, sample.frame.columns, strict=True)
    return [name for column, name in pairs if column.kind == "number"]


def _strings(sample: Sample) -> list[Any]:
    pairs = zip(sample.columns, sample.frame.columns, strict=True)
    return [name for column, name in pairs if column.kind == "string"]


def _boundary(sample: Sample, predict: Predict) -> Any:
    import numpy as np
    import pandas as pd

    numbers = _numbers(sample)
    if not numbers or len(sample.frame) < 2:
        return None
    rng = np.random.default_rng(0)
    size = min(PAIRS_MAX, 4 * len(sample.frame))
    left = sample.frame.iloc[rng.integers(len(sample.frame), size=size)].reset_index(drop=True)
    right = sample.frame.iloc[rng.integers(len(sample.frame), size=size)].reset_index(drop=True)
    left, right = _floats(left, numbers), _floats(right, numbers)
    for name in left.columns:
        if name not in numbers:
            right[name] = left[name]
    first, second = np.asarray(predict(left)), np.asarray(predict(right))
    apart = first != second
    left, right, first = left[apart].copy(), right[apart].copy(), first[apart]
    if not len(left):
        return None
    for _ in range(STEPS):
        middle = left.copy()
        middle[numbers] = (left[numbers] + right[numbers]) / 2
        same = np.asarray(predict(middle)) == first
        left.loc[same, numbers] = middle.loc[same, numbers]
        right.loc[~same, numbers] = middle.loc[~same, numbers]
    return pd.concat([left, right], ignore_index=True)


def _floats(frame: Any, numbers: list[Any]) -> Any:
    return frame.astype(dict.fromkeys(numbers, float))


def _thresholds(sample: Sample) -> Any:
    import numpy as np
    import pandas as pd

    numbers = _numbers(sample)
    if not numbers:
        return None
    rng = np.random.default_rng(1)
    each = max(4, ROWS_MAX // len(numbers))
    base = _floats(sample.frame, numbers)
    made = []
    for name in numbers:
        values = np.unique(base[name].dropna())
        if len(values) < 2:
            continue
        places = rng.permutation(len(values) - 1)[: each // 2]
        gap = values[places + 1] - values[places]
        middle = values[places] + gap / 2
        offsets = np.concatenate([middle - gap * 1e-2, middle + gap * 1e-2])
        rows = base.iloc[rng.integers(len(base), size=len(offsets))].copy()
        rows[name] = offsets
        made.append(rows)
    return pd.concat(made, ignore_index=True) if made else None


def _missing(sample: Sample) -> Any:
    import pandas as pd

    made = []
    for column, name in zip(sample.columns, sample.frame.columns, strict=True):
        if not column.required:
            rows = sample.frame.head(50).copy()
            rows[name] = None if column.kind == "string" else math.nan
            made.append(rows)
    return pd.concat(made, ignore_index=True) if made else None


def _beyond(sample: Sample) -> Any:
    import pandas as pd

    made = []
    numbers = _numbers(sample)
    for name in numbers:
        low, high = sample.frame[name].min(), sample.frame[name].max()
        reach = (high - low) or 1.0
        for value in (low - reach, high + reach, 0.0):
            rows = _floats(sample.frame.head(20), numbers)
            rows[name] = float(value)
            made.append(rows)
    for name in _strings(sample):
        rows = sample.frame.head(20).copy()
        rows[name] = "never seen"
        made.append(rows)
    return pd.concat(made, ignore_index=True).head(ROWS_MAX) if made else None


def _spelling(sample: Sample) -> Any:
    """Only of texts: a category in another spelling is another category, which `beyond` has."""
    import pandas as pd

    if not sample.texts:
        return None
    name = sample.frame.columns[0]
    made = []
    for spell in SPELLINGS:
        rows = sample.frame.head(60).copy()
        rows[name] = [spell(str(text)) for text in rows[name]]
        made.append(rows)
    return pd.concat(made, ignore_index=True)
