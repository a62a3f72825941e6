import json

import pytest


def deploy(place, *words: str, cwd) -> dict:
    done = place.run("deploy", "--json", *words, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    (facts,) = json.loads(done.stdout)["functions"]
    return facts


@pytest.mark.slow
def test_the_shape_of_the_answer_is_stable(served) -> None:
    facts = deploy(served, cwd=served.folder / "hello")
    assert set(facts) == {
        "function", "arn", "version", "alias", "weights", "created", "code_changed", "changed",
        "package", "image", "model", "seconds", "notes",
    }  # fmt: skip
    assert set(facts["package"]) == {"zipped", "unzipped", "files", "bytecode", "sha256", "s3"}
    assert (facts["function"], facts["version"], facts["code_changed"]) == ("hello", "1", False)


@pytest.mark.slow
def test_flags_without_a_template(served, tmp_path) -> None:
    (tmp_path / "app.py").write_text(
        "import os\ndef main(event, context):\n    return os.environ['GREETING'], context.memory_limit_in_mb\n"
    )
    words = ["--name", "flags", "--handler", "app.main", "--runtime", "python3.11"]
    words += ["--memory", "256", "--timeout", "9", "-e", "GREETING=hi=there"]
    facts = deploy(served, *words, cwd=tmp_path)
    assert facts["created"]
    answer = json.loads(served.run("invoke", "flags").stdout)
    assert answer["payload"] == ["hi=there", "256"]


@pytest.mark.slow
def test_flags_over_a_template(served) -> None:
    facts = deploy(served, "--name", "renamed", "--memory", "300", cwd=served.folder / "hello")
    assert (facts["function"], facts["created"]) == ("renamed", True)
    again = deploy(served, "--name", "renamed", "--memory", "301", cwd=served.folder / "hello")
    assert again["changed"] == ["MemorySize"]


@pytest.mark.slow
def test_a_canary(served, tmp_path) -> None:
    served.run("init", "canary", cwd=tmp_path)
    folder = tmp_path / "canary"
    deploy(served, cwd=folder)
    (folder / "handler.py").write_text("def handler(event, context):\n    return 2\n")
    facts = deploy(served, "--canary", "10", cwd=folder)
    assert facts["weights"] == {"1": 0.9, "2": 0.1}
    assert deploy(served, cwd=folder)["weights"] == {"2": 1.0}


@pytest.mark.slow
def test_a_model_that_is_missing_is_made_by_its_script(served, tmp_path) -> None:
    served.run("init", "trained", cwd=tmp_path)
    folder = tmp_path / "trained"
    template = (folder / "template.yaml").read_text()
    metadata = "Metadata:\n  lambent: {model: model.txt, train: train.py}\n"
    (folder / "template.yaml").write_text(metadata + template)
    (folder / "train.py").write_text(
        "import json, sys\nopen('model.txt', 'w').write('%d.%d' % sys.version_info[:2])\n"
        "json.dump({'model_version': 'v1', 'metrics': {'accuracy': 0.9}}, open('model.json', 'w'))\n"
    )
    facts = deploy(served, "--runtime", "python3.11", cwd=folder)
    assert (folder / "model.txt").read_text() == "3.11"
    assert facts["model"]["trained"]
    assert facts["model"]["metrics"] == {"accuracy": 0.9}
    assert not deploy(served, "--runtime", "python3.11", cwd=folder)["model"]["trained"]

    (folder / "model.txt").unlink()
    (folder / "train.py").write_text("raise SystemExit('no data today')\n")
    failed = served.run("deploy", cwd=folder)
    assert failed.returncode == 1
    assert "error[TRAINING_FAILED]" in failed.stderr
    assert "no data today" in failed.stderr


@pytest.mark.slow
def test_what_is_not_deployed_with_a_named_function_is_said(served, tmp_path) -> None:
    served.run("init", "partly", cwd=tmp_path)
    folder = tmp_path / "partly"
    text = (folder / "template.yaml").read_text() + "\n  Queue:\n    Type: AWS::SQS::Queue\n"
    (folder / "template.yaml").write_text(text)
    done = served.run("deploy", "partly", cwd=folder)
    assert json.loads(done.stdout)["not_deployed"] == ["Queue (AWS::SQS::Queue)"]
    assert "Queue (AWS::SQS::Queue)" in done.stderr


def test_an_unknown_function_of_the_template(served) -> None:
    done = served.run("deploy", "nobody", cwd=served.folder / "hello")
    assert done.returncode == 2
    assert "error[FUNCTION_UNKNOWN]" in done.stderr
    assert "functions: hello" in done.stderr


def test_what_lambda_refuses_keeps_its_code(served, tmp_path) -> None:
    (tmp_path / "app.py").write_text("def main(event, context): ...\n")
    words = ["--name", "bad", "--handler", "app.main", "--runtime", "python3.11"]
    done = served.run("deploy", *words, "--timeout", "5000", cwd=tmp_path)
    assert done.returncode == 1
    assert "error[ValidationException]" in done.stderr
