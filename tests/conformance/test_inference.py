"""The inference server as a function here: by Invoke, with events of hand, of API Gateway and of URLs."""

import base64
import gzip
import json

import pytest
from scripts.package_inference import HANDLER, RUNTIME, package

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("inference-function"),
]


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
        Code={"ZipFile": package()},
        MemorySize=1769,
        Timeout=60,
        Environment={"Variables": {"INFERENCE_SERVER_ID": "mine"}},
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


def test_records_of_a_queue(function):
    """There is no model and no picture: the message comes again, and the function itself is well."""
    record = {"messageId": "1", "eventSource": "aws:sqs", "body": json.dumps({"image": 3})}
    returned = function.invoke("vision", {"Records": [record]})
    assert returned == {"batchItemFailures": [{"itemIdentifier": "1"}], "results": []}
