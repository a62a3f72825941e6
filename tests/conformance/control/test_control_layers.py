"""Layers as boto3 sees them: versions, lists, policies, and what a function may name."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.request
import uuid

import pytest
from botocore.exceptions import ClientError

UNKNOWN = "The resource you requested does not exist."


@pytest.fixture
def layer():
    return f"layer-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def publish(aws, live, layer):
    def publish(text="1", name=layer, **members):
        content = {"ZipFile": live.zipped(text, "python/thing.py")}
        return aws.publish_layer_version(LayerName=name, Content=content, **members)

    return publish


def refused(call, code, message, **members):
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    assert (error["Code"], error["Message"]) == (code, message)


def test_publish_get_and_download(aws, live, layer, publish):
    made = publish(
        Description="things",
        CompatibleRuntimes=["python3.12"],
        CompatibleArchitectures=["x86_64"],
        LicenseInfo="MIT",
    )
    content = live.zipped("1", "python/thing.py")
    arn = f"arn:aws:lambda:us-east-1:123456789012:layer:{layer}"
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (made["LayerArn"], made["LayerVersionArn"], made["Version"]) == (arn, f"{arn}:1", 1)
    assert made["CreatedDate"].endswith("+0000")
    assert made["Content"]["CodeSize"] == len(content)
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert made["Content"]["CodeSha256"] == digest
    for got in (
        aws.get_layer_version(LayerName=layer, VersionNumber=1),
        aws.get_layer_version(LayerName=arn, VersionNumber=1),
        aws.get_layer_version_by_arn(Arn=f"{arn}:1"),
    ):
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 200
        for key in ("Description", "CompatibleRuntimes", "CompatibleArchitectures", "LicenseInfo"):
            assert got[key] == made[key]
        with urllib.request.urlopen(got["Content"]["Location"], timeout=60) as link:
            assert link.read() == content


def test_lists_appear_only_when_given_and_numbers_go_on(aws, layer, publish):
    first = publish()
    assert {"CompatibleRuntimes", "CompatibleArchitectures", "LicenseInfo"}.isdisjoint(first)
    assert first["Description"] == ""
    assert publish()["Version"] == 2  # the same content is a new version all the same
    for number in (1, 2, 2, 77):
        done = aws.delete_layer_version(LayerName=layer, VersionNumber=number)
        assert done["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert aws.list_layer_versions(LayerName=layer)["LayerVersions"] == []
    assert publish()["Version"] == 3


def test_what_does_not_exist(aws, layer, publish):
    below = "Layer Version Cannot be less than 1"
    for call in (aws.get_layer_version, aws.delete_layer_version):
        refused(call, "InvalidParameterValueException", below, LayerName=layer, VersionNumber=0)
    refused(
        aws.get_layer_version, "ResourceNotFoundException", UNKNOWN,
        LayerName=layer, VersionNumber=1,
    )  # fmt: skip
    arn = f"arn:aws:lambda:us-east-1:123456789012:layer:{layer}:4"
    refused(aws.get_layer_version_by_arn, "ResourceNotFoundException", UNKNOWN, Arn=arn)
    refused(
        aws.publish_layer_version, "InvalidParameterValueException",
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
        LayerName=layer, Content={"ZipFile": b"no zip"},
    )  # fmt: skip
    refused(
        aws.publish_layer_version, "InvalidParameterValueException",
        "Uploaded file must be a non-empty zip", LayerName=layer, Content={"ZipFile": b""},
    )  # fmt: skip
    assert aws.list_layer_versions(LayerName=layer)["LayerVersions"] == []


def test_unknown_runtimes_are_refused_by_the_model(publish):
    with pytest.raises(ClientError) as caught:
        publish(CompatibleRuntimes=["cobol"])
    error = caught.value.response["Error"]
    assert error["Code"] == "ValidationException"
    assert error["Message"].startswith(
        "1 validation error detected: Value '[cobol]' at 'compatibleRuntimes' failed to satisfy "
        "constraint: Member must satisfy constraint: [Member must satisfy enum value set: ["
    )


def test_lists_filter_and_page(aws, layer, publish):
    publish(CompatibleRuntimes=["python3.12"], CompatibleArchitectures=["arm64"])
    publish(CompatibleRuntimes=["python3.13"], CompatibleArchitectures=["x86_64", "arm64"])
    publish()

    def numbers(**filters):
        found = aws.list_layer_versions(LayerName=layer, **filters)["LayerVersions"]
        return [version["Version"] for version in found]

    assert numbers() == [3, 2, 1]
    assert numbers(CompatibleRuntime="python3.12") == [1]
    assert numbers(CompatibleArchitecture="arm64") == [2, 1]
    assert numbers(CompatibleArchitecture="x86_64", CompatibleRuntime="python3.12") == []
    pages = aws.get_paginator("list_layer_versions").paginate(
        LayerName=layer, PaginationConfig={"PageSize": 1}
    )
    assert [version["Version"] for page in pages for version in page["LayerVersions"]] == [3, 2, 1]

    def latest(**filters):
        pages = aws.get_paginator("list_layers").paginate(
            PaginationConfig={"PageSize": 2}, **filters
        )
        found = [one for page in pages for one in page["Layers"] if one["LayerName"] == layer]
        return [one["LatestMatchingVersion"]["Version"] for one in found]

    publish(name=f"{layer}-other")
    assert latest() == [3]
    assert latest(CompatibleArchitecture="arm64") == [2]
    assert latest(CompatibleRuntime="ruby3.3") == []


def test_policies(aws, layer, publish):
    arn = publish()["LayerVersionArn"]
    at = {"LayerName": layer, "VersionNumber": 1}
    none = "No policy is associated with the given resource."
    refused(aws.get_layer_version_policy, "ResourceNotFoundException", none, **at)
    refused(
        aws.remove_layer_version_permission, "ResourceNotFoundException", none,
        StatementId="s", **at,
    )  # fmt: skip
    allow = {**at, "Action": "lambda:GetLayerVersion", "Principal": "210987654321"}
    first = aws.add_layer_version_permission(StatementId="one", **allow)
    assert first["ResponseMetadata"]["HTTPStatusCode"] == 201
    statement = {
        "Sid": "one",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
        "Action": "lambda:GetLayerVersion",
        "Resource": arn,
    }
    assert list(json.loads(first["Statement"]).items()) == list(statement.items())
    refused(
        aws.add_layer_version_permission, "ResourceConflictException",
        "The statement id (one) provided already exists. Please provide a new statement id, or "
        "remove the existing statement.", StatementId="one", **allow,
    )  # fmt: skip
    stale = (
        "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy "
        "API to retrieve the latest Revision Id"
    )
    everyone = {**allow, "Principal": "*", "OrganizationId": "o-0123456789"}
    refused(
        aws.add_layer_version_permission, "PreconditionFailedException", stale,
        StatementId="two", RevisionId="stale", **everyone,
    )  # fmt: skip
    second = aws.add_layer_version_permission(
        StatementId="two", RevisionId=first["RevisionId"], **everyone
    )
    assert second["RevisionId"] != first["RevisionId"]
    policy = aws.get_layer_version_policy(**at)
    assert policy["RevisionId"] == second["RevisionId"]
    document = json.loads(policy["Policy"])
    assert (document["Version"], document["Id"]) == ("2012-10-17", "default")
    assert document["Statement"][0] == statement
    assert document["Statement"][1]["Principal"] == "*"
    assert document["Statement"][1]["Condition"] == {
        "StringEquals": {"aws:PrincipalOrgID": "o-0123456789"}
    }
    refused(
        aws.remove_layer_version_permission, "ResourceNotFoundException",
        "Statement x is not found in resource policy.", StatementId="x", **at,
    )  # fmt: skip
    refused(
        aws.remove_layer_version_permission, "PreconditionFailedException", stale,
        StatementId="one", RevisionId="stale", **at,
    )  # fmt: skip
    for sid in ("one", "two"):
        done = aws.remove_layer_version_permission(StatementId=sid, **at)
        assert done["ResponseMetadata"]["HTTPStatusCode"] == 204
    refused(aws.get_layer_version_policy, "ResourceNotFoundException", none, **at)
    with pytest.raises(ClientError, match="Member must satisfy regular expression pattern"):
        aws.add_layer_version_permission(StatementId="s", **{**allow, "Action": "lambda:Get"})


def test_what_a_function_may_name(aws, create, name, layer, publish):
    first = publish()["LayerVersionArn"]
    second = publish()["LayerVersionArn"]
    invalid = "InvalidParameterValueException"

    def fails(message, *layers, code=invalid):
        refused(lambda **_: create(name, Layers=list(layers)), code, message)

    fails(f"Layer version {first}0 does not exist.", f"{first}0")
    fails("Cannot reference more than 5 layers.", *[f"{first}{n}" for n in range(6)])
    fails(
        "Two different versions of the same layer are not allowed to be referenced in the same "
        f"function. {first} and {second} are versions of the same layer.",
        first, second,
    )  # fmt: skip
    fails(
        "Layers are not in the same region as the function. Layers are expected to be in region "
        "us-east-1.",
        first.replace("us-east-1", "eu-west-1"),
    )
    made = create(name, Layers=[second])
    size = aws.get_layer_version(LayerName=layer, VersionNumber=2)["Content"]["CodeSize"]
    assert made["Layers"] == [{"Arn": second, "CodeSize": size}]
    aws.delete_layer_version(LayerName=layer, VersionNumber=2)
    shown = aws.get_function_configuration(FunctionName=name)
    assert shown["Layers"] == made["Layers"]
    aws.update_function_configuration(FunctionName=name, Description="changed")
    aws.get_waiter("function_updated_v2").wait(FunctionName=name)
    assert aws.get_function_configuration(FunctionName=name)["Layers"] == made["Layers"]
    refused(
        aws.update_function_configuration, invalid, f"Layer version {second} does not exist.",
        FunctionName=name, Layers=[second],
    )  # fmt: skip
    assert "Layers" not in aws.update_function_configuration(FunctionName=name, Layers=[])


def test_another_account_needs_a_policy(live, aws, layer, publish):
    arn = publish()["LayerVersionArn"]
    theirs = live.client(key="210987654321")
    denied = (
        "User: arn:aws:iam::210987654321:root is not authorized to perform: "
        f"lambda:GetLayerVersion on resource: {arn} because no resource-based policy allows the "
        "lambda:GetLayerVersion action"
    )
    refused(theirs.get_layer_version_by_arn, "AccessDeniedException", denied, Arn=arn)
    asked = {
        "FunctionName": f"fn-{layer}",
        "Runtime": "python3.12",
        "Role": "arn:aws:iam::210987654321:role/lambda",
        "Handler": "app.handler",
        "Code": {"ZipFile": live.zipped()},
        "Layers": [arn],
    }
    refused(theirs.create_function, "AccessDeniedException", denied, **asked)
    aws.add_layer_version_permission(
        LayerName=layer,
        VersionNumber=1,
        StatementId="them",
        Action="lambda:GetLayerVersion",
        Principal="210987654321",
    )
    assert theirs.get_layer_version_by_arn(Arn=arn)["LayerVersionArn"] == arn
    try:
        assert theirs.create_function(**asked)["Layers"][0]["Arn"] == arn
    finally:
        theirs.delete_function(FunctionName=asked["FunctionName"])


def test_account_usage_counts_layers(aws, publish):
    before = aws.get_account_settings()["AccountUsage"]["TotalCodeSize"]
    size = publish("something else")["Content"]["CodeSize"]
    assert aws.get_account_settings()["AccountUsage"]["TotalCodeSize"] == before + size
