"""`python scripts/compiled_pipelines.py`: what `lambent model compile` does with 67 kinds of models.

Each case is trained on made-up data and goes through the same decision as a user's model: refused by
name, converted, or below the gate. The table in docs/models.md is written from it; a slow test runs
the cases again and compares.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs/models.md"
BEGIN, END = "<!-- pipelines: begin -->", "<!-- pipelines: end -->"


@dataclass(frozen=True)
class Result:
    name: str
    decision: str
    """`converts`, `falls back` (no converter, or below the gate), `refused`."""
    difference: float | None
    reason: str


def data() -> dict[str, Any]:
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(7)
    n = 240
    x = rng.normal(size=(n, 5))
    two = (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(int)
    table = pd.DataFrame(
        {
            "tenure": rng.integers(1, 72, n).astype(float),
            "charges": rng.normal(70, 20, n),
            "plan": rng.choice(["basic", "plus", "pro"], n),
            "paperless": rng.choice(["yes", "no"], n),
        }
    )
    table.loc[rng.integers(n, size=12), "charges"] = np.nan
    leaves = ((table.tenure < 24) ^ (table.plan == "pro")).astype(int).to_numpy()
    words = ["good", "bad", "fast", "slow", "late", "kind", "broken", "cheap"]
    texts = [" ".join(rng.choice(words, 6)) for _ in range(n)]
    return {
        "x": x, "two": two, "three": np.digitize(x[:, 0], [-0.5, 0.5]), "y": x @ [1.0, 2, 0, -1, 3],
        "table": table, "leaves": leaves, "texts": texts,
        "mood": np.array([int(text.count("good") > text.count("bad")) for text in texts]),
    }  # fmt: skip


def cases() -> dict[str, Callable[[dict[str, Any]], tuple[Any, Any]]]:
    """Name → (the fitted model, its sample) of the data."""
    return {**_classifiers(), **_regressors(), **_steps(), **_tables(), **_boosters(), **_texts()}


def _fit(estimator: Any, target: str, source: str = "x") -> Callable[[dict[str, Any]], Any]:
    def made(given: dict[str, Any]) -> tuple[Any, Any]:
        import pandas as pd

        rows = given[source]
        fitted = estimator.fit(rows, given[target])
        if source == "texts":
            return fitted, pd.DataFrame({"text": rows})
        return fitted, rows if source == "table" else pd.DataFrame(rows)

    return made


def _classifiers() -> dict[str, Any]:
    from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.multiclass import OneVsRestClassifier

    logistic = linear_model.LogisticRegression
    soft = [("a", logistic()), ("b", naive_bayes.GaussianNB())]
    return {
        "LogisticRegression": _fit(logistic(), "two"),
        "LogisticRegression, three classes": _fit(logistic(), "three"),
        "SGDClassifier": _fit(linear_model.SGDClassifier(random_state=0), "two"),
        "Perceptron": _fit(linear_model.Perceptron(), "three"),
        "RidgeClassifier": _fit(linear_model.RidgeClassifier(), "two"),
        "LinearSVC": _fit(svm.LinearSVC(), "two"),
        "SVC": _fit(svm.SVC(), "two"),
        "GaussianNB": _fit(naive_bayes.GaussianNB(), "three"),
        "KNeighborsClassifier": _fit(neighbors.KNeighborsClassifier(), "two"),
        "DecisionTreeClassifier": _fit(tree.DecisionTreeClassifier(max_depth=6), "three"),
        "RandomForestClassifier": _fit(ensemble.RandomForestClassifier(20, random_state=0), "two"),
        "ExtraTreesClassifier": _fit(ensemble.ExtraTreesClassifier(20, random_state=0), "three"),
        "AdaBoostClassifier": _fit(ensemble.AdaBoostClassifier(n_estimators=10), "two"),
        "GradientBoostingClassifier": _fit(ensemble.GradientBoostingClassifier(n_estimators=20), "two"),
        "HistGradientBoostingClassifier": _fit(ensemble.HistGradientBoostingClassifier(max_iter=20), "two"),
        "BaggingClassifier": _fit(ensemble.BaggingClassifier(random_state=0), "two"),
        "StackingClassifier": _fit(ensemble.StackingClassifier(soft, cv=2), "two"),
        "VotingClassifier, soft": _fit(ensemble.VotingClassifier(soft, voting="soft"), "two"),
        "VotingClassifier": _fit(ensemble.VotingClassifier(soft), "two"),
        "MLPClassifier": _fit(neural_network.MLPClassifier((8,), max_iter=60, random_state=0), "two"),
        "LinearDiscriminantAnalysis": _fit(LinearDiscriminantAnalysis(), "three"),
        "CalibratedClassifierCV": _fit(CalibratedClassifierCV(logistic(), cv=2), "two"),
        "OneVsRestClassifier": _fit(OneVsRestClassifier(logistic()), "three"),
    }  # fmt: skip


def _regressors() -> dict[str, Any]:
    from sklearn import ensemble, linear_model, neighbors, svm, tree
    from sklearn.multioutput import MultiOutputRegressor

    def several(given: dict[str, Any]) -> tuple[Any, Any]:
        import numpy as np
        import pandas as pd

        both = np.stack([given["y"], -given["y"]], axis=1)
        fitted = MultiOutputRegressor(linear_model.Ridge()).fit(given["x"], both)
        return fitted, pd.DataFrame(given["x"])

    return {
        "LinearRegression": _fit(linear_model.LinearRegression(), "y"),
        "Ridge": _fit(linear_model.Ridge(), "y"),
        "Lasso": _fit(linear_model.Lasso(), "y"),
        "ElasticNet": _fit(linear_model.ElasticNet(), "y"),
        "HuberRegressor": _fit(linear_model.HuberRegressor(), "y"),
        "PoissonRegressor": _fit(linear_model.PoissonRegressor(), "two"),
        "SVR": _fit(svm.SVR(), "y"),
        "KNeighborsRegressor": _fit(neighbors.KNeighborsRegressor(), "y"),
        "DecisionTreeRegressor": _fit(tree.DecisionTreeRegressor(max_depth=6), "y"),
        "RandomForestRegressor": _fit(ensemble.RandomForestRegressor(20, random_state=0), "y"),
        "GradientBoostingRegressor": _fit(ensemble.GradientBoostingRegressor(n_estimators=20), "y"),
        "HistGradientBoostingRegressor": _fit(ensemble.HistGradientBoostingRegressor(max_iter=20), "y"),
        "MultiOutputRegressor": several,
    }  # fmt: skip


def _steps() -> dict[str, Any]:
    from sklearn import preprocessing
    from sklearn.decomposition import PCA
    from sklearn.feature_selection import SelectKBest
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    def before(step: Any) -> Any:
        return _fit(make_pipeline(step, LogisticRegression(max_iter=500)), "two")

    bins = preprocessing.KBinsDiscretizer
    return {
        "StandardScaler, LogisticRegression": before(preprocessing.StandardScaler()),
        "MinMaxScaler, LogisticRegression": before(preprocessing.MinMaxScaler()),
        "RobustScaler, LogisticRegression": before(preprocessing.RobustScaler()),
        "PolynomialFeatures, LogisticRegression": before(preprocessing.PolynomialFeatures()),
        "PowerTransformer, LogisticRegression": before(preprocessing.PowerTransformer()),
        "QuantileTransformer, LogisticRegression": before(
            preprocessing.QuantileTransformer(n_quantiles=50)
        ),
        "PCA, LogisticRegression": before(PCA(3)),
        "SelectKBest, LogisticRegression": before(SelectKBest(k=3)),
        "KBinsDiscretizer onehot": before(bins(quantile_method="averaged_inverted_cdf")),
        "KBinsDiscretizer ordinal": before(
            bins(encode="ordinal", quantile_method="averaged_inverted_cdf")
        ),
        "SplineTransformer": before(preprocessing.SplineTransformer()),
        "FunctionTransformer": before(preprocessing.FunctionTransformer(abs)),
    }


def _columns(onehot: Any, scale: bool = True) -> Any:  # noqa: FBT001, FBT002
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    numbers = make_pipeline(SimpleImputer(), StandardScaler()) if scale else "passthrough"
    parts = [("n", numbers, ["tenure", "charges"]), ("c", onehot, ["plan", "paperless"])]
    return ColumnTransformer(parts)


def _tables() -> dict[str, Any]:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    known = OneHotEncoder(handle_unknown="ignore")
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    native = ColumnTransformer([("c", ordinal, ["plan", "paperless"])], remainder="passthrough")
    trees = HistGradientBoostingClassifier(max_iter=20, categorical_features=[0, 1])
    table = {"target": "leaves", "source": "table"}
    forest = RandomForestClassifier(20, random_state=0)
    return {
        "ColumnTransformer, LogisticRegression": _fit(
            make_pipeline(_columns(known), LogisticRegression()), **table
        ),
        "ColumnTransformer, RandomForestClassifier": _fit(
            make_pipeline(_columns(known), forest), **table
        ),
        "ColumnTransformer, HistGradientBoosting": _fit(
            make_pipeline(
                _columns(OneHotEncoder(handle_unknown="ignore", sparse_output=False), scale=False),
                HistGradientBoostingClassifier(max_iter=20),
            ),
            **table,
        ),
        "ColumnTransformer with ordinals, RandomForestClassifier": _fit(
            make_pipeline(_columns(ordinal), forest), **table
        ),
        "HistGradientBoosting, native categories": _fit(make_pipeline(native, trees), **table),
    }


def _boosters() -> dict[str, Any]:
    from lightgbm import LGBMClassifier, LGBMRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder
    from xgboost import XGBClassifier, XGBRegressor

    quick = {"n_estimators": 20, "n_jobs": 1}
    table = {"target": "leaves", "source": "table"}
    dense = OneHotEncoder(handle_unknown="ignore", sparse_output=False)

    def named(given: dict[str, Any]) -> tuple[Any, Any]:
        rows = given["table"][["tenure", "charges"]]
        return XGBClassifier(**quick).fit(rows, given["leaves"]), rows

    def categories(given: dict[str, Any]) -> tuple[Any, Any]:
        rows = given["table"].astype({"plan": "category", "paperless": "category"})
        return LGBMClassifier(**quick, verbose=-1).fit(rows, given["leaves"]), given["table"]

    sparse = _columns(OneHotEncoder(handle_unknown="ignore"))
    sparse.set_params(sparse_threshold=1.0)
    return {
        "LGBMClassifier": _fit(LGBMClassifier(**quick, verbose=-1), "two"),
        "LGBMClassifier, three classes": _fit(LGBMClassifier(**quick, verbose=-1), "three"),
        "LGBMRegressor": _fit(LGBMRegressor(**quick, verbose=-1), "y"),
        "LGBMClassifier, pandas categories": categories,
        "XGBClassifier": _fit(XGBClassifier(**quick), "two"),
        "XGBClassifier, three classes": _fit(XGBClassifier(**quick), "three"),
        "XGBClassifier, named columns": named,
        "XGBRegressor": _fit(XGBRegressor(**quick), "y"),
        "dense one-hot, XGBClassifier": _fit(
            make_pipeline(_columns(dense), XGBClassifier(**quick)), **table
        ),
        "sparse one-hot, XGBClassifier": _fit(
            make_pipeline(sparse, XGBClassifier(**quick)), **table
        ),
    }


def _texts() -> dict[str, Any]:
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    def after(words: Any) -> Any:
        return _fit(make_pipeline(words, LogisticRegression()), "mood", "texts")

    plain = {"lowercase": False, "token_pattern": "[a-zA-Z0-9_]+"}
    return {
        "TfidfVectorizer": after(TfidfVectorizer()),
        "TfidfVectorizer, case kept, ASCII words": after(TfidfVectorizer(**plain)),
        "TfidfVectorizer, char_wb": after(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3))),
        "HashingVectorizer": after(HashingVectorizer(n_features=64)),
    }


def run(names: list[str] | None = None) -> list[Result]:
    """Decide every case, or those that are named."""
    given = data()
    return [_decided(name, made, given) for name, made in cases().items() if _in(name, names)]


def _in(name: str, names: list[str] | None) -> bool:
    return names is None or name in names


def _decided(name: str, made: Callable[..., Any], given: dict[str, Any]) -> Result:
    from lambent.delivery.compiling import sample, steps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # estimators about their own future
        model, rows = made(given)
        outcome = steps.decide(model, sample.of_table(rows, model))
    difference = outcome.verdict.largest if outcome.verdict and outcome.verdict.groups else None
    decision = "converts" if outcome.graph else "falls back"
    if outcome.reason.startswith("refused"):
        decision = "refused"
    return Result(name, decision, difference, outcome.reason.partition(": ")[2])


def rendered(results: list[Result]) -> str:
    lines = ["| model | decision | largest difference | why |", "|---|---|---|---|"]
    for one in results:
        away = "" if one.difference is None else f"{one.difference:.0e}"
        reason = one.reason.replace("|", "\\|")
        reason = reason if len(reason) < 160 else reason[:157] + "…"
        lines.append(f"| {one.name} | {one.decision} | {away} | {reason} |")
    counts = {kind: sum(one.decision == kind for one in results) for kind in
              ("converts", "falls back", "refused")}  # fmt: skip
    total = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return "\n".join([f"{len(results)} models: {total}.", "", *lines])


def written() -> dict[str, str]:
    """The decisions that the page has now, by name."""
    table = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    found = re.findall(r"^\| (.+?) \| (converts|falls back|refused) \|", table, re.MULTILINE)
    return dict(found)


def main() -> int:
    text = PAGE.read_text()
    table = f"{BEGIN}\n{rendered(run())}\n{END}"
    start, end = text.index(BEGIN), text.index(END) + len(END)
    PAGE.write_text(text[:start] + table + text[end:])
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
