"""Versions, aliases, reserved concurrency and account settings, as clients see them."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

FUNCTIONS = "/2015-03-31/functions"


def arn(name):
    return f"arn:aws:lambda:us-east-1:123456789012:function:{name}"


def body_of(live, method, path, body=None):
    status, _, answer = live.request(method, path, body)
    return status, json.loads(answer) if answer else None


@pytest.fixture
def two_versions(aws, create, settled):
    """A function with versions 1 and 2."""

    def make(name):
        create(name, Publish=True)
        settled(name, "1")
        aws.update_function_configuration(FunctionName=name, Timeout=9)
        settled(name)
        aws.publish_version(FunctionName=name, Description="second")
        return settled(name, "2")

    return make


def test_publish(aws, live, two_versions):
    second = two_versions("published")
    assert (second["Version"], second["FunctionArn"]) == ("2", f"{arn('published')}:2")
    assert second["Description"] == "second"
    status, again = body_of(live, "POST", f"{FUNCTIONS}/published/versions", {})
    assert status == 201
    assert again["Version"] == "2"
    assert again["RevisionId"] == second["RevisionId"]
    latest = aws.get_function_configuration(FunctionName="published")
    status, body = body_of(live, "POST", f"{FUNCTIONS}/published/versions", {"CodeSha256": "other"})
    assert (status, body) == (
        400,
        {
            "Type": "User",
            "message": (
                "CodeSHA256 (other) is different from current CodeSHA256 in $LATEST "
                f"({latest['CodeSha256']}). Please try again with the CodeSHA256 in $LATEST."
            ),
        },
    )
    listed = aws.list_versions_by_function(FunctionName="published")["Versions"]
    assert [v["FunctionArn"] for v in listed] == [
        f"{arn('published')}:{version}" for version in ("$LATEST", "1", "2")
    ]


def test_alias_bodies(live, two_versions):
    two_versions("aliased")
    path = f"{FUNCTIONS}/aliased/aliases"
    status, made = body_of(live, "POST", path, {"Name": "live", "FunctionVersion": "1"})
    revision = made.pop("RevisionId")
    assert (status, made) == (
        201,
        {
            "AliasArn": f"{arn('aliased')}:live",
            "Name": "live",
            "FunctionVersion": "1",
            "Description": "",
        },
    )
    status, body = body_of(live, "POST", path, {"Name": "live", "FunctionVersion": "1"})
    assert (status, body) == (
        409,
        {"Type": "User", "message": f"Alias already exists: {arn('aliased')}:live"},
    )
    routing = {"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.25}}}
    status, updated = body_of(live, "PUT", f"{path}/live", {**routing, "RevisionId": revision})
    assert status == 200
    assert updated["RoutingConfig"] == routing["RoutingConfig"]
    assert updated["RevisionId"] != revision
    assert body_of(live, "PUT", f"{path}/live", {"RevisionId": revision})[0] == 412
    assert body_of(live, "GET", f"{path}/live") == (200, updated)
    assert body_of(live, "GET", f"{path}?FunctionVersion=2") == (200, {"Aliases": [updated]})
    assert body_of(live, "GET", f"{path}/none") == (
        404,
        {"Type": "User", "Message": f"Cannot find alias arn: {arn('aliased')}:none"},
    )
    assert body_of(live, "PUT", f"{path}/none", {}) == (
        404,
        {"Type": "User", "Message": f"Alias not found: {arn('aliased')}:none"},
    )
    assert body_of(live, "DELETE", f"{path}/live") == (204, None)
    assert body_of(live, "DELETE", f"{path}/live") == (204, None)


def test_alias_refusals(live, two_versions):
    two_versions("misrouted")
    path = f"{FUNCTIONS}/misrouted/aliases"

    def refused(version, weights):
        asked = {
            "Name": "a",
            "FunctionVersion": version,
            "RoutingConfig": {"AdditionalVersionWeights": weights},
        }
        status, body = body_of(live, "POST", path, asked)
        assert status in {400, 404}
        return body

    assert refused("1", {"1": 0.5}) == {
        "Type": "User",
        "message": (
            "Invalid function version 1. Function version 1 is already included in routing "
            "configuration."
        ),
    }
    # One of those that AWS answers without Type.
    assert refused("$LATEST", {"1": 0.5}) == {
        "message": "$LATEST is not supported for an alias pointing to more than 1 version"
    }
    assert refused("1", {"2": 0.1, "3": 0.1}) == {
        "Type": "User",
        "message": "Number of items in AdditionalVersionWeights cannot be greater than 1",
    }
    assert refused("1", {"9": 0.1}) == {
        "Type": "User",
        "Message": f"Function not found: {arn('misrouted')}:9",
    }
    status, body = body_of(live, "POST", path, {"Name": "2024", "FunctionVersion": "1"})
    assert status == 400
    assert body == {
        "message": (
            "1 validation error detected: Value '2024' at 'name' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"
        )
    }
    assert body_of(live, "POST", path, {"Name": "2024-01-02", "FunctionVersion": "1"})[0] == 201


def test_get_through_an_alias(aws, two_versions):
    two_versions("through")
    aws.create_alias(FunctionName="through", Name="live", FunctionVersion="2")
    shown = aws.get_function_configuration(FunctionName="through:live")
    assert (shown["Version"], shown["FunctionArn"]) == ("2", f"{arn('through')}:live")
    with pytest.raises(ClientError) as raised:
        aws.delete_function(FunctionName="through", Qualifier="2")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_reserved_concurrency_bodies(live, create):
    create("reserved")
    put = "/2017-10-31/functions/reserved/concurrency"
    get = "/2019-09-30/functions/reserved/concurrency"
    assert body_of(live, "GET", get) == (200, {})
    assert body_of(live, "PUT", put, {"ReservedConcurrentExecutions": 0}) == (
        200,
        {"ReservedConcurrentExecutions": 0},
    )
    assert body_of(live, "GET", get) == (200, {"ReservedConcurrentExecutions": 0})
    # One of those that AWS answers without Type.
    assert body_of(live, "PUT", put, {"ReservedConcurrentExecutions": 901}) == (
        400,
        {
            "message": (
                "Specified ReservedConcurrentExecutions for function decreases account's "
                "UnreservedConcurrentExecution below its minimum value of [100]."
            )
        },
    )
    assert body_of(live, "DELETE", put) == (204, None)
    assert body_of(live, "GET", get) == (200, {})
    assert body_of(
        live,
        "PUT",
        "/2017-10-31/functions/unknown/concurrency",
        {"ReservedConcurrentExecutions": 1},
    ) == (404, {"Type": "User", "Message": f"Function not found: {arn('unknown')}:$LATEST"})
    assert body_of(
        live,
        "PUT",
        f"/2017-10-31/functions/{arn('reserved')}:1/concurrency",
        {"ReservedConcurrentExecutions": 1},
    ) == (
        400,
        {
            "Type": "User",
            "message": (
                "This operation is permitted on Lambda functions only. Aliases and versions do not "
                "support this operation. Please specify either a function name or an unqualified "
                "function ARN."
            ),
        },
    )


def test_account_settings_of_an_untouched_account(live):
    client = live.client(key="777788889999")
    try:
        answer = client.get_account_settings()
    finally:
        client.close()
    del answer["ResponseMetadata"]
    assert answer == {
        "AccountLimit": {
            "TotalCodeSize": 80530636800,
            "CodeSizeUnzipped": 262144000,
            "CodeSizeZipped": 52428800,
            "ConcurrentExecutions": 1000,
            "UnreservedConcurrentExecutions": 1000,
        },
        "AccountUsage": {"TotalCodeSize": 0, "FunctionCount": 0},
    }
