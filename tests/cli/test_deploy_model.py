"""`lambent model compile`, then `lambent deploy --model`: a trained model answers without a handler."""

import json
import urllib.request

import joblib
import pytest
from scripts import compiled_pipelines as pipelines


@pytest.mark.slow  # installs onnxruntime for the function
@pytest.mark.timeout(300)
def test_a_compiled_model_becomes_a_function_with_a_url(served, tmp_path) -> None:
    model, rows = pipelines.cases()["ColumnTransformer, LogisticRegression"](pipelines.data())
    joblib.dump(model, tmp_path / "churn.joblib")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    words = ["model", "compile", "churn.joblib", "--sample", "rows.csv", "--no-measure"]
    made = served.run(*words, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["form"] == "onnx"
    assert served.run(*words[:3], cwd=tmp_path).returncode == 2  # no sample, no conversion

    done = served.run("deploy", "--json", "--model", "churn-1", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (facts,) = json.loads(done.stdout)["functions"]
    assert facts["function"] == "churn"

    row = rows.iloc[:1]
    event = (tmp_path / "churn-1/warm_up.json").read_text()
    answer = served.run("invoke", "churn", "-d", event)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    said = json.loads(answer.stdout)["payload"]
    assert said["prediction"] == int(model.predict(row)[0])
    assert said["probability"] == pytest.approx(model.predict_proba(row).max(), abs=1e-5)
    assert said["model_version"] == "1"

    body = json.dumps({"rows": [json.loads(event)["features"]]}).encode()
    request = urllib.request.Request(
        facts["url"] + "infer/tabular", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        assert json.load(response)["predictions"][0]["prediction"] == said["prediction"]

    wrong = served.run("invoke", "churn", "-d", '{"features": {"tenure": "long"}}')
    assert wrong.returncode == 5
    assert "InvalidFeatures" in wrong.stdout + wrong.stderr


def test_a_folder_without_model_json_is_refused(served, tmp_path) -> None:
    done = served.run("deploy", "--model", ".", cwd=tmp_path)
    assert done.returncode == 1
    assert "MODEL_PACKAGE_INVALID" in done.stderr
