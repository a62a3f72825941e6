"""Answers as function URLs make them (LAMBDA.md 63), and requests that Mangum would take."""

import json
from datetime import UTC, datetime

import pytest

from lambent.delivery.http_event import Request, event, response
from lambent.delivery.problem import Problem

NOW = datetime(2026, 11, 21, 2, 6, 9, tzinfo=UTC)


def made(target: str = "/", **more) -> dict:
    request = Request(more.pop("method", "GET"), target, **more)
    return event(request, domain="f.lambda-url.us-east-1.on.aws", source_ip="127.0.0.1", now=NOW)


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (b'"hello"', b"hello"),
        (b"3", b"3"),
        (b"3.1", b"3.1"),
        (b"true", b"true"),
        (b'["hello",3,true]', b'["hello",3,true]'),
        (b'{"a": 1}', b'{"a": 1}'),
        (b"null", b"null"),
    ],
)
def test_what_has_no_status_is_json_and_200(payload: bytes, body: bytes) -> None:
    found = response(payload)
    assert (found.status, found.body) == (200, body)
    assert found.headers == {"content-type": "application/json"}


def test_a_status_may_be_text_and_headers_keep_their_values() -> None:
    found = response(
        b'{"statusCode": "418", "headers": {"X-N": 1, "Content-Type": "text/plain"}, "body": "b"}'
    )
    assert (found.status, found.body) == (418, b"b")
    assert found.headers == {"x-n": "1", "content-type": "text/plain"}


def test_bodies() -> None:
    assert response(b'{"statusCode": 204}').body == b""
    assert response(b'{"statusCode": 200, "body": {"a": 1}}').body == b'{"a": 1}'
    raw = b'{"statusCode": 200, "body": "/wA=", "isBase64Encoded": true}'
    assert response(raw).body == b"\xff\x00"


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "many"},
        {"statusCode": None},
        {"statusCode": 99},
        {"statusCode": 200, "headers": [1]},
        {"statusCode": 200, "cookies": "a"},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
    ],
)
def test_what_is_no_answer(answer: dict) -> None:
    with pytest.raises(Problem) as caught:
        response(json.dumps(answer).encode())
    assert caught.value.code == "ANSWER_NOT_HTTP"


def test_the_least_event() -> None:
    found = made()
    assert set(found) == {
        "version", "routeKey", "rawPath", "rawQueryString", "headers", "requestContext",
        "isBase64Encoded",
    }  # fmt: skip
    context = found["requestContext"]
    assert (context["domainPrefix"], context["stage"]) == ("f", "$default")
    assert (context["time"], context["timeEpoch"]) == (
        "21/Nov/2026:02:06:09 +0000", 1_795_226_769_000,
    )  # fmt: skip


def test_a_host_that_is_given_is_the_domain() -> None:
    found = made(headers=[("Host", "api.example.com")])
    assert found["headers"]["host"] == "api.example.com"
    assert found["requestContext"]["domainName"] == "api.example.com"


@pytest.mark.parametrize(
    ("content_type", "encoded"),
    [("application/json; charset=utf-8", False), ("text/plain", False), ("image/png", True),
     ("application/x-www-form-urlencoded", True), ("", True)],
)  # fmt: skip
def test_which_bodies_are_text(content_type: str, encoded: bool) -> None:
    found = made(method="POST", headers=[("content-type", content_type)], body=b"{}")
    assert found["isBase64Encoded"] is encoded
    assert found["body"] == ("e30=" if encoded else "{}")


def test_text_that_is_none_is_base64() -> None:
    found = made(method="POST", headers=[("content-type", "text/plain")], body=b"\xff")
    assert (found["body"], found["isBase64Encoded"]) == ("/w==", True)
