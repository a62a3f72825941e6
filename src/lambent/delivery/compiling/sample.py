"""What is compiled and the rows it is judged by: the model's file, the sample's columns and kinds.

The columns are those of training, in their order; the sample says which are text, which are
true/false and which may be missing. A model trained on one list of texts has one column of text.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from lambent.delivery.problem import USAGE, Problem

Kind = Literal["number", "string", "boolean"]
PICKLED: Final = frozenset({".joblib", ".pkl", ".pickle"})
SUFFIXES: Final = PICKLED | {".skops"}
ROWS_MAX: Final = 5000
"""Of a longer sample evenly spread rows are taken: the gate calls the model many times."""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind
    required: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows by column; what the model itself is fed is `native_input`."""

    frame: Any
    columns: tuple[Column, ...]
    named: bool
    """Trained on a table with column names."""
    texts: bool
    """Trained on a list of texts."""

    def native_input(self, frame: Any) -> Any:
        """What the estimator's own predict is given."""
        if self.texts:
            return frame.iloc[:, 0].to_numpy(object)
        return frame if self.named else frame.to_numpy()


def load_model(path: Path) -> Any:
    """The estimator in a file. A pickle runs its maker's code: it is the user's own model."""
    try:
        if path.suffix == ".skops":
            return _load_skops(path)
        import joblib

        return joblib.load(path)
    except Problem:
        raise
    # A pickle can raise anything at all, most often the ImportError of what is not installed.
    except Exception as error:
        raise Problem(
            "MODEL_UNREADABLE",
            f"{path} cannot be loaded",
            why=f"{type(error).__name__}: {error}",
            fix="install the packages that it was trained with, in the same versions",
        ) from error


def _load_skops(path: Path) -> Any:
    from skops import io

    if untrusted := io.get_untrusted_types(file=path):
        raise Problem(
            "MODEL_UNREADABLE",
            f"{path} holds types that are not scikit-learn's: {', '.join(untrusted)}",
            fix="compile the joblib file of a model that you trust",
        )
    return io.load(path, trusted=[])


def read(path: Path, model: Any) -> Sample:
    """The sample, brought into the columns that the model was trained on."""
    import pandas as pd

    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise _invalid(path, str(error)) from error
    return of_table(table, model, path)


def of_table(table: Any, model: Any, path: Path = Path("sample")) -> Sample:
    """The same for a table that is in memory."""
    if not len(table):
        raise _invalid(path, "it has no rows")
    named = getattr(model, "feature_names_in_", None)
    width = getattr(model, "n_features_in_", None)
    texts = named is None and width is None
    if named is not None:
        missing = [str(one) for one in named if one not in table.columns]
        if missing:
            raise _invalid(path, f"it lacks the columns {', '.join(missing)}")
        table = table[list(named)]
    elif texts:
        table = table[[_text_column(table, path)]]
    elif table.shape[1] < width:
        raise _invalid(path, f"it has {table.shape[1]} columns; the model takes {width}")
    else:
        table = table.iloc[:, :width]
    table = _thinned(table).reset_index(drop=True)
    columns = tuple(
        Column(str(name), _kind(table[name]), not bool(table[name].isna().any()))
        for name in table.columns
    )
    return Sample(table, columns, named is not None, texts)


def _text_column(table: Any, path: Path) -> Any:
    found = [name for name in table.columns if _kind(table[name]) == "string"]
    if not found:
        raise _invalid(path, "the model takes texts and the sample has no column of text")
    return found[0]


def _thinned(table: Any) -> Any:
    step = -(-len(table) // ROWS_MAX)
    return table.iloc[::step]


def _kind(column: Any) -> Kind:
    import pandas.api.types as kinds

    if kinds.is_bool_dtype(column):
        return "boolean"
    return "number" if kinds.is_numeric_dtype(column) else "string"


def _invalid(path: Path, why: str) -> Problem:
    return Problem(
        "SAMPLE_INVALID",
        f"{path} cannot be used as the sample",
        why=why,
        fix="--sample rows.csv: some hundred rows with the columns of training and a header",
        exit_code=USAGE,
    )
