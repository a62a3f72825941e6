import base64
import json
import re
import socket
import subprocess
import threading

import pytest

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


def test_request_response(door):
    answer = door.client().invoke(FunctionName="f", Payload=b'{"a": 1}')
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert answer["Payload"].read() == b'{"a": 1}'
    assert "FunctionError" not in answer
    assert "LogResult" not in answer
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["content-type"] == "application/json"
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Sampled=0", headers["x-amzn-trace-id"])
    invocation = door.engine.seen[-1]
    assert invocation.request_id == answer["ResponseMetadata"]["RequestId"]
    assert (invocation.account, invocation.region) == ("123456789012", "us-east-1")
    assert invocation.source == "sync"


def test_plain_curl(door):
    url = f"{door.url}/2015-03-31/functions/f/invocations"
    done = subprocess.run(
        ["curl", "-sS", "-d", '{"x":1}', url], capture_output=True, timeout=60, check=True
    )
    assert done.stdout == b'{"x":1}'


def test_no_payload_is_an_empty_object(door):
    assert door.client().invoke(FunctionName="f")["Payload"].read() == b"{}"


def test_an_error_of_the_function_and_the_log(door):
    answer = door.client().invoke(FunctionName="fails", LogType="Tail")
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert base64.b64decode(answer["LogResult"]) == b"START\nEND\n"


