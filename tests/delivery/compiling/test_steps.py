"""Models become packages: what converts is equal, what does not is kept, and the reason is said."""

import json

import joblib
import numpy as np
import pandas as pd
import pytest
from scripts import compiled_pipelines as pipelines
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lambent.delivery.compiling import convert, gate, refusals, sample, steps
from lambent.delivery.problem import Problem

REFUSED = {
    "HistGradientBoosting, native categories": "categorical",
    "sparse one-hot, XGBClassifier": "sparse",
    "TfidfVectorizer": "locale",
    "TfidfVectorizer, char_wb": "char_wb",
    "HashingVectorizer": "hash",
    "FunctionTransformer": "function of its own",
    "SplineTransformer": "no converter",
    "LGBMClassifier, pandas categories": "pandas categoricals",
    "VotingClassifier": "vote",
    "KBinsDiscretizer onehot": "onehot",
    "MultiOutputRegressor": "several answers",
}


@pytest.fixture
def churn(tmp_path):
    rng = np.random.default_rng(3)
    rows = pd.DataFrame(
        {
            "tenure months": rng.integers(1, 72, 200).astype(float),
            "charges": rng.normal(70, 20, 200),
            "plan": rng.choice(["basic", "pro"], 200),
        }
    )
    rows.loc[5, "charges"] = np.nan
    target = np.where(
        rows["tenure months"] < np.where(rows["plan"] == "pro", 20, 40), "leaves", "stays"
    )
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = [
        ("n", numbers, ["tenure months", "charges"]),
        ("c", OneHotEncoder(handle_unknown="ignore"), ["plan"]),
    ]
    model = make_pipeline(ColumnTransformer(columns), LogisticRegression()).fit(rows, target)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    joblib.dump(model, tmp_path / "churn.joblib")
    return model, rows


def order(tmp_path, **more):
    given = {"id": "churn", "measured": False, **more}
    return steps.Order(tmp_path / "churn.joblib", tmp_path / "rows.csv", tmp_path / "made", **given)


@pytest.mark.slow
def test_the_package_answers_in_the_server_as_the_model_did(churn, tmp_path):
    from lambent_inference.models import package
    from lambent_inference.models.contract import Predict
    from lambent_inference.models.formats.onnx import OnnxRunner
    from lambent_inference.models.tasks.tabular import Tabular

    model, rows = churn
    report = steps.compile_model(order(tmp_path))
    assert report["form"] == "onnx"
    assert report["gate"]["passed"]
    kinds = {one["kind"] for one in report["gate"]["groups"]}
    assert kinds == {"sample", "boundary", "thresholds", "missing", "beyond"}
    made = tmp_path / "made"
    manifest = package.read(made)
    package.verify(manifest, made)
    runner = OnnxRunner(made / "model.onnx", threads=1)
    decoder = Tabular(package.Package(manifest, made), {"model": runner})
    asked = [
        {name: value for name, value in row.items() if value is not None and value == value}
        for row in rows.head(20).to_dict("records")
    ]
    prepared = decoder.prepare(Predict(rows=tuple(asked)), ())
    answers = decoder.finish(runner.run(prepared.feeds), prepared, Predict(rows=tuple(asked)))
    assert [one.prediction for one in answers] == list(model.predict(rows.head(20)))
    shares = [[one.probabilities[name] for name in model.classes_] for one in answers]
    np.testing.assert_allclose(shares, model.predict_proba(rows.head(20)), atol=1e-5)
    assert json.loads((made / "warm_up.json").read_text())["features"]["plan"] in {"basic", "pro"}
    assert json.loads((made / "compile.json").read_text())["gate"]["passed"]


@pytest.mark.slow  # starts an interpreter with scikit-learn
def test_both_forms_are_measured_in_processes_of_their_own(churn, tmp_path):
    report = steps.compile_model(order(tmp_path, measured=True))
    for form in ("before", "after"):
        assert report[form]["row_us"] > 0
        assert report[form]["cold_start_ms"] > 0
        assert report[form]["dollars_per_million"] > 0.2  # a million requests alone cost that
    assert report["after"]["bytes"] == (tmp_path / "made/model.onnx").stat().st_size


