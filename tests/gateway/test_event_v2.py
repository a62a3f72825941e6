"""Payload format 2.0, field by field, and as Mangum reads it."""

import base64
import json

import pytest
from mangum.handlers import HTTPGateway
from mangum.types import LambdaConfig

from lambent.gateway.event_v2 import Frame, event_v2, log_time


def event(request, frame=None):
    return json.loads(event_v2(request, frame or Frame("abc")))


def test_a_request_with_everything(request_of):
    request = request_of(
        "POST",
        "/pa2%Fth/1",
        query="multi=foo&multi=%2Fbar&empty=&plus=a+b",
        fields=[
            ("host", "abc.lambda-url.us-east-1.localhost:9000"),
            ("x-two", "1"),
            ("cookie", "a=1; b=2"),
            ("x-two", "2"),
            ("content-type", "text/plain"),
            ("user-agent", "curl/8"),
        ],
        body="é".encode(),
    )
    found = event(request)
    assert found["rawPath"] == "/pa2%Fth/1"
    assert found["rawQueryString"] == "multi=foo&multi=%2Fbar&empty=&plus=a+b"
    assert found["queryStringParameters"] == {"multi": "foo,/bar", "empty": "", "plus": "a b"}
    assert found["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in found["headers"]
    assert found["headers"]["x-two"] == "1,2"
    assert (found["body"], found["isBase64Encoded"]) == ("é", False)
    context = found["requestContext"]
    assert context["http"] == {
        "method": "POST",
        "path": "/pa2%Fth/1",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "curl/8",
    }
    assert context["accountId"] == "anonymous"
    assert context["apiId"] == context["domainPrefix"] == "abc"
    assert context["time"] == "04/Mar/2020:19:03:58 +0000"
    assert context["timeEpoch"] == 1_583_348_638_390


def test_what_a_request_does_not_have_is_left_out(request_of):
    found = event(request_of())
    assert not {"cookies", "body", "queryStringParameters", "pathParameters"} & set(found)
    assert found["isBase64Encoded"] is False
    assert "authorizer" not in found["requestContext"]


@pytest.mark.parametrize(
    ("content_type", "encoding", "body", "is_base64"),
    [
        ("text/html; charset=utf-8", None, b"<p>", False),
        ("application/json", None, b"{}", False),
        ("application/problem+json", None, b"{}", False),
        ("application/xml", None, b"<a/>", False),
        ("application/x-www-form-urlencoded", None, b"a=1", True),
        ("multipart/form-data; boundary=x", None, b"--x--", True),
        ("image/png", None, b"\x89PNG", True),
        (None, None, b"hello", True),
        ("application/json", "gzip", b"\x1f\x8b", True),
        ("text/plain", None, b"\xff\xfe", True),
    ],
)
def test_which_bodies_are_text(request_of, content_type, encoding, body, is_base64):
    fields = [("content-type", content_type)] if content_type else []
    fields += [("content-encoding", encoding)] if encoding else []
    found = event(request_of("POST", fields=fields, body=body))
    assert found["isBase64Encoded"] is is_base64
    assert (base64.b64decode(found["body"]) if is_base64 else found["body"].encode()) == body


def test_an_http_api_has_a_route_and_a_stage(request_of):
    frame = Frame(
        "api",
        account="123456789012",
        authorizer={"lambda": {"who": "me"}},
        stage="prod",
        route_key="GET /items/{id}",
        path_parameters={"id": "7"},
    )
    found = event(request_of(path="/prod/items/7"), frame)
    assert found["routeKey"] == found["requestContext"]["routeKey"] == "GET /items/{id}"
    assert found["pathParameters"] == {"id": "7"}
    assert found["requestContext"]["stage"] == "prod"
    assert found["requestContext"]["authorizer"] == {"lambda": {"who": "me"}}


def test_mangum_reads_it_back(request_of):
    request = request_of(
        "PUT",
        "/a/b",
        query="x=1&x=2",
        fields=[("host", "h:1"), ("cookie", "a=1"), ("content-type", "image/png")],
        body=bytes(range(256)),
    )
    config = LambdaConfig(api_gateway_base_path="/", text_mime_types=[], exclude_headers=[])
    scope = HTTPGateway(event(request), object(), config)
    assert scope.body == request.body
    assert scope.scope["method"] == "PUT"
    assert scope.scope["path"] == "/a/b"
    assert scope.scope["query_string"] == b"x=1&x=2"
    assert dict(scope.scope["headers"])[b"cookie"] == b"a=1"


def test_times_are_english_whatever_the_locale():
    assert log_time(0) == "01/Jan/1970:00:00:00 +0000"
