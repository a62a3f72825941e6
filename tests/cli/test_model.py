"""`lambent model` as its user types it; what the tool does is tested beside the tool."""

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from tests.delivery.graphs import graphs


@pytest.fixture
def lambent(tmp_path):
    def lambent(*arguments, code=0):
        command = [Path(sys.executable).parent / "lambent", "model", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, timeout=110, check=False
        )
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr

    return lambent


@pytest.mark.slow
def test_push_list_show_and_remove(lambent, tmp_path):
    (tmp_path / "model.skops").write_bytes(b"contents")
    where = ["--registry", f"file://{tmp_path}/registry"]
    facts = ["--id", "churn", "--version", "1", "--task", "tabular", "--family", "sklearn"]
    assert lambent("push", "model.skops", *where, *facts)["model"] == "churn/1"
    assert [one["model"] for one in lambent("ls", *where)["models"]] == ["churn/1"]
    assert lambent("show", "churn", *where)["files"]["model.skops"]["size"] == 8
    assert "NEEDS_YES" in lambent("rm", "churn/1", *where, code=3)
    assert lambent("rm", "churn/1", *where, "--yes")["removed"] == "churn/1"
    assert lambent("ls", *where)["models"] == []


def test_failures_have_a_code_and_a_fix(lambent, tmp_path):
    assert "--registry" in lambent("ls", code=2)
    (tmp_path / "model.onnx").write_bytes(b"contents")
    told = lambent("push", "model.onnx", "--registry", str(tmp_path / "registry"), code=1)
    assert "MODEL_UNDESCRIBED" in told
    assert "--task" in told


@pytest.mark.slow
def test_what_a_graph_is_for_is_asked_on_a_terminal_and_an_error_in_a_pipe(place) -> None:
    onnx.save(graphs.of_pictures(graphs.trained(), last=None), place.folder / "digits.onnx")
    words = ["model", "compile", "digits.onnx"]
    piped = place.run(*words)
    assert piped.returncode == 2
    assert "GRAPH_TASK_UNKNOWN" in piped.stderr
    shown = place.on_terminal(*words, keys="classification\n\n", until="what is it for?")
    assert shown.returncode == 0, shown.text
    told = json.loads((place.folder / "digits-1/model.json").read_text())
    assert (told["task"], told["family"]) == ("classification", "onnx")
    assert "called 0…9" in shown.text
