import json
import re
import socket
import urllib.request

import botocore.exceptions
import pytest

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def refused(call, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    return (
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"]["Code"],
        response["Error"]["Message"],
    )


def test_an_operation_answers_boto3(door):
    answer = door.client().get_function(FunctionName="f")
    assert (
        answer["Configuration"]["FunctionArn"] == "arn:aws:lambda:us-east-1:123456789012:function:f"
    )
    assert UUID.fullmatch(answer["ResponseMetadata"]["RequestId"])


def test_account_and_region_come_from_the_credential(door):
    answer = door.client(key="111122223333", region="eu-west-3").get_function(FunctionName="f")
    assert (
        answer["Configuration"]["FunctionArn"] == "arn:aws:lambda:eu-west-3:111122223333:function:f"
    )


def test_without_credentials_the_servers_own_hold(door):
    status, headers, body = door.request("GET", "/2015-03-31/functions/f")
    assert status == 200
    assert UUID.fullmatch(headers["x-amzn-requestid"])
    assert json.loads(body)["Configuration"]["FunctionArn"].startswith(
        "arn:aws:lambda:us-east-1:123456789012"
    )


def test_errors_are_answered_as_aws_does(door):
    client = door.client()
    assert refused(client.get_function, FunctionName="unknown") == (
        404,
        "ResourceNotFoundException",
        "Function not found: 123456789012:us-east-1:unknown",
    )
    status, code, message = refused(client.get_function, FunctionName="a b")
    assert (status, code) == (400, "ValidationException")
    assert message.startswith("1 validation error detected: Value 'a b' at 'functionName' failed")
    assert refused(client.list_tags, Resource="x") == (
        501,
        "NotImplementedException",
        "ListTags is not available in this version of lambent",
    )


def test_our_own_mistakes_are_told_to_the_log_alone(door, server_log):
    status, code, message = refused(door.client().get_function, FunctionName="broken")
    assert (status, code) == (500, "ServiceException")
    assert "mistake" not in message
    record = json.loads(server_log.getvalue().splitlines()[-1])
    assert (record["event"], record["operation"]) == ("operation.failed", "GetFunction")
    assert "a mistake of ours" in record["exception"]


def test_an_unknown_path_or_method(door):
    for method, path in (("GET", "/nothing"), ("PATCH", "/2015-03-31/functions/f")):
        status, headers, body = door.request(method, path)
        assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")
        assert "Type" not in json.loads(body)
        assert UUID.fullmatch(headers["x-amzn-requestid"])


def test_a_body_that_is_not_json(door):
    status, headers, _ = door.request("POST", "/2015-03-31/functions", b"{")
    assert (status, headers["x-amzn-errortype"]) == (400, "SerializationException")


def test_a_large_body_is_read_off_the_loop(door):
    code = b"z" * 3_000_000
    answer = door.client().create_function(
        FunctionName="f", Role="arn:aws:iam::123456789012:role/r", Code={"ZipFile": code}
    )
    assert answer["CodeSize"] == len(code)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201


def test_a_request_that_is_too_large_is_refused_by_its_head(door):
    head = (
        b"POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nContent-Length: 70167212\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as sock:
        sock.sendall(head)
        answer = b""
        while part := sock.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"RequestEntityTooLargeException" in answer
    assert (
        b'{"message":"Request must be smaller than 70167211 bytes for the CreateFunction operation"}'
        in answer
    )


def test_the_location_of_the_code_is_a_working_link(door):
    location = door.client().get_function(FunctionName="f")["Code"]["Location"]
    assert location == f"{door.url}/_code/token"
    with urllib.request.urlopen(location) as answer:
        assert answer.read() == b"PK" * 400_000
    status, headers, body = door.request("HEAD", "/_code/token")
    assert (status, headers["content-length"], body) == (200, "800000", b"")
    assert door.request("GET", "/_code/other")[0] == 404
    assert door.request("POST", "/_code/token")[0] == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example:9000", "Origin": "http://evil.example:9000"},
        {"Host": "evil.example:9000", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_web_pages_of_other_origins_are_refused(door, headers):
    assert door.request("GET", "/2015-03-31/functions/f", headers=headers)[0] == 403
    assert door.request("POST", "/2015-03-31/functions/f/invocations", b"{}", headers)[0] == 403


def test_our_own_pages_are_not(door):
    own = {"Origin": f"http://127.0.0.1:{door.port}", "Sec-Fetch-Site": "same-origin"}
    assert door.request("GET", "/2015-03-31/functions/f", headers=own)[0] == 200


# Signatures


def test_a_signed_request_is_let_in_and_acts_for_its_key(locked_door):
    answer = locked_door.client(key="111122223333", secret="other").get_function(FunctionName="f:1")
    assert ":111122223333:" in answer["Configuration"]["FunctionArn"]
    assert locked_door.client(token="session").get_function(FunctionName="f")
    location = "arn:aws:lambda:us-east-1:123456789012:function:f"
    answer = locked_door.client().invoke(FunctionName=location, Qualifier="$LATEST", Payload=b"[1]")
    assert answer["Payload"].read() == b"[1]"


def test_a_large_signed_payload(locked_door):
    payload = json.dumps("x" * 6_000_000).encode()
    assert (
        locked_door.client().invoke(FunctionName="f", Payload=payload)["Payload"].read() == payload
    )


@pytest.mark.parametrize(
    ("key", "secret", "code", "text"),
    [
        (
            "AKIDEXAMPLE",
            "wrong",
            "InvalidSignatureException",
            "The request signature we calculated does not match",
        ),
        (
            "AKIDOTHER",
            "secret",
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
    ],
)
def test_other_signatures_are_not(locked_door, key, secret, code, text):
    client = locked_door.client(key=key, secret=secret)
    for call in (
        lambda: client.get_function(FunctionName="f"),
        lambda: client.invoke(FunctionName="f", Payload=b"{}"),
        lambda: client.invoke(FunctionName="f", Payload=json.dumps("x" * 400_000)),
    ):
        status, found, message = refused(call)
        assert (status, found) == (403, code)
        assert message.startswith(text)
    assert locked_door.engine.seen == [] or all(i.name == "f" for i in locked_door.engine.seen)


def test_without_a_signature_nothing_is_let_in(locked_door):
    for method, path in (
        ("GET", "/2015-03-31/functions/f"),
        ("POST", "/2015-03-31/functions/f/invocations"),
    ):
        status, headers, body = locked_door.request(method, path, b"{}")
        assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")
        assert json.loads(body) == {"message": "Missing Authentication Token"}
