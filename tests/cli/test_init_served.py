"""Templates that serve a model: what `lambent init` writes deploys, trains first, and answers."""

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # each installs and trains


def deployed(served, tmp_path, template):
    made = served.run("init", template, "--template", template, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    folder = tmp_path / template
    assert (folder / "lambent_inference/handler.py").is_file()
    assert not (folder / "lambent_inference/tool").exists()
    if template == "vision":  # fewer pictures than `lambent deploy` would draw
        script = [sys.executable, "-W", "ignore", "train.py", "--pictures", "60"]
        subprocess.run(script, cwd=folder, check=True, capture_output=True)
    done = served.run("deploy", "--json", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (facts,) = json.loads(done.stdout)["functions"]
    assert facts["model"]["trained"] == (template != "vision")
    answer = served.run("invoke", template, "-d", "@event.json", cwd=folder)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return json.loads(answer.stdout)["payload"]


@pytest.mark.parametrize("template", ["onnx", "tabular"])
def test_a_table(served, tmp_path, template) -> None:
    said = deployed(served, tmp_path, template)
    assert said["prediction"] == "leaves"  # new, expensive and annoyed
    assert said["probability"] > 0.9
    assert said["model_version"] == "1"
    event = {
        "features": {
            "tenure_months": 70,
            "monthly_charges": 20,
            "support_calls": 0,
            "contract_months": 24,
        }
    }
    other = served.run("invoke", template, "-d", json.dumps(event))
    assert json.loads(other.stdout)["payload"]["prediction"] == "stays"
    event["features"]["tenure_months"] = -1
    assert "InvalidFeatures" in served.run("invoke", template, "-d", json.dumps(event)).stdout


def test_a_picture(served, tmp_path) -> None:
    said = deployed(served, tmp_path, "vision")
    assert said["statusCode"] == 200
    found = json.loads(said["body"])["predictions"]
    assert {one["class"] for one in found} <= {"circle", "square", "triangle"}
    assert len(found) >= 2  # five are drawn; this detector has seen little
