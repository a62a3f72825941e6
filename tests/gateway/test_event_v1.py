"""Payload format 1.0 and the load balancer's event."""

import json

from mangum.handlers import ALB, APIGateway
from mangum.types import LambdaConfig

from lambent.gateway.event_alb import TargetGroup, event_alb
from lambent.gateway.event_v1 import RestFrame, event_v1

FRAME = RestFrame("api", "123456789012", "/{proxy+}", "prod", {"proxy": "a b"}, base_path="/prod")
CONFIG = LambdaConfig(api_gateway_base_path="/", text_mime_types=[], exclude_headers=[])


def test_every_value_is_there_once_and_all_together(request_of):
    request = request_of(
        path="/a%20b",
        query="x=1&x=2&y=",
        fields=[("host", "h"), ("x-two", "1"), ("x-two", "2"), ("user-agent", "curl/8")],
    )
    found = json.loads(event_v1(request, FRAME))
    assert found["path"] == "/a b"
    assert found["headers"]["X-Two"] == "2"
    assert found["multiValueHeaders"]["X-Two"] == ["1", "2"]
    assert found["queryStringParameters"] == {"x": "2", "y": ""}
    assert found["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": [""]}
    assert found["pathParameters"] == {"proxy": "a b"}
    assert found["requestContext"]["path"] == "/prod/a b"
    assert found["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert found["requestContext"]["identity"]["userAgent"] == "curl/8"
    assert "version" not in found


def test_what_is_missing_is_null(request_of):
    frame = RestFrame("api", "123456789012", "/", "prod", version="1.0")
    found = json.loads(event_v1(request_of(), frame))
    for name in ("queryStringParameters", "pathParameters", "stageVariables", "body"):
        assert found[name] is None
    assert found["version"] == "1.0"


def test_mangum_reads_the_rest_event_back(request_of):
    request = request_of(
        "POST", "/a", query="x=1", fields=[("content-type", "text/plain")], body=b"t"
    )
    event = json.loads(event_v1(request, FRAME))
    assert APIGateway.infer(event, object(), CONFIG)
    read = APIGateway(event, object(), CONFIG)
    assert (read.body, read.scope["path"], read.scope["query_string"]) == (b"t", "/a", b"x=1")


def test_a_load_balancer_leaves_the_query_encoded(request_of):
    request = request_of(query="q=a%20b&q=c", fields=[("x-two", "1"), ("x-two", "2")])
    one = json.loads(event_alb(request, TargetGroup("arn:tg")))
    assert one["queryStringParameters"] == {"q": "c"}
    assert one["headers"] == {"x-two": "2"}
    assert (one["body"], one["isBase64Encoded"]) == ("", False)
    many = json.loads(event_alb(request, TargetGroup("arn:tg", multi_value=True)))
    assert many["multiValueQueryStringParameters"] == {"q": ["a%20b", "c"]}
    assert many["multiValueHeaders"] == {"x-two": ["1", "2"]}
    assert ALB.infer(one, object(), CONFIG)
    assert ALB(many, object(), CONFIG).scope["query_string"] == b"q=a+b&q=c"
