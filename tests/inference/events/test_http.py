"""Requests in every dress that Lambda knows; field for field as AWS's pages show the events."""

import base64
import json
import subprocess
import sys

import pytest

from lambent_inference.events.http import is_request, normal

INFO = {"name", "version", "uuid", "server", "device"}


def rest_v1(path="/info", method="GET", body=None, **more):
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html"""
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"Host": "abc.execute-api.us-east-1.amazonaws.com", "X-Forwarded-Port": "443"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "path": f"/prod{path}",
            "stage": "prod",
            "identity": {"sourceIp": "192.0.2.1"},
        },
        "body": body,
        "isBase64Encoded": False,
        **more,
    }


def http_v2(path="/info", method="GET", body=None, stage="$default", **more):
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html"""
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "abc.execute-api.amazonaws.com"},
        "requestContext": {
            "stage": stage,
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "agent",
            },
        },
        "isBase64Encoded": False,
        **more,
    }
    return event if body is None else {**event, "body": body}


def load_balancer(path="/info", method="GET", body=""):
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html"""
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:…"}},
        "httpMethod": method,
        "path": path,
        "queryStringParameters": {},
        "headers": {"host": "lb.example.com", "content-type": "application/json"},
        "body": body,
        "isBase64Encoded": False,
    }


def function_url(path="/info", method="GET", body=None):
    """https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html"""
    event = http_v2(path, method, body)
    event["requestContext"] |= {"domainName": "id.lambda-url.us-east-1.on.aws", "authorizer": None}
    return event


DRESSES = {
    "REST v1": rest_v1,
    "HTTP v2": http_v2,
    "HTTP v2 with a stage": lambda path="/info", *a: http_v2(f"/prod{path}", *a, stage="prod"),
    "a stage that is not in the path": lambda path="/info", *a: http_v2(path, *a, stage="prod"),
    "function URL": function_url,
    "load balancer": load_balancer,
    "by hand": lambda path="/info", method="GET", body=None: {
        "httpMethod": method,
        "path": path,
        "body": body,
    },
}


@pytest.mark.parametrize("dress", DRESSES)
def test_every_dress_is_answered(client, dress):
    server = client()
    event = DRESSES[dress]
    answer = server.handler(event())
    assert answer["statusCode"] == 200
    assert set(json.loads(answer["body"])) == INFO
    added = server.handler(event("/model/add", "POST", json.dumps({"model_id": "coco/3"})))
    assert added["statusCode"] == 200, added
    assert json.loads(added["body"])["models"][0]["model_id"] == "coco/3"
    missing = server.handler(event("/nothing/here/at/all"))
    assert missing["statusCode"] == 404


def test_a_prefix_is_stripped_only_where_it_is_one(client):
    server = client(API_GATEWAY_BASE_PATH="models")
    for path in ("/models/info", "/info"):
        assert server.get(path).status == 200
    assert server.get("/modelsinfo").status == 404
    assert client().handler(http_v2("/production", stage="prod"))["statusCode"] == 404
    root = client().handler(http_v2("/prod", stage="prod"))
    assert "lambent inference" in root["body"]


def test_by_hand_with_an_object_a_query_and_nothing_else(client):
    server = client()
    body = {"text": "dog"}
    answer = server.handler({"httpMethod": "POST", "path": "/clip/embed_text", "body": body})
    assert json.loads(answer["body"])["embeddings"] == [[1.0, 1.0]]
    event = {"httpMethod": "GET", "path": "model/registry?api_key=k"}
    assert server.handler(event)["statusCode"] == 200
    query = {"queryStringParameters": {"model_id": "churn"}}
    schema = server.handler({"httpMethod": "GET", "path": "/infer/tabular/schema", **query})
    assert json.loads(schema["body"])["model_id"] == "churn"


def test_workflow_definition_is_another_name_by_hand_only():
    body = {"workflow_definition": {"version": "1.0"}, "inputs": {}}
    renamed = {"specification": {"version": "1.0"}, "inputs": {}}
    event = {"httpMethod": "POST", "path": "/workflows/run"}
    for given in (body, json.dumps(body)):
        assert json.loads(normal({**event, "body": given})["body"]) == renamed
    text = json.dumps(body)
    assert json.loads(normal(rest_v1("/workflows/run", "POST", text))["body"]) == body
    both = {**renamed, "workflow_definition": 1}
    assert json.loads(normal({**event, "body": both})["body"])["specification"] == {
        "version": "1.0"
    }


def test_bodies_in_base64(client):
    body = base64.b64encode(json.dumps({"text": "dog"}).encode()).decode()
    server = client()
    for event in (
        {**http_v2("/clip/embed_text", "POST", body), "isBase64Encoded": True},
        {**rest_v1("/clip/embed_text", "POST", body), "isBase64Encoded": True},
    ):
        assert server.handler(event)["statusCode"] == 200
        broken = server.handler({**event, "body": "%%%"})
        assert (broken["statusCode"], "base64" in broken["body"]) == (400, True)


def test_compressed_answers_are_base64(client):
    import gzip

    event = http_v2("/openapi.json", headers={"accept-encoding": "br, gzip"})
    answer = client().handler(event)
    assert answer["headers"]["content-encoding"] == "gzip"
    assert answer["isBase64Encoded"] is True
    assert json.loads(gzip.decompress(base64.b64decode(answer["body"])))["openapi"]
    assert "content-encoding" not in client().handler(http_v2("/openapi.json"))["headers"]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "[::1]:9000"},
        {"host": ""},
        {"host": "a:b"},
        {"x-forwarded-port": "many"},
        {"Host": "h", "X-Number": 3},
        None,
    ],
)
def test_headers_that_break_adapters(client, headers):
    for event in (
        http_v2(),
        rest_v1(multiValueHeaders=None),
        {"httpMethod": "GET", "path": "/info"},
    ):
        answer = client().handler({**event, "headers": headers})
        assert answer["statusCode"] == 200


@pytest.mark.parametrize(
    "event",
    [
        {"_warmup": True},
        {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
    ],
)
def test_pings_are_answered_without_work(client, event):
    server = client()
    assert server.handler(event) == {"statusCode": 200, "body": "warm"}
    assert not server.handler.service.made
    assert not server.handler.service.metrics.requests


@pytest.mark.parametrize("event", [{}, {"key": "value"}, {"httpMethod": 3, "path": "/"}])
def test_other_events_say_what_is_expected(client, event):
    assert not is_request(event)
    with pytest.raises(ValueError, match="httpMethod"):
        client().handler(event)
    with pytest.raises(TypeError):
        client().handler([event])


COPIED = """
import os
from lambent_inference import work
from lambent_inference.handler import handler

def answers():
    assert handler._loop.run_until_complete(work.run(sum, [1, 2])) == 3
    return handler({"httpMethod": "GET", "path": "/info"})["statusCode"] == 200

assert answers()
before = handler._loop
child = os.fork()
if child == 0:
    os._exit(0 if answers() and handler._loop is not before else 1)
assert os.waitpid(child, 0)[1] == 0, "the copy"
assert answers() and handler._loop is before, "the original goes on"
"""


def test_a_copied_process_gets_a_loop_and_threads_of_its_own():
    subprocess.run([sys.executable, "-W", "ignore", "-c", COPIED], check=True, timeout=60)
