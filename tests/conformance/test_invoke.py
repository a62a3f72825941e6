"""Invoke as boto3, the AWS CLI and curl do it, against a live server."""

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError


def refused(call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return caught.value.response


def test_request_response(server, name):
    server.function(name)
    answer = server.client.invoke(FunctionName=name, Payload=b'{"a": "\xc3\xbc"}')
    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert json.loads(answer["Payload"].read()) == {"a": "ü"}


def test_no_payload_is_an_empty_event_and_no_answer_is_null(server, name):
    source = "def handler(event, context):\n    assert event == {}, event\n"
    server.function(name, source)
    answer = server.client.invoke(FunctionName=name)
    assert answer["Payload"].read() == b"null"


def test_the_tail_reads_like_lambdas(server, name):
    server.function(name, "def handler(event, context):\n    print('hello')\n    return 1\n")
    answer = server.client.invoke(FunctionName=name, LogType="Tail")
    request_id = answer["ResponseMetadata"]["RequestId"]
    lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
    assert lines[:3] == [
        f"START RequestId: {request_id} Version: $LATEST",
        "hello",
        f"END RequestId: {request_id}",
    ]
    assert lines[3].startswith(f"REPORT RequestId: {request_id}\tDuration: ")
    assert "\tInit Duration: " in lines[3]


def test_dry_run_and_event_answers(server, name):
    server.function(name)
    dry = server.client.invoke(FunctionName=name, InvocationType="DryRun")
    assert (dry["StatusCode"], dry["Payload"].read()) == (204, b"")
    assert "ExecutedVersion" not in dry
    event = server.client.invoke(FunctionName=name, InvocationType="Event")
    assert (event["StatusCode"], event["Payload"].read()) == (202, b"")
    assert "ExecutedVersion" not in event


def test_a_function_error_is_http_200(server, name):
    server.function(name, "def handler(event, context):\n    raise KeyError('x')\n")
    answer = server.client.invoke(FunctionName=name)
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    document = json.loads(answer["Payload"].read())
    assert document["errorType"] == "KeyError"
    assert document["requestId"] == answer["ResponseMetadata"]["RequestId"]


def test_unknown_functions_and_qualifiers(server, name):
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    error = refused(server.client.invoke, FunctionName=name)
    assert error["Error"] == {
        "Code": "ResourceNotFoundException",
        "Message": f"Function not found: {arn}:$LATEST",
    }
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 404
    server.function(name)
    error = refused(server.client.invoke, FunctionName=name, Qualifier="nobody")
    assert error["Error"]["Message"] == f"Function not found: {arn}:nobody"


def test_every_form_of_the_name(server, name):
    server.function(name)
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    for form in (name, f"123456789012:function:{name}", arn, f"{arn}:$LATEST", f"{name}:$LATEST"):
        assert server.invoke(form, {"form": form}) == {"form": form}
    error = refused(server.client.invoke, FunctionName=f"{arn}:$LATEST", Qualifier="1")
    assert error["Error"]["Message"] == (
        "The derived qualifier from the function name does not match the specified qualifier."
    )


@pytest.mark.parametrize("body", [b"{", b"nope", b'{"a":\x87}', b'{"a":1} x', b"[1,]", b'"\xff"'])
def test_bad_json_is_refused_with_jacksons_words(server, name, body):
    server.function(name)
    error = refused(server.client.invoke, FunctionName=name, Payload=body)
    assert error["Error"]["Code"] == "InvalidRequestContentException"
    assert error["Error"]["Message"].startswith(
        "Could not parse request body into json: Could not parse payload into json: "
    )


def test_client_context_reaches_the_function(server, name):
    server.function(
        name,
        "def handler(event, context):\n    return [context.client_context.custom, "
        "context.client_context.env]\n",
    )
    context = base64.b64encode(b'{"custom": {"a": "1"}, "env": {"b": "2"}}').decode()
    assert server.invoke(name, ClientContext=context) == [{"a": "1"}, {"b": "2"}]


def test_six_megabytes_in_and_one_byte_more(server, name):
    server.function(name, "def handler(event, context):\n    return len(event)\n", MemorySize=512)
    limit = 6 * 1024 * 1024
    exact = b'"' + b"a" * (limit - 2) + b'"'
    assert (
        server.client.invoke(FunctionName=name, Payload=exact)["Payload"].read()
        == str(limit - 2).encode()
    )
    error = refused(server.client.invoke, FunctionName=name, Payload=exact + b" ")
    assert error["Error"]["Code"] == "RequestTooLargeException"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_the_answers_limit(server, name):
    server.function(name, "def handler(event, context):\n    return 'a' * event\n", MemorySize=512)
    answer = server.client.invoke(FunctionName=name, Payload=str(6_291_554).encode())
    assert len(answer["Payload"].read()) == 6_291_556
    answer = server.client.invoke(FunctionName=name, Payload=str(6_291_555).encode())
    assert json.loads(answer["Payload"].read())["errorType"] == "Function.ResponseSizeTooLarge"


def test_unsigned_curl(server, name):
    server.function(name)
    url = f"{server.url}/2015-03-31/functions/{name}/invocations"
    with urllib.request.urlopen(urllib.request.Request(url, b'{"x":1}')) as answer:
        assert json.loads(answer.read()) == {"x": 1}
        assert answer.headers["X-Amz-Executed-Version"] == "$LATEST"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(url.replace(name, "nobody"), b"{}"))
    with caught.value:
        assert caught.value.code == 404
        assert caught.value.headers["x-amzn-ErrorType"].startswith("ResourceNotFoundException")


def test_accounts_live_side_by_side(server, name):
    other = server.boto3(key="111122223333")
    server.function(name)
    with pytest.raises(other.exceptions.ResourceNotFoundException):
        other.invoke(FunctionName=name)
    other.close()


def test_weights_of_an_alias(server, name):
    server.function(name, "def handler(event, context):\n    return 1\n")
    client = server.client
    client.publish_version(FunctionName=name)
    client.update_function_configuration(FunctionName=name, Description="second")
    server.active(name)
    client.publish_version(FunctionName=name)
    for version in ("1", "2"):
        client.get_waiter("published_version_active").wait(
            FunctionName=name, Qualifier=version, WaiterConfig={"Delay": 0.02}
        )
    client.create_alias(
        FunctionName=name,
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )
    seen = {
        client.invoke(FunctionName=name, Qualifier="live")["ExecutedVersion"] for _ in range(40)
    }
    assert seen == {"1", "2"}


def test_the_reserved_limit_throttles_with_lambdas_reason(server, name):
    server.function(name)
    server.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    error = refused(server.client.invoke, FunctionName=name)
    assert error["Error"] == {
        "Code": "TooManyRequestsException",
        "Message": "Rate Exceeded.",
    }
    assert error["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 429


def aws(server, *arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "aws"), "--endpoint-url", server.url, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(cwd),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "PYTHONWARNINGS": "ignore",
        },
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow  # the AWS CLI takes a second to start
def test_the_aws_cli_unchanged(server, name, tmp_path):
    server.function(name)
    (tmp_path / "event.json").write_text('{"from": "cli"}')
    printed = aws(
        server,
        "lambda",
        "invoke",
        "--function-name",
        name,
        "--payload",
        "fileb://event.json",
        "out.json",
        cwd=tmp_path,
    )
    assert json.loads(printed)["StatusCode"] == 200
    assert json.loads((tmp_path / "out.json").read_text()) == {"from": "cli"}
    listed = json.loads(aws(server, "lambda", "list-functions", cwd=tmp_path))
    assert name in [function["FunctionName"] for function in listed["Functions"]]