def test_dry_run(door):
    seen = len(door.engine.seen)
    answer = door.client().invoke(FunctionName="f", InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    assert answer["Payload"].read() == b""
    assert "ExecutedVersion" not in answer
    assert len(door.engine.seen) == seen
    status, _, body = door.invoke("unknown", x_amz_invocation_type="DryRun")
    assert (status, body["Message"]) == (404, f"Function not found: {ARN[:-1]}unknown:$LATEST")


def test_an_event_is_accepted_when_it_is_kept(door):
    answer = door.client().invoke(FunctionName="f:live", InvocationType="Event", Payload=b"[1]")
    assert answer["StatusCode"] == 202
    assert answer["Payload"].read() == b""
    event = door.engine.accepted[-1]
    assert (event["name"], event["qualifier"], event["payload"]) == ("f", "live", b"[1]")
    assert event["request_id"] == answer["ResponseMetadata"]["RequestId"]
    assert door.invoke("unknown", x_amz_invocation_type="Event")[0] == 404


def test_an_unknown_function(door):
    status, headers, body = door.invoke("unknown")
    assert (status, headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException")
    assert body == {"Type": "User", "Message": f"Function not found: {ARN[:-1]}unknown:$LATEST"}


def test_a_throttle(door):
    status, _, body = door.invoke("busy")
    assert status == 429
    assert body == {
        "Type": "User",
        "Reason": "ConcurrentInvocationLimitExceeded",
        "message": "Rate Exceeded.",
    }


@pytest.mark.parametrize(
    ("name", "query", "expected"),
    [
        ("f", "", None),
        ("f:2", "", "2"),
        ("f", "?Qualifier=live", "live"),
        ("f:live", "?Qualifier=live", "live"),
        ("function:f", "", None),
        ("123456789012:function:f:7", "", "7"),
        (ARN, "", None),
        (ARN.replace(":", "%3A") + "%3A%24LATEST", "", "$LATEST"),
    ],
)
def test_names_arns_and_qualifiers(door, name, query, expected):
    for _ in range(2):  # the second time from the cache
        assert door.invoke(name, query=query)[0] == 200
        invocation = door.engine.seen[-1]
        assert (invocation.name, invocation.qualifier) == ("f", expected)


def test_an_incomplete_arn_is_a_function_called_function(door):
    assert door.invoke("arn:aws:lambda:us-east-1:123456789012:function")[0] == 200
    assert door.engine.seen[-1].name == "function"


def test_qualifiers_that_differ(door):
    status, headers, body = door.invoke("f:1", query="?Qualifier=2")
    assert (status, headers["x-amzn-errortype"]) == (400, "InvalidParameterValueException")
    assert body["message"] == (
        "The derived qualifier from the function name does not match the specified qualifier."
    )


def test_another_region_and_another_account(door):
    status, _, body = door.invoke("arn:aws:lambda:eu-west-1:123456789012:function:f")
    assert status == 404
    assert (
        body["Message"]
        == "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    )
    status, headers, body = door.invoke("arn:aws:lambda:us-east-1:999999999999:function:f")
    assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert (
        "lambda:InvokeFunction on resource: arn:aws:lambda:us-east-1:999999999999:function:f"
        in body["message"]
    )


@pytest.mark.parametrize(
    ("name", "headers", "at"),
    [
        ("a%20b", {}, "functionName"),
        ("n" * 171, {}, "functionName"),
        ("f", {"x_amz_invocation_type": "Later"}, "invocationType"),
        ("f", {"x_amz_log_type": "All"}, "logType"),
        ("f", {"x_amz_tenant_id": "<>"}, "tenantId"),
    ],
)
def test_what_the_model_forbids(door, name, headers, at):
    status, found, body = door.invoke(name, **headers)
    assert (status, found["x-amzn-errortype"]) == (400, "ValidationException")
    assert f"at '{at}' failed to satisfy constraint" in body["message"]


def test_a_payload_that_is_not_json(door):
    status, headers, body = door.invoke("f", b'"\x87"')
    assert (status, headers["x-amzn-errortype"]) == (400, "InvalidRequestContentException")
    assert body == {
        "Type": "User",
        "message": "Could not parse request body into json: Could not parse payload into json: "
        "Invalid UTF-8 start byte 0x87\n at [Source: REDACTED (`StreamReadFeature."
        "INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 3]",
    }


def test_client_context(door):
    context = base64.b64encode(b'{"custom": {"a": 1}}').decode()
    door.client().invoke(FunctionName="f", ClientContext=context)
    assert door.engine.seen[-1].client_context == b'{"custom": {"a": 1}}'
    for bad in ("string", base64.b64encode(b"[1]").decode(), base64.b64encode(b"{").decode()):
        status, headers, body = door.invoke("f", x_amz_client_context=bad)
        assert (status, headers["x-amzn-errortype"]) == (400, "InvalidRequestContentException")
        assert body["message"] == "Client context must be a valid Base64-encoded JSON object."
    status, _, body = door.invoke("f", x_amz_client_context="A" * 3584)
    assert status == 400
    assert "3583" in body["message"]


def test_the_callers_trace_is_handed_on(door):
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    headers = door.invoke("f", x_amzn_trace_id=trace)[1]
    assert door.engine.seen[-1].trace_header == trace
    assert headers["x-amzn-trace-id"] == "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"


def test_six_megabytes_pass_and_one_byte_more_does_not(door):
    body = b'"' + b"x" * (6_291_456 - 2) + b'"'
    assert door.request("POST", "/2015-03-31/functions/f/invocations", body)[2] == body
    status, headers, found = door.request(
        "POST", "/2015-03-31/functions/f/invocations", body + b" "
    )
    assert (status, headers["x-amzn-errortype"]) == (413, "RequestTooLargeException")
    assert json.loads(found)["message"] == (
        "6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)"
    )


def test_an_event_has_one_megabyte(door):
    path, kind = "/2015-03-31/functions/f/invocations", {"X-Amz-Invocation-Type": "Event"}
    body = b'"' + b"x" * (1_048_576 - 2) + b'"'
    assert door.request("POST", path, body, kind)[0] == 202
    status, _, found = door.request("POST", path, body + b" ", kind)
    assert status == 413
    assert json.loads(found)["message"] == (
        "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)"
    )


def test_a_client_that_leaves_cancels_its_invocation(door):
    door.engine.waiting.clear()
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as sock:
        sock.sendall(
            b"POST /2015-03-31/functions/slow/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        )
        assert door.engine.waiting.wait(30)
    invocation = next(i for i in reversed(door.engine.seen) if i.name == "slow")
    gone = threading.Event()
    for _ in range(600):
        if invocation.cancelled:
            break
        gone.wait(0.05)
    assert invocation.cancelled


def test_pipelined_invokes_are_answered_in_order(door):
    one = b"POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%d"
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as sock:
        sock.sendall(b"".join(one % i for i in range(8)))
        answer = b""
        while answer.count(b"HTTP/1.1 200") < 8 or not re.search(rb"\r\n\r\n\d$", answer):
            answer += sock.recv(65536)
    assert re.findall(rb"\r\n\r\n(\d)", answer) == [b"%d" % i for i in range(8)]


def test_many_functions(door):
    for i in range(50):
        assert door.invoke(f"f-{i}")[0] == 200
        assert door.engine.seen[-1].name == f"f-{i}"


def test_a_durable_execution_is_refused_and_says_why(door):
    status, headers, body = door.invoke("f", x_amz_durable_execution_name="run-1")
    assert (status, headers["x-amzn-errortype"]) == (400, "InvalidParameterValueException")
    assert body["message"].startswith("Durable executions are not available in lambent")


def test_the_oldest_way_to_queue_an_event(door):
    path = "/2014-11-13/functions/f:live/invoke-async/"
    assert door.request("POST", path, b'{"n": 1}')[0] == 202
    event = door.engine.accepted[-1]
    assert (event["name"], event["qualifier"], event["payload"]) == ("f", "live", b'{"n": 1}')
    status, headers, _ = door.request("POST", path, b'"' + b"x" * 262_143 + b'"')
    assert (status, headers["x-amzn-errortype"]) == (413, "RequestTooLargeException")
    status, headers, _ = door.request("POST", path, b"{")
    assert (status, headers["x-amzn-errortype"]) == (400, "InvalidRequestContentException")
