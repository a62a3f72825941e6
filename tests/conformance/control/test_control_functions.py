"""CreateFunction and its kin as boto3 and plain HTTP see them: whole bodies, exact words."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import re
import signal
import urllib.request

import pytest
from botocore.exceptions import ClientError

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
MODIFIED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000")
FUNCTIONS = "/2015-03-31/functions"


def arn(name):
    return f"arn:aws:lambda:us-east-1:123456789012:function:{name}"


def refusal(call, **members):
    """Code, status and the parsed body of an error."""
    with pytest.raises(ClientError) as raised:
        call(**members)
    answer = raised.value.response
    return (
        answer["Error"]["Code"],
        answer["ResponseMetadata"]["HTTPStatusCode"],
        answer["Error"]["Message"],
    )


def body_of(live, method, path, body=None):
    status, headers, answer = live.request(method, path, body)
    return status, headers, json.loads(answer) if answer else None


def test_the_whole_answer_of_create(live, create, settled):
    package = live.zipped()
    created = create("whole", wait=False, Code={"ZipFile": package})
    meta = created.pop("ResponseMetadata")
    assert meta["HTTPStatusCode"] == 201
    assert UUID.fullmatch(meta["RequestId"])
    assert UUID.fullmatch(created.pop("RevisionId"))
    assert MODIFIED.fullmatch(created.pop("LastModified"))
    runtime_arn = created.pop("RuntimeVersionConfig")["RuntimeVersionArn"]
    assert re.fullmatch(r"arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}", runtime_arn)
    assert created == {
        "FunctionName": "whole",
        "FunctionArn": arn("whole"),
        "Runtime": "python3.12",
        "Role": live.ROLE,
        "Handler": "app.handler",
        "CodeSize": len(package),
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "CodeSha256": base64.b64encode(hashlib.sha256(package).digest()).decode(),
        "Version": "$LATEST",
        "TracingConfig": {"Mode": "PassThrough"},
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/whole"},
    }
    after = settled("whole")
    assert (after["State"], after["LastUpdateStatus"]) == ("Active", "Successful")


def test_boto3_waiters_finish(aws, live, create):
    create("waited", wait=False)
    aws.get_waiter("function_active_v2").wait(
        FunctionName="waited", WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
    )
    aws.update_function_code(FunctionName="waited", ZipFile=live.zipped("# 2"), Publish=True)
    aws.get_waiter("function_updated_v2").wait(
        FunctionName="waited", WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
    )
    aws.get_waiter("published_version_active").wait(
        FunctionName="waited", Qualifier="1", WaiterConfig={"Delay": 0.1, "MaxAttempts": 300}
    )


def test_get_function_and_its_download(aws, live, create):
    package = live.zipped()
    create("got", Code={"ZipFile": package}, Tags={"team": "ml"})
    aws.put_function_concurrency(FunctionName="got", ReservedConcurrentExecutions=3)
    got = aws.get_function(FunctionName=arn("got"))
    assert got["Configuration"]["FunctionArn"] == arn("got")
    assert got["Tags"] == {"team": "ml"}
    assert got["Concurrency"] == {"ReservedConcurrentExecutions": 3}
    assert got["Code"]["RepositoryType"] == "S3"
    assert got["Code"]["Location"].startswith(f"{live.url}/_code/")
    with urllib.request.urlopen(got["Code"]["Location"], timeout=30) as download:
        assert download.read() == package


def test_an_update_shows_at_once(aws, create, settled):
    create("updated")
    before = settled("updated")
    answer = aws.update_function_configuration(FunctionName="updated", MemorySize=256)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["State"] == "Active"
    assert answer["LastUpdateStatus"] == "InProgress"
    assert answer["LastUpdateStatusReason"] == "The function is being created."
    assert answer["LastUpdateStatusReasonCode"] == "Creating"
    assert answer["RevisionId"] != before["RevisionId"]
    after = settled("updated")
    assert after["MemorySize"] == 256
    assert after["RevisionId"] != answer["RevisionId"]


def test_changes_during_one_are_conflicts(start_server, live):
    server = start_server(state_delay_s=30)  # longer than this test, however slow the machine
    aws = server.client
    aws.create_function(
        FunctionName="busy",
        Runtime="python3.12",
        Role=live.ROLE,
        Handler="app.handler",
        Code={"ZipFile": live.zipped()},
    )

    def refused_with(text):
        for call, members in (
            (aws.update_function_configuration, {"Timeout": 4}),
            (aws.update_function_code, {"ZipFile": live.zipped("# 2")}),
            (aws.publish_version, {}),
        ):
            assert refusal(call, FunctionName="busy", **members) == (
                "ResourceConflictException",
                409,
                f"The operation cannot be performed at this time. {text}",
            )

    refused_with("The function is currently in the following state: Pending")
    # A restart completes what was on its way.
    server.stop()
    server = start_server(state_delay_s=30)
    aws = server.client
    answer = aws.update_function_configuration(FunctionName="busy", Timeout=9)
    assert answer["LastUpdateStatus"] == "InProgress"
    refused_with(f"An update is in progress for resource: {arn('busy')}")
    server.stop(signal.SIGKILL)
    shown = start_server().client.get_function_configuration(FunctionName="busy")
    assert (shown["LastUpdateStatus"], shown["Timeout"]) == ("Successful", 9)


def test_delete_answers_204_and_nothing(live, create):
    create("deleted")
    status, headers, body = body_of(live, "DELETE", f"{FUNCTIONS}/deleted")
    assert (status, body) == (204, None)
    assert UUID.fullmatch(headers["x-amzn-requestid"])
    status, headers, body = body_of(live, "DELETE", f"{FUNCTIONS}/deleted")
    assert status == 404
    assert headers["x-amzn-errortype"] == "ResourceNotFoundException"
    assert body == {"Type": "User", "Message": f"Function not found: {arn('deleted')}"}


def test_a_version_is_deleted_alone(aws, live, create, settled):
    create("numbered", Publish=True)
    settled("numbered", "1")
    assert body_of(live, "DELETE", f"{FUNCTIONS}/numbered?Qualifier=1")[0] == 204
    assert body_of(live, "DELETE", f"{FUNCTIONS}/numbered?Qualifier=1")[0] == 204
    status, _, body = body_of(live, "DELETE", f"{FUNCTIONS}/numbered?Qualifier=%24LATEST")
    assert status == 400
    assert body == {
        "Type": "User",
        "message": "$LATEST version cannot be deleted without deleting the function.",
    }
    assert aws.get_function(FunctionName="numbered")["Configuration"]["State"] == "Active"


@pytest.mark.parametrize(
    ("qualifier", "shown"), [("$LATEST", "$LATEST"), ("nope", "nope"), ("$latest", "$latest")]
)
def test_not_found(aws, qualifier, shown):
    assert refusal(aws.get_function, FunctionName="missing", Qualifier=qualifier) == (
        "ResourceNotFoundException",
        404,
        f"Function not found: {arn('missing')}:{shown}",
    )


def test_names_of_other_places(aws):
    elsewhere = arn("x").replace("us-east-1", "eu-west-1")
    assert refusal(aws.get_function, FunctionName=elsewhere) == (
        "ResourceNotFoundException",
        404,
        "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
    )
    assert refusal(aws.get_function, FunctionName=f"{arn('x')}:1", Qualifier="2") == (
        "InvalidParameterValueException",
        400,
        "The derived qualifier from the function name does not match the specified qualifier.",
    )


def creation(live, **members):
    asked = {
        "FunctionName": "refused",
        "Runtime": "python3.12",
        "Role": live.ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": base64.b64encode(live.zipped()).decode()},
        **members,
    }
    return {name: value for name, value in asked.items() if value is not None}


CREATE = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?"
    r"(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
)


@pytest.mark.parametrize(
    ("members", "kind", "body"),
    [
        (
            {"Code": {"ZipFile": base64.b64encode(b"no zip").decode()}},
            "InvalidParameterValueException",
            {
                "Type": "User",
                "message": (
                    "Could not unzip uploaded file. Please check your file, then try to upload "
                    "again."
                ),
            },
        ),
        (
            {"Role": "not a role"},
            "ValidationException",
            {
                "message": (
                    "1 validation error detected: Value 'not a role' at 'role' failed to satisfy "
                    "constraint: Member must satisfy regular expression pattern: "
                    r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
                )
            },
        ),
        (
            {"FunctionName": "no spaces"},
            "ValidationException",
            {
                "message": (
                    "1 validation error detected: Value 'no spaces' at 'functionName' failed to "
                    f"satisfy constraint: Member must satisfy regular expression pattern: {CREATE}"
                )
            },
        ),
        (
            {"FunctionName": "n" * 65},
            "InvalidParameterValueException",
            {
                "Type": "User",
                "message": (
                    f"1 validation error detected: Value '{'n' * 65}' at 'functionName' failed to "
                    "satisfy constraint: Member must have length less than or equal to 64"
                ),
            },
        ),
        (
            {"Runtime": "python2.8"},
            "InvalidParameterValueException",
            {
                "Type": "User",
                "message": (
                    "Value python2.8 at 'runtime' failed to satisfy constraint: Member must "
                    "satisfy enum value set: [nodejs20.x, python3.14, provided.al2023, python3.12, "
                    "python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, "
                    "ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, "
                    "dotnet8, java11, dotnet6, nodejs18.x, provided.al2, java8.al2] or be a valid "
                    "ARN"
                ),
            },
        ),
        (
            {"Runtime": None},
            "InvalidParameterValueException",
            {
                "Type": "User",
                "message": (
                    "Runtime and Handler are mandatory parameters for functions created with "
                    "deployment packages."
                ),
            },
        ),
        (
            {"PackageType": "Image", "Code": {"ImageUri": "x"}},
            "InvalidParameterValueException",
            {
                "Type": "User",
                "message": (
                    "Please don't provide Handler or Runtime or Layer when the intended function "
                    "PackageType is Image."
                ),
            },
        ),
        (
            {"Environment": {"Variables": {"AWS_REGION": "x"}}},
            "InvalidParameterValueException",
            {
                "Type": "User",
                "message": (
                    "Lambda was unable to configure your environment variables because the "
                    "environment variables you have provided contains reserved keys that are "
                    "currently not supported for modification. Reserved keys used in this request: "
                    "AWS_REGION"
                ),
            },
        ),
    ],
)
def test_refusals_of_create(live, members, kind, body):
    status, headers, answer = body_of(live, "POST", FUNCTIONS, creation(live, **members))
    assert status == 400
    assert headers["x-amzn-errortype"] == kind
    assert headers["content-type"] == "application/json"
    assert answer == body


def test_another_accounts_arn(live):
    foreign = arn("x").replace("123456789012", "111122223333")
    status, headers, body = body_of(live, "POST", FUNCTIONS, creation(live, FunctionName=foreign))
    assert status == 403
    assert headers["x-amzn-errortype"] == "AccessDeniedException"
    assert body in ({"Message": None}, {"message": None})


def test_exists_already(aws, live, create):
    create("twice")
    asked = creation(live, FunctionName="twice")
    asked["Code"] = {"ZipFile": live.zipped()}
    assert refusal(aws.create_function, **asked) == (
        "ResourceConflictException",
        409,
        "Function already exist: twice",
    )


def test_a_stale_revision(live, create):
    create("stale")
    status, _, body = body_of(
        live,
        "PUT",
        f"{FUNCTIONS}/stale/configuration",
        {"RevisionId": "28f0fb31-5c5c-43d3-8955-03e76c5c1075"},
    )
    assert status == 412
    assert body == {
        "Type": "User",
        "message": (
            "The Revision Id provided does not match the latest Revision Id. Call the "
            "GetFunction/GetAlias API to retrieve the latest Revision Id"
        ),
    }


def test_lists_through_boto3s_paginator(live, create):
    client = live.client(key="444455556666")  # an account of its own
    try:
        for n in range(3):
            client.create_function(
                FunctionName=f"f{n}",
                Runtime="python3.12",
                Role=live.ROLE,
                Handler="app.handler",
                Code={"ZipFile": live.zipped()},
                Publish=True,
            )
        pages = client.get_paginator("list_functions").paginate(
            FunctionVersion="ALL", PaginationConfig={"PageSize": 2}
        )
        listed = [function for answer in pages for function in answer["Functions"]]
        assert [f["FunctionArn"].rpartition("function:")[2] for f in listed] == [
            f"f{n}:{version}" for n in range(3) for version in ("$LATEST", "1")
        ]
        assert all(f["FunctionArn"].split(":")[4] == "444455556666" for f in listed)
        for function in listed:
            assert not {"State", "LastUpdateStatus", "RuntimeVersionConfig"} & function.keys()
        usage = client.get_account_settings()["AccountUsage"]
        assert usage == {"TotalCodeSize": 6 * listed[0]["CodeSize"], "FunctionCount": 3}
    finally:
        for n in range(3):
            client.delete_function(FunctionName=f"f{n}")
        client.close()


def test_an_image_of_ecr_is_refused_while_no_registry_stands_for_ecr(aws, name):
    image = {"ImageUri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/model:v1"}
    role = "arn:aws:iam::123456789012:role/r"
    with pytest.raises(ClientError) as raised:
        aws.create_function(FunctionName=name, Role=role, PackageType="Image", Code=image)
    assert raised.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert "set image_registry" in raised.value.response["Error"]["Message"]


def test_code_for_another_processor_is_kept_and_says_so_at_invoke(aws, create, name):
    other = "x86_64" if platform.machine() == "aarch64" else "arm64"
    assert create(name, Architectures=[other])["Architectures"] == [other]
    with pytest.raises(ClientError) as raised:
        aws.invoke(FunctionName=name)
    assert raised.value.response["Error"]["Code"] == "InvalidRuntimeException"
    assert f"is for {other}, and this machine is" in raised.value.response["Error"]["Message"]


def test_a_function_may_be_created_with_a_code_signing_config(aws, create, name):
    profile = "arn:aws:signer:us-east-1:123456789012:/signing-profiles/p/abcdefghij"
    made = aws.create_code_signing_config(
        AllowedPublishers={"SigningProfileVersionArns": [profile]}
    )["CodeSigningConfig"]["CodeSigningConfigArn"]
    create(name, CodeSigningConfigArn=made)
    shown = aws.get_function_code_signing_config(FunctionName=name)
    assert shown["CodeSigningConfigArn"] == made
    absent = made[:-1] + ("0" if made[-1] != "0" else "1")
    with pytest.raises(aws.exceptions.CodeSigningConfigNotFoundException) as raised:
        create(f"{name}-2", CodeSigningConfigArn=absent)
    assert raised.value.response["Error"]["Message"] == (
        "The code signing configuration cannot be found. Check that the provided configuration is "
        f"not deleted: {absent}."
    )
    aws.delete_function_code_signing_config(FunctionName=name)
    aws.delete_code_signing_config(CodeSigningConfigArn=made)
