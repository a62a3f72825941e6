"""What functions return, as HTTP: LAMBDA.md 63 and AWS's pages on the three gateways."""

import base64
import json

import pytest

from lambent.gateway.answer import AnswerError, answer_alb, answer_v1, answer_v2


def of(make, value, **options):
    answer = make(json.dumps(value).encode(), **options)
    return (
        answer.status,
        {name.decode().lower(): v.decode() for name, v in answer.fields},
        answer.body,
    )


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ({"a": 1}, b'{"a": 1}'),
        ("hello", b"hello"),
        (3, b"3"),
        (3.1, b"3.1"),
        (True, b"true"),
        (None, b"null"),
        (["hello", 3, True], b'["hello", 3, true]'),
        ({"body": "x"}, b'{"body": "x"}'),
    ],
)
def test_anything_without_a_status_is_a_body(value, body):
    assert of(answer_v2, value) == (200, {"content-type": "application/json"}, body)


def test_a_response_object():
    status, fields, body = of(
        answer_v2,
        {
            "statusCode": "418",
            "headers": {"X-Number": 7, "X-True": True, "content-type": "text/html"},
            "cookies": ["a=1", "b=2; Secure"],
            "body": base64.b64encode(b"\x00\xff").decode(),
            "isBase64Encoded": True,
        },
    )
    assert (status, body) == (418, b"\x00\xff")
    assert fields == {
        "x-number": "7",
        "x-true": "true",
        "content-type": "text/html",
        "set-cookie": "b=2; Secure",
    }


def test_no_body_is_an_empty_one():
    assert of(answer_v2, {"statusCode": 204}) == (204, {"content-type": "application/json"}, b"")


@pytest.mark.parametrize(
    "value",
    [
        {"statusCode": "many"},
        {"statusCode": None},
        {"statusCode": True},
        {"statusCode": 99},
        {"statusCode": 100},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": {}}},
        {"statusCode": 200, "headers": {"a": "b\r\nset-cookie: c=1"}},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "cookies": ["a\nb"]},
        {"statusCode": 200, "body": "no base64!", "isBase64Encoded": True},
    ],
)
@pytest.mark.parametrize("make", [answer_v2])
def test_what_is_malformed(make, value):
    with pytest.raises(AnswerError):
        of(make, value)


def test_a_rest_api_wants_an_object_and_knows_lists_of_values():
    status, fields, body = of(
        answer_v1,
        {
            "statusCode": 201,
            "headers": {"A": "one", "B": "two"},
            "multiValueHeaders": {"a": ["x"]},
            "body": "t",
        },
    )
    assert (status, body) == (201, b"t")
    assert fields == {"b": "two", "a": "x", "content-type": "application/json"}
    for value in ("hello", [1], {"statusCode": 200, "multiValueHeaders": {"a": "x"}}):
        with pytest.raises(AnswerError):
            of(answer_v1, value)


def test_a_load_balancer_reads_the_form_of_its_group():
    value = {
        "statusCode": 200,
        "headers": {"a": "1"},
        "multiValueHeaders": {"b": ["2", "3"]},
        "body": "",
    }
    assert of(answer_alb, value)[1] == {"a": "1"}
    assert answer_alb(json.dumps(value).encode(), multi_value=True).fields == [
        (b"b", b"2"),
        (b"b", b"3"),
    ]
    with pytest.raises(AnswerError):
        of(answer_alb, {"body": "no status"})
