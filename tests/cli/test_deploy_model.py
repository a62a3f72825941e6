"""`lambent model compile`, then `lambent deploy --model`: a trained model answers without a handler."""

import base64
import json
import urllib.request
from pathlib import Path

import joblib
import numpy as np
import onnx
import pytest
from scripts import compiled_pipelines as pipelines
from tests.cli.conftest import INSTALLED
from tests.delivery.graphs import graphs

from lambent.cli import report
from lambent.cli.init import newest_runtime
from lambent.delivery.aws import Aws
from lambent.delivery.compiling import sandboxed


@pytest.mark.slow  # installs onnxruntime for the function
@pytest.mark.timeout(300)
def test_a_compiled_model_becomes_a_function_with_a_url(served, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(
        "XDG_CACHE_HOME", INSTALLED["XDG_CACHE_HOME"]
    )  # for what this process packages
    model, rows = pipelines.cases()["ColumnTransformer, LogisticRegression"](pipelines.data())
    joblib.dump(model, tmp_path / "churn.joblib")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    words = ["model", "compile", "churn.joblib", "--sample", "rows.csv", "--no-measure"]
    made = served.run(*words, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["form"] == "onnx"
    assert served.run(*words[:3], cwd=tmp_path).returncode == 2  # no sample, no conversion

    done = served.run("deploy", "--json", "--model", "churn-1", cwd=tmp_path, **INSTALLED)
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

    aws = Aws(f"http://127.0.0.1:{served.port}")
    bench = sandboxed.Bench(aws, newest_runtime(), 50 << 20, report.parse)
    cost = sandboxed.measure(bench, tmp_path / "churn-1")
    assert cost["cold_start_ms"] > cost["call_ms"] > 0
    assert cost["bytes"] == (tmp_path / "churn-1/model.onnx").stat().st_size
    assert cost["dollars_per_million"] > 0.2  # a million requests alone cost that
    assert "compile-" not in served.run("fn", "ls", "--json").stdout

    registry = f"file://{tmp_path}/registry"
    assert (
        served.run("model", "push", "churn-1", "--registry", registry, cwd=tmp_path).returncode == 0
    )
    again = [
        "deploy",
        "--json",
        "--model",
        "churn/latest",
        "--registry",
        registry,
        "--name",
        "again",
    ]
    done = served.run(*again, cwd=tmp_path, **INSTALLED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(served.run("invoke", "again", "-d", event).stdout)["payload"] == said

    wrong = served.run("invoke", "churn", "-d", '{"features": {"tenure": "long"}}')
    assert wrong.returncode == 5
    assert "InvalidFeatures" in wrong.stdout + wrong.stderr


@pytest.mark.slow
def test_a_folder_without_model_json_is_refused(served, tmp_path) -> None:
    done = served.run("deploy", "--model", ".", cwd=tmp_path)
    assert done.returncode == 1
    assert "MODEL_PACKAGE_INVALID" in done.stderr


@pytest.mark.slow
def test_a_model_that_lies_nowhere_is_said_so(served, tmp_path) -> None:
    done = served.run("deploy", "--model", "churn/1", cwd=tmp_path)
    assert done.returncode == 2
    assert "--registry" in done.stderr


@pytest.mark.slow  # installs onnxruntime for the function
@pytest.mark.timeout(300)
def test_digits_as_pictures_are_answered_as_the_network_answers_them(served, tmp_path) -> None:
    network = graphs.trained()
    onnx.save(graphs.of_pictures(network), tmp_path / "digits.onnx")
    shown = graphs.write_pictures(tmp_path / "pictures", 60)
    made = served.run(
        "model", "compile", "digits.onnx", "--sample", "pictures", "--int8", cwd=tmp_path
    )
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["int8"]["lost"] <= 0.01

    done = served.run("deploy", "--json", "--model", "digits-1", cwd=tmp_path, **INSTALLED)
    assert done.returncode == 0, done.stdout + done.stderr
    (facts,) = json.loads(done.stdout)["functions"]
    event = (tmp_path / "digits-1/warm_up.json").read_text()
    answer = json.loads(served.run("invoke", "digits", "-d", event).stdout)["payload"]
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["top"] in set(map(str, range(10)))

    seen = [
        seen_by_the_server(facts["url"], tmp_path / "pictures", 1200 + i, shown[i])
        for i in range(60)
    ]
    rows = np.rint(graphs.digits()[0][1200:1260] * 255 / 16) * 16 / 255
    own = float((network.predict(rows) == shown).mean())
    right = float(np.mean([one == label for one, label in zip(seen, shown, strict=True)]))
    assert right == pytest.approx(own, abs=0.017)  # 8 bits may turn one picture of sixty


def seen_by_the_server(url: str, pictures: Path, number: int, label: int) -> int:
    data = (pictures / str(label) / f"{number}.png").read_bytes()
    image = {"type": "base64", "value": base64.b64encode(data).decode()}
    body = json.dumps({"model_id": "digits/1", "image": image, "confidence": 0}).encode()
    request = urllib.request.Request(
        url + "infer/classification", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return int(json.load(response)["top"])
