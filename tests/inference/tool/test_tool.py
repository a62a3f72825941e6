"""Packages pushed, listed, shown, removed and made of what other tools left; then served."""

import asyncio
import io
import json
import pickle
import tarfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.linear_model import LogisticRegression

from lambent_inference.models.contract import Predict
from lambent_inference.models.manager import ModelManager
from lambent_inference.models.store import Store
from lambent_inference.settings import Settings
from lambent_inference.tool.__main__ import main


def linear() -> bytes:
    """y = 2a + 3b, as an ONNX graph."""
    weights = onnx.numpy_helper.from_array(np.array([[2], [3]], np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9)
    out = io.BytesIO()
    onnx.save_model(model, out)
    return out.getvalue()


@pytest.fixture
def tool(capsys):
    """tool("ls", …) → its answer; `fails` where an error is expected."""

    def tool(*arguments, fails=None):
        code = main([str(one) for one in arguments])
        answer = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert (code, answer.get("error", {}).get("code")) == ((1, fails) if fails else (0, None))
        return answer

    return tool


@pytest.fixture
def predict(tmp_path):
    def predict(registry, model_id, *rows, **more):
        settings = Settings(model_registry=(registry,), model_cache_dir=tmp_path / "cache", **more)
        models = ModelManager(settings, Store(settings))
        return asyncio.run(models.infer(model_id, Predict(rows=rows))).answers

    return predict


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "linear"
    folder.mkdir()
    (folder / "linear.onnx").write_bytes(linear())
    return folder


def test_push_list_show_use_remove(tool, folder, tmp_path, predict):
    registry = f"file://{tmp_path}/registry"
    what = ["--id", "sum", "--task", "tabular", "--family", "onnx", "--licence", "MIT"]
    tool("push", folder, registry, fails="MODEL_UNDESCRIBED")
    tool("push", folder, registry, *what, "--version", "1", "--alias", "production")
    tool("push", folder / "linear.onnx", registry, *what, "--version", "2")
    listed = tool("ls", registry)["models"]
    assert [(one["model"], one["latest"], one["aliases"]) for one in listed] == [
        ("sum/1", False, ["production"]),
        ("sum/2", True, []),
    ]
    shown = tool("show", registry, "sum/production")
    assert (shown["version"], shown["licence"]) == ("1", "MIT")
    assert list(shown["files"]) == ["linear.onnx"]
    (row,) = predict(registry, "sum/production", [1, 1])
    assert row.prediction == 5
    tool("rm", registry, "sum/2")
    assert [one["model"] for one in tool("ls", registry)["models"]] == ["sum/1"]
    assert tool("show", registry, "sum")["version"] == "1"
    tool("show", registry, "sum/2", fails="MODEL_NOT_FOUND")
    tool("ls", tmp_path / "nothing", fails="MODEL_REGISTRY_MISSING")
    tool("ls", "https://models.example.com", fails="MODEL_REGISTRY_UNSUITABLE")


@pytest.mark.slow
def test_a_bucket_is_a_registry(tool, folder, monkeypatch, predict):
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        import boto3

        s3 = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
        s3.create_bucket(Bucket="models")
        registry = "s3://models/team"
        what = ["--id", "sum", "--task", "tabular", "--family", "onnx", "--version"]
        tool("push", folder, registry, *what, "1")
        tool("push", folder, registry, *what, "2", "--alias", "production")
        assert len(tool("ls", registry)["models"]) == 2
        (row,) = predict(registry, "sum/production", {"x0": 1, "x1": 2})
        assert row.prediction == 8
        tool("rm", registry, "sum/1")
        assert [one["model"] for one in tool("ls", registry)["models"]] == ["sum/2"]
        tool("show", "s3://nowhere/at/all", "sum", fails="MODEL_NOT_FOUND")
    finally:
        server.stop()


@pytest.fixture
def estimator():
    random = np.random.default_rng(0)
    table = random.random((80, 2))
    return LogisticRegression().fit(table, (table[:, 0] > 0.5).astype(int))


def test_mlflow(tool, tmp_path, estimator, predict):
    source = tmp_path / "mlflow"
    source.mkdir()
    (source / "model.pkl").write_bytes(pickle.dumps(estimator))
    (source / "conda.yaml").write_text("channels: []")
    columns = [{"type": "double", "name": "a"}, {"type": "long", "name": "b"}]
    (source / "MLmodel").write_text(
        "flavors:\n  sklearn:\n    pickled_model: model.pkl\n"
        "  python_function:\n    loader_module: mlflow.sklearn\n"
        f"signature:\n  inputs: '{json.dumps(columns)}'\n"
    )
    done = tool("import", source, tmp_path / "made", "--id", "half")
    assert (done["kind"], done["task"]) == ("mlflow", "tabular")
    assert any("ALLOW_PICKLED_MODELS" in note for note in done["not_taken"])
    assert any(note.startswith("conda.yaml") for note in done["not_taken"])
    registry = str(tmp_path / "made")
    (row,) = predict(registry, "half/1", {"a": 0.9, "b": 0}, allow_pickled_models=True)
    assert row.prediction == 1
    assert set(row.probabilities) == {"0", "1"}
    from lambent_inference.errors import Forbidden

    with pytest.raises(Forbidden, match="pickle"):
        predict(registry, "half/1", {"a": 0.9, "b": 0})
    tool("import", source, tmp_path / "made", "--id", "half", fails="MODEL_TARGET_NOT_EMPTY")


def test_sagemaker_leaves_code_behind(tool, tmp_path, predict):
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, data in (("model.onnx", linear()), ("code/inference.py", b"print('no')")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    done = tool("import", archive, tmp_path / "made", "--id", "sum")
    assert done["kind"] == "sagemaker"
    (note,) = done["not_taken"]
    assert note.startswith("code/inference.py: code is not run")
    (row,) = predict(str(tmp_path / "made"), "sum", [2, 1])
    assert row.prediction == 7


def test_bentoml(tool, tmp_path, predict):
    source = tmp_path / "bento"
    source.mkdir()
    (source / "saved_model.onnx").write_bytes(linear())
    (source / "model.yaml").write_text("name: sum\nmodule: bentoml.onnx\noptions: {a: 1}\n")
    done = tool("import", source, tmp_path / "made", "--id", "sum", "--version", "7")
    assert done["model"] == "sum/7"
    assert any(note.startswith("options") for note in done["not_taken"])
    (row,) = predict(str(tmp_path / "made"), "sum/7", [1, 0])
    assert row.prediction == 2


def test_the_originals_layout(tool, tmp_path):
    source = tmp_path / "pets" / "3"
    source.mkdir(parents=True)
    (source / "weights.onnx").write_bytes(b"graph")
    (source / "environment.json").write_text(json.dumps({"CLASS_MAP": {"0": "cat"}}))
    (source / "notes.txt").write_text("mine")
    done = tool("import", source, tmp_path / "made", "--id", "pets", "--version", "3")
    assert (done["kind"], done["task"]) == ("original", "object-detection")
    assert done["not_taken"] == ["notes.txt: not part of the layout"]


def test_what_nobody_can_take(tool, tmp_path):
    source = tmp_path / "torch"
    source.mkdir()
    (source / "model.pt").write_bytes(b"torch")
    tool("import", source, tmp_path / "made", "--id", "x", fails="MODEL_FORMAT_UNKNOWN")


@pytest.fixture
def pushed(tool, folder, tmp_path):
    registry = f"file://{tmp_path}/registry"
    what = ["--id", "sum", "--version", "1", "--task", "tabular", "--family", "onnx"]
    tool("push", folder, registry, *what)
    return registry


def test_fetch_brings_a_package_whole(tool, pushed, tmp_path):
    done = tool("fetch", pushed, tmp_path / "got", "--model", "sum/latest")
    assert done["model"] == "sum/1"
    assert (tmp_path / "got/linear.onnx").read_bytes() == linear()
    with tarfile.open(tmp_path / "sum.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "got", "sum")
    assert tool("fetch", tmp_path / "sum.tar.gz", tmp_path / "again")["model"] == "sum/1"
    assert json.loads((tmp_path / "again/model.json").read_text())["id"] == "sum"


def test_fetch_of_what_is_not_there_or_not_whole(tool, pushed, tmp_path):
    tool("fetch", pushed, tmp_path / "got", "--model", "sum/2", fails="MODEL_NOT_FOUND")
    tool("fetch", pushed, tmp_path / "got", fails="MODEL_NOT_FOUND")
    tool("fetch", "ftp://x", tmp_path / "got", "--model", "a", fails="MODEL_REGISTRY_UNSUITABLE")
    tool("fetch", tmp_path / "no.tar.gz", tmp_path / "got", fails="MODEL_NOT_FOUND")
    (tmp_path / "registry/sum/1/linear.onnx").write_bytes(b"something else")
    tool("fetch", pushed, tmp_path / "got", "--model", "sum/1", fails="MODEL_PACKAGE_INVALID")
