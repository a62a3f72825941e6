"""What needs no model: the server's own routes, and paths that are not there."""

import re
import subprocess
import sys

import pytest

from lambent_inference import __version__


def test_info(client):
    answer = client(INFERENCE_SERVER_ID="mine").get("/info")
    assert answer.status == 200
    assert answer.json() == {
        "name": "Roboflow Inference Server",
        "version": __version__,
        "uuid": "mine",
        "server": "lambent-inference",
        "device": "cpu",
    }


def test_the_device_is_where_models_really_run(client, monkeypatch):
    from msgspec.structs import replace

    from lambent_inference.routes import meta

    server = client()
    monkeypatch.setattr(meta, "expected_device", lambda: "cuda")
    assert server.get("/info").json()["device"] == "cuda"
    server.post("/model/add", {"model_id": "coco/3"})
    assert server.get("/info").json()["device"] == "cpu", "the runtime could not use it"
    loaded = server.models.loaded
    loaded["coco/3"] = replace(loaded["coco/3"], provider="cuda")
    assert server.get("/info").json()["device"] == "cuda"


def test_every_answer_has_an_id_of_its_own_or_the_one_it_was_given(client):
    server = client()
    first, second = server.get("/info"), server.get("/healthz")
    assert re.fullmatch("[0-9a-f]{32}", first.headers["x-request-id"])
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    given = server.send("GET", "/nowhere", headers={"x-request-id": "mine-1"})
    assert (given.status, given.headers["x-request-id"]) == (404, "mine-1")
    for unsafe in ("a b", "x" * 129, "é"):
        assert (
            server.send("GET", "/info", headers={"x-request-id": unsafe}).headers["x-request-id"]
            != unsafe
        )


def test_health_and_readiness(client):
    server = client()
    assert server.get("/healthz").json() == {"status": "healthy"}
    assert server.get("/readiness").json() == {"status": "ready"}


def test_metrics_count_by_route_and_status(client):
    server = client()
    server.get("/info")
    server.get("/info")
    line = 'lambent_inference_requests_total{route="/info",status="200"} 2'
    assert line in server.get("/metrics").text.splitlines()


def test_what_is_not_there(client):
    server = client()
    page = server.get("/nowhere/at/all/<script>")
    assert page.status == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "<script>" not in page.text
    for path in ("/nowhere", "/nowhere/at/all", "/infer/object_detection/", "/infer/a/b"):
        post = server.post(path, {})
        assert (post.status, post.json()) == (405, {"detail": "Method Not Allowed"}), path


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/infer/object_detection"), ("PUT", "/infer/object_detection"),
        ("GET", "/model/add"), ("POST", "/model/registry"), ("GET", "/clip/compare"),
    ],
)  # fmt: skip
def test_another_method_of_a_route(client, method, path):
    answer = client().send(method, path)
    assert (answer.status, answer.json()) == (405, {"detail": "Method Not Allowed"})
    assert answer.headers["allow"] == ("POST" if path != "/model/registry" else "GET")


@pytest.mark.parametrize("path", ["/static/x.js", "/_next/x.js", "/infer/other", "/model/other"])
def test_what_is_below_a_name_of_ours_is_no_model(client, path):
    answer = client().get(path)
    assert (answer.status, answer.json()) == (404, {"message": "There is no such route."})


def test_the_description_is_whole(client):
    paths = client().get("/openapi.json").json()["paths"]
    assert {"/info", "/healthz", "/readiness", "/metrics", "/model/add"} <= set(paths)
    schemas = client().get("/openapi.json").json()["components"]["schemas"]
    assert {"InferenceRequestImage", "ObjectDetectionInferenceRequest", "AddModelRequest"} <= set(
        schemas
    )
    assert client().get("/docs").status == 200


@pytest.mark.parametrize("path", ["/ocr/trocr", "/sam2/embed_image", "/infer/lmm/florence/1"])
def test_what_is_off_names_its_switch(client, path):
    answer = client().post(path, {})
    assert answer.status == 404
    assert answer.json()["switch"].endswith("_ENABLED")
    assert answer.json()["switch"] in answer.json()["message"]


@pytest.mark.parametrize(
    "path", ["/workflows/run", "/infer/workflows", "/infer/workflows/a/b", "/mine/workflows/w"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_workflows_say_that_they_are_not_in_this_version(client, path, method):
    answer = client().send(method, path)
    assert (answer.status, answer.json()) == (
        404,
        {"message": "Workflows are not in this version of the server."},
    )


def test_a_wrong_body_is_echoed_without_keys_and_without_pictures(client):
    answer = client().post("/model/add", {"api_key": "secret", "picture": "x" * 10_000})
    assert answer.status == 422
    (detail,) = answer.json()["detail"]
    assert (detail["type"], detail["loc"]) == ("missing", ["body", "model_id"])
    assert "secret" not in answer.text
    assert len(answer.text) < 1000


def test_pages_of_other_origins(client):
    origin = {"origin": "https://shop.example.com"}
    asked = {**origin, "access-control-request-method": "POST"}
    open_to_all = client()
    preflight = open_to_all.send("OPTIONS", "/infer/object_detection", headers=asked)
    assert preflight.status == 200
    answer = open_to_all.send("GET", "/info", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "X-Model-Id" in answer.headers["access-control-expose-headers"]
    mine = client(ALLOW_ORIGINS="https://shop.example.com")
    answer = mine.send("GET", "/info", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "https://shop.example.com"
    other = mine.send("GET", "/info", headers={"origin": "https://evil.example.com"})
    assert "access-control-allow-origin" not in other.headers
    none = client(ALLOW_ORIGINS="").send("GET", "/info", headers=origin)
    assert "access-control-allow-origin" not in none.headers


def test_opening_the_server_loads_no_model_runtime():
    """What cold starts depend on: none of these is imported, and there are few pydantic models."""
    code = """
import sys, lambent_inference.handler as h
assert h.handler({"httpMethod": "GET", "path": "/info"})["statusCode"] == 200
assert h.handler({"httpMethod": "GET", "path": "/model/registry"})["statusCode"] == 200
heavy = {"numpy", "onnxruntime", "PIL", "boto3", "botocore", "requests", "httpx", "torch", "cv2"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
import os, pydantic
assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
def below(cls):
    return {cls}.union(*map(below, cls.__subclasses__()))
ours = [m for m in below(pydantic.BaseModel) if m.__module__.startswith("lambent_inference")]
assert 10 < len(ours) <= 40, len(ours)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
