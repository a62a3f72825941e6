"""The inference server as a function here: by Invoke, with events of hand, of API Gateway and of URLs."""

import base64
import gzip
import hashlib
import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from scripts.package_inference import HANDLER, RUNTIME, package

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("inference-function"),
]


VARIABLES = {
    "INFERENCE_SERVER_ID": "mine",
    "MODEL_REGISTRY": "file:///var/task/models",
    "PRELOAD_MODELS": "shapes/1",
}


def detector(folder):
    """A YOLOv8-shaped package, `shapes/1`: one box of class b in the middle, whatever the picture."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Sub", ["mean", "mean"], ["zero"]),
        helper.make_node("Squeeze", ["zero", "axis"], ["flat"]),
        helper.make_node("Add", ["flat", "box"], ["output0"]),
    ]
    box = np.array([[[32.0], [32], [20], [10], [0.1], [0.9]]], np.float32)
    constants = [
        numpy_helper.from_array(box, "box"),
        numpy_helper.from_array(np.array([3]), "axis"),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 64, 64])
    output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["N", 6, 1])
    graph = helper.make_graph(nodes, "made", [images], [output], constants)
    opset = [helper.make_opsetid("", 13)]
    data = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    place = folder / "shapes/1"
    place.mkdir(parents=True)
    (place / "weights.onnx").write_bytes(data)
    digest = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    manifest = {
        "format": 1,
        "id": "shapes",
        "version": "1",
        "task": "object-detection",
        "family": "yolov8",
        "classes": ["a", "b"],
        "files": {"weights.onnx": digest},
    }
    (place / "model.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def function(tmp_path_factory, shared_runtimes, live_server):
    """The packaged server, its name and the platform that runs it."""
    data_dir = tmp_path_factory.mktemp("inference")
    (data_dir / "runtimes").symlink_to(shared_runtimes)
    server = live_server(data_dir, state_delay_s=0, zipped_limit_mb=250)
    server.client.create_function(
        FunctionName="vision",
        Runtime=RUNTIME,
        Handler=HANDLER,
        Role="arn:aws:iam::123456789012:role/test",
        Code={"ZipFile": package(detector(tmp_path_factory.mktemp("models")))},
        MemorySize=1769,
        Timeout=60,
        Environment={"Variables": VARIABLES},
    )
    server.active("vision")
    yield server
    assert server.stop() == 0, server.log_file.read_text()


def info(answer):
    assert answer["statusCode"] == 200, answer
    body = json.loads(answer["body"])
    assert (body["uuid"], body["device"]) == ("mine", "cpu")
    return answer


def test_by_invoke(function):
    answer = info(function.invoke("vision", {"httpMethod": "GET", "path": "/info"}))
    assert answer["headers"]["x-model-cold-start"] == "false"
    v2 = {
        "version": "2.0",
        "rawPath": "/prod/info",
        "headers": {"host": "abc.execute-api.us-east-1.amazonaws.com"},
        "requestContext": {
            "stage": "prod",
            "http": {"method": "GET", "path": "/prod/info", "sourceIp": "192.0.2.1"},
        },
    }
    info(function.invoke("vision", v2))
    assert function.invoke("vision", {"_warmup": True}) == {"statusCode": 200, "body": "warm"}
    report = function.client.invoke(
        FunctionName="vision", Payload=json.dumps(v2).encode(), LogType="Tail"
    )
    assert "Traceback" not in report["LogResult"]


def url_event(method, path, body=None, **headers):
    """As a function URL makes it: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html"""
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"}
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "id.lambda-url.us-east-1.on.aws", **headers},
        "requestContext": {"stage": "$default", "domainName": "id.on.aws", "http": http},
        "isBase64Encoded": False,
    }
    return event if body is None else {**event, "body": json.dumps(body)}


def test_as_a_function_url_would_ask(function):
    info(function.invoke("vision", url_event("GET", "/info")))
    accepted = {"accept-encoding": "gzip"}
    packed = function.invoke("vision", url_event("GET", "/openapi.json", **accepted))
    assert (packed["headers"]["content-encoding"], packed["isBase64Encoded"]) == ("gzip", True)
    assert json.loads(gzip.decompress(base64.b64decode(packed["body"])))["openapi"]
    body = {"model_id": "nobodys/9", "image": {"type": "base64", "value": "!"}}
    json_body = {"content-type": "application/json"}
    event = url_event("POST", "/infer/object_detection", body, **json_body)
    refused = function.invoke("vision", event)
    assert refused["statusCode"] == 400
    assert json.loads(refused["body"])["message"].startswith("Could not load input image.")


@pytest.fixture(scope="module")
def picture():
    stream = io.BytesIO()
    Image.new("RGB", (128, 64), (9, 9, 9)).save(stream, "PNG")
    return {"type": "base64", "value": base64.b64encode(stream.getvalue()).decode()}


def test_a_model_answers(function, picture):
    body = {"model_id": "shapes/1", "image": picture}
    answer = function.invoke(
        "vision", {"httpMethod": "POST", "path": "/infer/object_detection", "body": body}
    )
    assert answer["statusCode"] == 200, answer
    (box,) = json.loads(answer["body"])["predictions"]
    assert (box["x"], box["width"], box["class"]) == (64.0, 40.0, "b")
    assert answer["headers"]["x-model-cold-start"] == "false", "it was loaded in Init"
    assert answer["headers"]["x-model-version"] == "1"


def test_a_prediction_leaves_a_line_for_metrics(function, picture, until):
    body = {"model_id": "shapes/1", "image": picture, "api_key": "a-secret-key"}
    event = {"httpMethod": "POST", "path": "/infer/object_detection", "body": body}
    function.invoke("vision", event)
    lines = until(lambda: [one for one in function.log("vision") if '"_aws"' in one])
    line = json.loads(lines[0])
    assert (line["Model"], line["TopConfidence"]) == ("shapes/1", pytest.approx(0.9))
    assert "a-secret-key" not in "".join(function.log("vision"))


def test_records_of_a_queue(function, picture):
    bodies = {"1": {"image": 3}, "2": {"image": picture, "model_id": "shapes/1"}}
    records = [
        {"messageId": name, "eventSource": "aws:sqs", "body": json.dumps(body)}
        for name, body in bodies.items()
    ]
    returned = function.invoke("vision", {"Records": records})
    assert returned["batchItemFailures"] == [{"itemIdentifier": "1"}]
    (result,) = returned["results"]
    assert len(result["answer"]["predictions"]) == 1


CLIENT = """
import json, sys, warnings
warnings.simplefilter("ignore")
from inference_sdk import InferenceHTTPClient
url, picture = sys.argv[1:]
client = InferenceHTTPClient(api_url=url, api_key="k")
found = [client.get_server_info().uuid, client.infer(picture, model_id="shapes/1")]
found += [[one["image"]["width"] for one in client.infer([picture, picture], model_id="shapes/1")]]
found += [[one.model_id for one in client.list_loaded_models().models]]
client.unload_all_models()
found += [[one.model_id for one in client.load_model("shapes/1").models]]
print(json.dumps(found))
"""


def test_the_public_client_through_the_url(function, picture, tmp_path):
    venv = ROOT / ".cache/inference-client"
    try:
        subprocess.run([ROOT / "scripts/inference_client", venv], check=True, timeout=250)
    except subprocess.CalledProcessError:
        pytest.skip("inference-sdk cannot be installed: the package index cannot be reached")
    config = function.client.create_function_url_config(FunctionName="vision", AuthType="NONE")
    for action in ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction"):
        function.client.add_permission(
            FunctionName="vision",
            StatementId=action.partition(":")[2],
            Action=action,
            Principal="*",
            **({"FunctionUrlAuthType": "NONE"} if action.endswith("Url") else {}),
        )
    (tmp_path / "picture.png").write_bytes(base64.b64decode(picture["value"]))
    command = [venv / "bin/python", "-c", CLIENT, config["FunctionUrl"].rstrip("/")]
    done = subprocess.run(
        [*command, tmp_path / "picture.png"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    uuid, one, many, listed, loaded = json.loads(done.stdout.splitlines()[-1])
    assert uuid == "mine"
    assert [(box["x"], box["class"]) for box in one["predictions"]] == [(64.0, "b")]
    assert (many, listed, loaded) == ([128, 128], ["shapes/1"], ["shapes/1"])


@pytest.mark.usefixtures("forks")
@pytest.mark.parametrize("memory_mb", [1769, 4096])
def test_its_snapshots_are_forked_whatever_threads_preloading_used(function, memory_mb):
    configuration = {"MemorySize": memory_mb, "SnapStart": {"ApplyOn": "PublishedVersions"}}
    function.client.update_function_configuration(FunctionName="vision", **configuration)
    function.active("vision")
    version = function.client.publish_version(FunctionName="vision")["Version"]
    qualified = {"FunctionName": "vision", "Qualifier": version}
    waiter = function.client.get_waiter("published_version_active")
    waiter.wait(**qualified, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
    shown = function.client.get_function_configuration(**qualified)
    assert (shown.get("StateReason"), shown["SnapStart"]["OptimizationStatus"]) == (None, "On")
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), (9, 9, 9)).save(picture, "PNG")
    image = {"type": "base64", "value": base64.b64encode(picture.getvalue()).decode()}
    body = {"model_id": "shapes/1", "image": image, "api_key": "k"}
    event = url_event("POST", "/infer/object_detection", body)
    for _ in range(2):
        answer = function.invoke("vision", event, Qualifier=version)
        assert answer["statusCode"] == 200, answer
        assert [each["class"] for each in json.loads(answer["body"])["predictions"]] == ["b"]
    function.client.delete_function(**qualified)
