"""Templates that serve a model: what `lambent init` writes deploys, trains first, and answers."""

import json
import subprocess
import sys

import pytest
from tests.cli.conftest import INSTALLED

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
    # SciPy's bytecode takes ten seconds, and nothing is said of it here.
    done = served.run("deploy", "--json", "--no-bytecode", cwd=folder, **INSTALLED)
    assert done.returncode == 0, done.stdout + done.stderr
    (facts,) = json.loads(done.stdout)["functions"]
    assert facts["model"]["trained"] == (template != "vision")
    answer = served.run("invoke", template, "-d", "@event.json", cwd=folder)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return json.loads(answer.stdout)["payload"]


def test_a_network(served, tmp_path) -> None:
    tables(served, deployed(served, tmp_path, "onnx"), "onnx")


def test_scikit_learn_as_it_is(place, tmp_path) -> None:
    """Over 50 MB, which AWS takes through S3 and a server of one's own where it is told to."""
    started = place.run("up", "-d")
    assert started.returncode == 0, started.stderr
    tables(place, deployed(place, tmp_path, "tabular"), "tabular")


def tables(server, said, name) -> None:
    assert said["prediction"] == "leaves"  # new, expensive and annoyed
    assert said["probability"] > 0.9
    assert said["model_version"] == "1"
    features = {
        "tenure_months": 70,
        "monthly_charges": 20,
        "support_calls": 0,
        "contract_months": 24,
    }
    other = server.run("invoke", name, "-d", json.dumps({"features": features}))
    assert json.loads(other.stdout)["payload"]["prediction"] == "stays"
    features["tenure_months"] = -1
    refused = server.run("invoke", name, "-d", json.dumps({"features": features}))
    assert refused.returncode == 5
    assert "InvalidFeatures" in refused.stdout + refused.stderr


def test_a_picture(served, tmp_path) -> None:
    said = deployed(served, tmp_path, "vision")
    assert said["statusCode"] == 200
    found = json.loads(said["body"])["predictions"]
    assert {one["class"] for one in found} <= {"circle", "square", "triangle"}
    assert len(found) >= 2  # five are drawn; this detector has seen little
