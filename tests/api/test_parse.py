import base64
from datetime import UTC, datetime

import pytest

from lambent.api.parse import parse
from lambent.api.route import Router
from lambent.errors import SerializationException


@pytest.fixture(scope="module")
def read(service):
    router = Router(service)

    def read(method, path, query=b"", body=b"", **headers):
        named = {k.replace("_", "-").encode(): v.encode() for k, v in headers.items()}
        return parse(router.match(method, path, query), named.get, body)

    return read


CREATE = ("POST", "/2015-03-31/functions")


def test_members_from_path_query_header_and_body(read):
    found = read(
        "POST",
        "/2015-03-31/functions/my%3Af/invocations",
        b"Qualifier=v%201&Other=x",
        b"\x00raw",
        x_amz_log_type="Tail",
    )
    assert found == {
        "FunctionName": "my:f",
        "Qualifier": "v 1",
        "LogType": "Tail",
        "Payload": b"\x00raw",
    }


def test_lists_booleans_numbers_and_times_of_a_query(read):
    found = read(
        "GET",
        "/2025-12-01/functions/f/durable-executions",
        b"Statuses=RUNNING&Statuses=FAILED&ReverseOrder=true&MaxItems=7&StartedAfter=2026-01-31T12%3A00%3A00Z",
    )
    assert found["Statuses"] == ["RUNNING", "FAILED"]
    assert found["ReverseOrder"] is True
    assert found["MaxItems"] == 7
    assert found["StartedAfter"] == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_blobs_are_base64_and_unknown_members_and_nulls_are_absent(read):
    body = (
        b'{"FunctionName":"f","Code":{"ZipFile":"%s","New":1},"Tags":null,"Nobody":[{}]}'
        % base64.b64encode(b"zip")
    )
    assert read(*CREATE, body=body) == {"FunctionName": "f", "Code": {"ZipFile": b"zip"}}


def test_an_empty_body_has_no_members(read):
    assert read(*CREATE, body=b"  ") == {}
    assert read(*CREATE, body=b"null") == {}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"MemorySize":"128"}', "STRING_VALUE can not be converted to an Integer"),
        (b'{"MemorySize":1.5}', "DECIMAL_VALUE can not be converted to an Integer"),
        (b'{"MemorySize":true}', "TRUE_VALUE can not be converted to an Integer"),
        (b'{"FunctionName":3}', "NUMBER_VALUE can not be converted to a String"),
        (b'{"Publish":"true"}', "STRING_VALUE can not be converted to a Boolean"),
        (b'{"FunctionName":{}}', "Start of structure or map found where not expected."),
        (b'{"FunctionName":[]}', "Start of list found where not expected"),
        (b'{"Layers":"a"}', "Expected list or null"),
        (b'{"Layers":[["a"]]}', "Start of list found where not expected"),
        (b'{"Environment":3}', "Expected map or null"),
        (b'{"Code":{"ZipFile":"!"}}', "STRING_VALUE can not be converted to a Blob"),
        (b"[]", "Start of list found where not expected"),
        (b"{", "Could not parse request body into json"),
        (b'{"FunctionName":"\xff"}', "Could not parse request body into json"),
        (b"[" * 100_000, "Could not parse request body into json"),
        (b'{"MemorySize":' + b"9" * 40 + b"}", "NUMBER_VALUE can not be converted to an Integer"),
    ],
)
def test_what_cannot_be_read_is_a_serialization_error(read, body, text):
    with pytest.raises(SerializationException) as caught:
        read(*CREATE, body=body)
    assert text in caught.value.message


@pytest.mark.parametrize(
    "query", [b"MaxItems=ten", b"MaxItems=1_0", b"MaxItems=%D9%A1", b"MaxItems="]
)
def test_a_number_in_a_query_is_ascii_digits(read, query):
    with pytest.raises(SerializationException, match="can not be converted to an Integer"):
        read("GET", CREATE[1], query)