def test_a_graph_of_another_model_does_not_pass_and_its_worst_rows_are_kept():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    right = LogisticRegression().fit(x, x[:, 0] > 0)
    # Differs only close to the boundary, where no row of the sample lies.
    wrong = LogisticRegression().fit(x, x[:, 0] > 0)
    wrong.intercept_ = wrong.intercept_ + 0.05
    rows = sample.of_table(pd.DataFrame(x), right)
    verdict = gate.judge(right, convert.convert(wrong, rows), rows)
    assert not verdict.passed
    boundary = next(one for one in verdict.groups if one.kind == "boundary")
    assert boundary.flips > 0.2 * boundary.rows
    assert verdict.worst
    assert verdict.worst[0]["difference"] > gate.CLOSE
    assert "boundary" in verdict.reason


def test_numbers_that_a_float_cannot_hold_fall_back():
    """Inputs that need doubles: consecutive identifiers past 2^24 are one float."""
    ids = pd.DataFrame({"id": np.arange(2**30, 2**30 + 200, dtype=float)})
    odd = (np.arange(200) % 2).astype(int)
    model = LogisticRegression().fit(ids, odd)
    model.coef_ = np.array([[1.0]])
    model.intercept_ = np.array([-(2.0**30) - 100.5])
    outcome = steps.decide(model, sample.of_table(ids, model))
    assert outcome.graph is None
    assert "labels differ" in outcome.reason


@pytest.mark.slow  # trains a dozen models
def test_what_is_known_to_be_wrong_is_refused_by_name():
    found = {one.name: one for one in pipelines.run(list(REFUSED))}
    assert {name: one.decision for name, one in found.items()} == dict.fromkeys(REFUSED, "refused")
    for name, word in REFUSED.items():
        assert word in found[name].reason


def test_histograms_are_refused_where_their_converter_does_not_work(monkeypatch):
    from sklearn.ensemble import HistGradientBoostingClassifier

    monkeypatch.setattr(refusals.metadata, "version", lambda _: "7.35.0")
    reason = refusals.refused(HistGradientBoostingClassifier())
    assert "protobuf 7.35.0" in reason
    assert "protobuf<7" in reason
    assert refusals.refused(LogisticRegression()) is None


def test_a_soft_vote_is_rewritten_and_left_as_it_was():
    model, rows = pipelines.cases()["VotingClassifier, soft"](pipelines.data())
    outcome = steps.decide(model, sample.of_table(rows, model))
    assert outcome.graph is not None, outcome.reason
    assert model.flatten_transform


def test_a_refused_model_is_packaged_as_it_is(tmp_path):
    pipelines_data = pipelines.data()
    model, rows = pipelines.cases()["MultiOutputRegressor"](pipelines_data)
    joblib.dump(model, tmp_path / "churn.joblib")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    report = steps.compile_model(order(tmp_path))
    assert report["form"] == "skops"
    assert report["reason"].startswith("refused: MultiOutputRegressor")
    assert json.loads((tmp_path / "made/model.json").read_text())["model"] == "model.skops"


def test_a_pickle_is_packaged_only_by_consent(tmp_path):
    model, rows = pipelines.cases()["FunctionTransformer"](pipelines.data())
    model.marker = Untrusted()
    joblib.dump(model, tmp_path / "churn.joblib")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(Problem) as caught:
        steps.compile_model(order(tmp_path))
    assert caught.value.code == "MODEL_NEEDS_JOBLIB"
    assert not (tmp_path / "made").exists()
    assert steps.compile_model(order(tmp_path, allow_joblib=True))["form"] == "joblib"


class Untrusted:
    """Of a type that skops does not know."""


def test_a_sample_must_have_the_columns_of_training(churn, tmp_path):
    churn[1].drop(columns="plan").to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(Problem) as caught:
        steps.compile_model(order(tmp_path))
    assert caught.value.code == "SAMPLE_INVALID"
    assert "plan" in caught.value.why


@pytest.mark.slow  # trains and converts 67 models
@pytest.mark.timeout(300)
def test_the_table_in_the_documentation_is_what_happens():
    found = pipelines.run()
    assert len(found) >= 40
    assert {one.name: one.decision for one in found} == pipelines.written()
    assert all(one.difference <= 1e-4 for one in found if one.decision == "converts")


def test_a_file_of_another_kind_is_told_what_is_compiled(churn, tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(Problem) as caught:
        steps.compile_model(
            steps.Order(tmp_path / "weights.pt", tmp_path / "rows.csv", tmp_path / "made", "g")
        )
    assert caught.value.code == "MODEL_UNREADABLE"
    assert "ONNX" in caught.value.fix
