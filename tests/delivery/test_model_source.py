"""Where a package lies: in the zip, or in a registry that the function reads itself."""

import functools
import http.server
import json
import tarfile
import threading

import pytest

from lambent.delivery import model_function, model_source
from lambent.delivery.compiling import packaging
from lambent.delivery.problem import Problem


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "registry/churn/1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"a graph")
    (folder / "warm_up.json").write_text('{"features": {"a": 1}}')
    facts = {"id": "churn", "version": "1"}
    packaging.write_manifest(folder, "model.onnx", facts, [{"name": "a"}], [])
    return folder


def resolve(model, registry, scratch, *, pack=False):
    return model_source.resolve(str(model), registry, scratch, pack=pack, endpoint_url=None)


def test_a_folder_is_taken_where_it_is_and_an_archive_unpacked(package, tmp_path):
    assert resolve(package, None, tmp_path) == model_source.Source(package)
    with tarfile.open(tmp_path / "churn.tgz", "w:gz") as tar:
        tar.add(package, "churn")
    source = resolve(tmp_path / "churn.tgz", None, tmp_path)
    assert source.registry is None
    assert (source.folder / "model.onnx").read_bytes() == b"a graph"


def test_a_model_of_a_folder_goes_into_the_zip(package, tmp_path):
    source = resolve("churn", f"file://{tmp_path}/registry", tmp_path)
    assert source.registry is None
    plan = model_function.plan(source, tmp_path / "function", "python3.13")
    assert plan.environment["MODEL_REGISTRY"] == "file:///var/task/model"
    assert plan.environment["PINNED_MODELS"] == "churn/1"
    assert plan.tags == {"lambent:sample-event": "model/warm_up.json"}
    assert (tmp_path / "function/model/model.onnx").is_file()
    assert plan.snap_start


def test_a_model_of_a_bucket_is_read_by_the_function(package, tmp_path):
    source = model_source.Source(package, "s3://models/team/")
    plan = model_function.plan(source, tmp_path / "function", "python3.13")
    assert plan.environment["MODEL_REGISTRY"] == "s3://models/team/"
    assert sorted(path.name for path in (tmp_path / "function/model").iterdir()) == ["warm_up.json"]
    (policy,) = plan.policies
    resources = [one["Resource"] for one in policy["Statement"]]
    assert resources == [["arn:aws:s3:::models/team/*"], ["arn:aws:s3:::models"]]
    assert model_source.Source(package, "https://host/models").policies == ()


@pytest.mark.slow
def test_an_archive_on_a_web_server_is_pinned_by_its_checksum(package, tmp_path):
    from lambent_inference.models.package import sha256

    with tarfile.open(tmp_path / "churn.tar.gz", "w:gz") as tar:
        tar.add(package, "churn")
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(quiet, directory=str(tmp_path))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/churn.tar.gz"
        source = resolve(f"{url}#sha256={sha256(tmp_path / 'churn.tar.gz')}", None, tmp_path)
        assert json.loads((source.folder / "model.json").read_text())["id"] == "churn"
        with pytest.raises(Problem) as caught:
            resolve(f"{url}#sha256={'0' * 64}", None, tmp_path / "other")
        assert caught.value.code == "MODEL_PACKAGE_INVALID"
    finally:
        server.shutdown()
        server.server_close()


def test_a_name_alone_leads_nowhere(tmp_path):
    with pytest.raises(Problem) as caught:
        resolve("churn/1", None, tmp_path)
    assert "--registry" in caught.value.fix


def test_a_native_package_brings_the_versions_it_was_made_with(package, tmp_path):
    (package / "compile.json").write_text(
        json.dumps({"libraries": ["sklearn", "xgboost"], "versions": {"scikit-learn": "1.5.2"}})
    )
    facts = json.loads((package / "model.json").read_text()) | {"model": "model.skops"}
    (package / "model.json").write_text(json.dumps(facts))
    model_function.plan(model_source.Source(package), tmp_path / "function", "python3.13")
    wanted = (tmp_path / "function/requirements.txt").read_text().splitlines()
    assert "scikit-learn==1.5.2" in wanted
    assert any(one.startswith("xgboost-cpu==") for one in wanted)
    assert not any(one.startswith("onnxruntime") for one in wanted)
