"""Functions that call AWS Lambda: what they reach of this server from their sandboxes, and no more."""

from __future__ import annotations

import json

import pytest

CALLS = """
import boto3, json
from botocore.config import Config
client = boto3.client("lambda", config=Config(retries={"max_attempts": 0}))

def handler(event, context):
    if "function" in event:
        answer = client.invoke(
            FunctionName=event["function"], Payload=json.dumps(event["payload"]).encode()
        )
        return json.loads(answer["Payload"].read())
    try:
        return getattr(client, event["call"])(**event.get("with", {}))["ResponseMetadata"]
    except client.exceptions.ClientError as error:
        return error.response["Error"]
"""
LOOPS = """
import http.client, json, os

def handler(event, context):
    event["runs"] += 1
    host = os.environ["AWS_ENDPOINT_URL_LAMBDA"].removeprefix("http://")
    connection = http.client.HTTPConnection(host)
    # AWS's SDKs send the trace header on by themselves; importing one here takes a second each.
    connection.request(
        "POST", f"/2015-03-31/functions/{context.function_name}/invocations", json.dumps(event),
        {"X-Amzn-Trace-Id": os.environ["_X_AMZN_TRACE_ID"]},
    )
    answer = connection.getresponse()
    body = json.loads(answer.read())
    refused = {"runs": event["runs"], "status": answer.status, "code": answer.headers["x-amzn-errortype"]}
    return body if answer.status == 200 else refused
"""
PAGES = """
import http.client, os
def handler(event, context):
    host = os.environ["AWS_ENDPOINT_URL_LAMBDA"].removeprefix("http://")
    answers = []
    for path in ("/metrics", "/healthz", "/_code/x", "/2018-06-01/runtime/nothing"):
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request("GET", path)
        answers.append(connection.getresponse().status)
    return answers
"""


@pytest.mark.slow  # boto3 in a sandbox
def test_a_function_invokes_another(server, name):
    server.function(name, CALLS, MemorySize=1769)
    other = server.function(
        f"{name}-other", "def handler(event, context):\n    return event['n'] + 1\n"
    )
    try:
        assert server.invoke(name, {"function": other, "payload": {"n": 1}}) == 2
        missing = server.client.invoke(
            FunctionName=name, Payload=b'{"function": "nowhere", "payload": {}}'
        )
        assert json.loads(missing["Payload"].read())["errorType"] == "ResourceNotFoundException"
    finally:
        server.client.delete_function(FunctionName=other)


@pytest.mark.slow  # boto3 in a sandbox
def test_where_nobody_is_verified_functions_may_only_invoke(server, name):
    server.function(name, CALLS, MemorySize=1769)
    for call in ("list_functions", "get_account_settings"):
        error = server.invoke(name, {"call": call})
        assert error["Code"] == "AccessDeniedException", call
        assert "may invoke functions and do nothing else" in error["Message"]
    gone = {"call": "delete_function", "with": {"FunctionName": name}}
    assert server.invoke(name, gone)["Code"] == "AccessDeniedException"
    assert server.client.get_function(FunctionName=name)


def test_none_of_the_servers_own_pages_are_there(server, name):
    server.function(name, PAGES)
    assert server.invoke(name) == [403, 403, 403, 404]


@pytest.mark.slow  # sixteen environments
def test_a_loop_ends_after_sixteen_runs(server, name):
    server.function(name, LOOPS)
    ended = server.invoke(name, {"runs": 0})
    assert ended == {"runs": 16, "status": 400, "code": "RecursiveInvocationException"}


@pytest.mark.slow  # boto3 in a sandbox, and a snapshot
def test_a_restored_function_invokes_too(server, name, forks):
    server.function(name, CALLS, MemorySize=1769, SnapStart={"ApplyOn": "PublishedVersions"})
    version = server.client.publish_version(FunctionName=name)["Version"]
    server.client.get_waiter("published_version_active").wait(
        FunctionName=name, Qualifier=version, WaiterConfig={"Delay": 0.2, "MaxAttempts": 300}
    )
    other = server.function(f"{name}-other", "def handler(event, context):\n    return 'hello'\n")
    try:
        asked = {"function": other, "payload": {}}
        assert server.invoke(name, asked, Qualifier=version) == "hello"
    finally:
        server.client.delete_function(FunctionName=other)
