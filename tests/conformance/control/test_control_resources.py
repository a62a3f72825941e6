"""Policies, tags, code signing, URLs, event invoke configs and mappings as boto3 sees them."""

from __future__ import annotations

import json
import re

import pytest
from botocore.exceptions import ClientError

ACCOUNT, REGION = "123456789012", "us-east-1"
PUBLISHER = f"arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/mine/abcdefghij"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs"


def arn(name, qualifier=None):
    base = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    return f"{base}:{qualifier}" if qualifier else base


def refusal(call, **members):
    with pytest.raises(ClientError) as raised:
        call(**members)
    answer = raised.value.response
    return (
        answer["Error"]["Code"],
        answer["ResponseMetadata"]["HTTPStatusCode"],
        answer["Error"]["Message"],
    )


def bare(answer):
    status = answer.pop("ResponseMetadata")["HTTPStatusCode"]
    return status, answer


def test_a_policy_grows_and_shrinks_by_statements(aws, create, name):
    create(name)
    grant = {"FunctionName": name, "Action": "lambda:InvokeFunction"}
    before = aws.get_function(FunctionName=name)["Configuration"]["RevisionId"]
    status, added = bare(
        aws.add_permission(
            **grant,
            StatementId="s3",
            Principal="s3.amazonaws.com",
            SourceArn="arn:aws:s3:::bucket",
            SourceAccount=ACCOUNT,
        )
    )
    assert status == 201
    statement = json.loads(added["Statement"])
    assert list(statement) == ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"]
    assert statement == {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": arn(name),
        "Condition": {
            "StringEquals": {"AWS:SourceAccount": ACCOUNT},
            "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
        },
    }
    assert refusal(aws.add_permission, **grant, StatementId="s3", Principal="*") == (
        "ResourceConflictException",
        409,
        (
            "The statement id (s3) provided already exists. Please provide a new statement id, or "
            "remove the existing statement."
        ),
    )
    assert refusal(aws.add_permission, **grant, StatementId="x", Principal="nobody")[2] == (
        "The provided principal was invalid. Please check the principal and try again."
    )
    assert (
        refusal(aws.add_permission, **grant, StatementId="x", Principal="*", Qualifier="$LATEST")[2]
        == "We currently do not support adding policies for $LATEST."
    )
    aws.add_permission(**grant, StatementId="account", Principal="210987654321")
    policy = aws.get_policy(FunctionName=name)
    assert policy["RevisionId"] == aws.get_function_configuration(FunctionName=name)["RevisionId"]
    assert policy["RevisionId"] != before
    shown = json.loads(policy["Policy"])
    assert (shown["Version"], shown["Id"]) == ("2012-10-17", "default")
    assert shown["Statement"][1]["Principal"] == {"AWS": "arn:aws:iam::210987654321:root"}
    assert refusal(
        aws.remove_permission, FunctionName=name, StatementId="s3", RevisionId=before
    ) == (
        "PreconditionFailedException",
        412,
        (
            "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API "
            "to retrieve the latest Revision Id"
        ),
    )
    assert refusal(aws.remove_permission, FunctionName=name, StatementId="zz")[:2] == (
        "ResourceNotFoundException",
        404,
    )
    for sid in ("s3", "account"):
        assert bare(aws.remove_permission(FunctionName=name, StatementId=sid))[0] == 204
    gone = "The resource you requested does not exist."
    assert refusal(aws.get_policy, FunctionName=name)[2] == gone
    assert (
        refusal(aws.remove_permission, FunctionName=name, StatementId="s3")[2]
        == "No policy is associated with the given resource."
    )
    assert (
        refusal(aws.remove_permission, FunctionName="nope", StatementId="s3")[2]
        == f"No policy found for: {arn('nope')}"
    )


def test_a_policy_of_a_version_is_its_own(aws, create, name):
    create(name, Publish=True)
    aws.add_permission(
        FunctionName=name, Action="lambda:*", StatementId="a", Principal="*", Qualifier="1"
    )
    assert refusal(aws.get_policy, FunctionName=name)[0] == "ResourceNotFoundException"
    kept = json.loads(aws.get_policy(FunctionName=name, Qualifier="1")["Policy"])
    assert kept["Statement"][0]["Resource"] == arn(name, "1")
    assert refusal(
        aws.add_permission,
        FunctionName=name, Action="lambda:*", StatementId="a", Principal="*", Qualifier="7",
    )[2] == f"Function not found: {arn(name, '7')}"  # fmt: skip
    aws.delete_function(FunctionName=name, Qualifier="1")
    assert refusal(aws.get_policy, FunctionName=name, Qualifier="1")[1] == 404


def test_a_policy_as_a_document_may_not_be_public(aws, create, name):
    create(name)
    one = {"Effect": "Allow", "Principal": {"AWS": "210987654321"}, "Action": "lambda:*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [{**one, "Resource": arn(name)}]})
    put = aws.put_resource_policy(ResourceArn=arn(name), Policy=text)
    assert put["Policy"] == text
    assert aws.get_resource_policy(ResourceArn=arn(name))["RevisionId"] == put["RevisionId"]
    assert json.loads(aws.get_policy(FunctionName=name)["Policy"]) == json.loads(text)
    public = json.dumps({"Statement": {**one, "Principal": "*", "Resource": arn(name)}})
    assert refusal(aws.put_resource_policy, ResourceArn=arn(name), Policy=public)[:2] == (
        "PublicPolicyException",
        400,
    )
    assert refusal(aws.put_resource_policy, ResourceArn=arn(name), Policy="{")[0] == (
        "InvalidParameterValueException"
    )
    assert bare(aws.delete_resource_policy(ResourceArn=arn(name)))[0] == 204
    assert refusal(aws.get_resource_policy, ResourceArn=arn(name))[1] == 404


def test_code_signing_configs(aws, create, name):
    create(name)
    status, made = bare(
        aws.create_code_signing_config(
            AllowedPublishers={"SigningProfileVersionArns": [PUBLISHER]},
            CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"},
        )
    )
    config = made["CodeSigningConfig"]
    assert status == 201
    assert re.fullmatch(r"csc-[a-z0-9]{17}", config["CodeSigningConfigId"])
    assert config["CodeSigningPolicies"] == {"UntrustedArtifactOnDeployment": "Enforce"}
    csc = config["CodeSigningConfigArn"]
    changed = aws.update_code_signing_config(CodeSigningConfigArn=csc, Description="mine")
    assert changed["CodeSigningConfig"]["Description"] == "mine"
    assert bare(aws.get_function_code_signing_config(FunctionName=name)) == (200, {})
    aws.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=csc)
    assert bare(aws.get_function_code_signing_config(FunctionName=name))[1] == {
        "CodeSigningConfigArn": csc,
        "FunctionName": name,
    }
    users = aws.list_functions_by_code_signing_config(CodeSigningConfigArn=csc)
    assert users["FunctionArns"] == [arn(name)]
    assert refusal(aws.delete_code_signing_config, CodeSigningConfigArn=csc)[1] == 409
    other = csc[:-17] + "0" * 17
    assert refusal(
        aws.put_function_code_signing_config, FunctionName="nope", CodeSigningConfigArn=other
    ) == (
        "CodeSigningConfigNotFoundException",
        404,
        (
            "The code signing configuration cannot be found. Check that the provided configuration "
            f"is not deleted: {other}."
        ),
    )
    assert refusal(aws.get_code_signing_config, CodeSigningConfigArn=other)[2] == (
        f"The Lambda code signing configuration {other} can not be found."
    )
    assert bare(aws.delete_function_code_signing_config(FunctionName=name))[0] == 204
    assert bare(aws.delete_code_signing_config(CodeSigningConfigArn=csc))[0] == 204


def test_enforce_refuses_what_nobody_signed_and_warn_takes_it(aws, create, live, name):
    def config(untrusted):
        made = aws.create_code_signing_config(
            AllowedPublishers={"SigningProfileVersionArns": [PUBLISHER]},
            CodeSigningPolicies={"UntrustedArtifactOnDeployment": untrusted},
        )
        return made["CodeSigningConfig"]["CodeSigningConfigArn"]

    strict, mild = config("Enforce"), config("Warn")
    text = (
        "Lambda cannot deploy the function. The function or layer might be signed using a "
        "signature that the client is not configured to accept. Check the provided signature for "
        f"{name}."
    )
    refused = ("CodeVerificationFailedException", 400, text)
    assert refusal(create, name=name, CodeSigningConfigArn=strict) == refused
    assert refusal(create, name=name, CodeSigningConfigArn=mild[:-17] + "0" * 17)[0] == (
        "CodeSigningConfigNotFoundException"
    )
    create(name, CodeSigningConfigArn=mild)
    kept = aws.get_function_code_signing_config(FunctionName=name)
    assert kept["CodeSigningConfigArn"] == mild
    aws.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=strict)
    update = {"FunctionName": name, "ZipFile": live.zipped()}
    assert refusal(aws.update_function_code, **update) == refused


def test_tags(aws, create, name):
    create(name, Publish=True)
    before = aws.get_function_configuration(FunctionName=name)["RevisionId"]
    assert bare(aws.tag_resource(Resource=arn(name), Tags={"a": "1", "b": "2"}))[0] == 204
    assert aws.get_function_configuration(FunctionName=name)["RevisionId"] != before
    assert bare(aws.untag_resource(Resource=arn(name), TagKeys=["a", "unknown"]))[0] == 204
    assert aws.list_tags(Resource=arn(name))["Tags"] == {"b": "2"}
    many = {str(i): "" for i in range(50)}
    assert refusal(aws.tag_resource, Resource=arn(name), Tags=many)[2] == (
        "Number of tags exceeds resource tag limit."
    )
    for qualifier in ("1", "$LATEST"):
        assert refusal(aws.tag_resource, Resource=arn(name, qualifier), Tags={"a": ""})[2] == (
            "Tags on function aliases and versions are not supported. Please specify a function ARN."
        )
    absent = f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{'0' * 8}-0000-0000-0000-{'0' * 12}"
    assert refusal(aws.list_tags, Resource=absent)[:2] == ("ResourceNotFoundException", 404)


def test_recursion_and_runtime_management(aws, create, name):
    create(name)
    assert aws.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Terminate"
    aws.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    assert aws.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Allow"
    assert bare(aws.get_runtime_management_config(FunctionName=name))[1] == {
        "UpdateRuntimeOn": "Auto",
        "FunctionArn": arn(name, "$LATEST"),
    }
    put = aws.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="FunctionUpdate")
    assert put["UpdateRuntimeOn"] == "FunctionUpdate"
    assert (
        refusal(aws.put_runtime_management_config, FunctionName=name, UpdateRuntimeOn="Manual")[0]
        == "InvalidParameterValueException"
    )


def test_event_invoke_configs(aws, create, name):
    create(name)
    put = aws.put_function_event_invoke_config
    assert refusal(put, FunctionName=name)[2] == (
        "You must specify at least one of error handling or destination setting."
    )
    assert refusal(put, FunctionName="nope", MaximumRetryAttempts=1)[2] == (
        "The function doesn't exist."
    )
    itself = {"OnSuccess": {"Destination": arn(name)}}
    assert refusal(put, FunctionName=name, DestinationConfig=itself)[2] == (
        "You can't specify the function as a destination for itself."
    )
    bucket = "arn:aws:s3:::failures"
    for wrong, text in (
        (
            {"OnSuccess": {"Destination": bucket}},
            f"DestinationConfig(onSuccess=OnSuccess(destination={bucket}), onFailure=null)",
        ),
        (
            {"OnSuccess": {"Destination": QUEUE}, "OnFailure": {"Destination": STREAM}},
            (
                f"DestinationConfig(onSuccess=OnSuccess(destination={QUEUE}), "
                f"onFailure=OnFailure(destination={STREAM}))"
            ),
        ),
    ):
        assert refusal(put, FunctionName=name, DestinationConfig=wrong)[2] == (
            f"The provided destination config {text} is invalid."
        )
    nowhere = {"OnSuccess": {"Destination": arn("nowhere")}}
    assert refusal(put, FunctionName=name, DestinationConfig=nowhere)[2] == (
        f"The destination ARN {arn('nowhere')} is invalid."
    )
    put(FunctionName=name, DestinationConfig={"OnFailure": {"Destination": bucket}})
    put(FunctionName=name, MaximumRetryAttempts=0, MaximumEventAgeInSeconds=60)
    updated = aws.update_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": QUEUE}}
    )
    del updated["LastModified"]
    assert bare(updated)[1] == {
        "FunctionArn": arn(name, "$LATEST"),
        "MaximumRetryAttempts": 0,
        "MaximumEventAgeInSeconds": 60,
        "DestinationConfig": {"OnSuccess": {}, "OnFailure": {"Destination": QUEUE}},
    }
    replaced = put(FunctionName=name, MaximumRetryAttempts=1)
    assert "MaximumEventAgeInSeconds" not in replaced
    assert replaced["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
    listed = aws.list_function_event_invoke_configs(FunctionName=name)
    assert [c["MaximumRetryAttempts"] for c in listed["FunctionEventInvokeConfigs"]] == [1]
    assert bare(aws.delete_function_event_invoke_config(FunctionName=name))[0] == 204
    for call in (aws.get_function_event_invoke_config, aws.delete_function_event_invoke_config):
        assert refusal(call, FunctionName=name)[2] == (
            f"The function {arn(name, '$LATEST')} doesn't have an EventInvokeConfig"
        )


def test_function_urls(aws, create, name):
    create(name, Publish=True)
    aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    status, made = bare(aws.create_function_url_config(FunctionName=name, AuthType="NONE"))
    assert status == 201
    assert "InvokeMode" not in made
    # Where it can be reached is the gateway's word, and the machine's: `test_function_urls`.
    assert re.fullmatch(
        r"http://([a-z0-9]{32}\.lambda-url\.us-east-1\.localhost|127\.0\.0\.1):\d+/",
        made["FunctionUrl"],
    )
    assert refusal(aws.create_function_url_config, FunctionName=name, AuthType="NONE") == (
        "ResourceConflictException",
        409,
        (
            f"Failed to create function url config for [functionArn = {arn(name)}]. Error message:  "
            "FunctionUrlConfig exists for this Lambda function"
        ),
    )
    aws.create_function_url_config(
        FunctionName=name, Qualifier="live", AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM",
        Cors={"AllowOrigins": ["*"], "MaxAge": 5},
    )  # fmt: skip
    updated = aws.update_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")
    assert updated["InvokeMode"] == "RESPONSE_STREAM"
    assert updated["Cors"] == {"AllowOrigins": ["*"], "MaxAge": 5}
    assert aws.get_function_url_config(FunctionName=name)["InvokeMode"] == "BUFFERED"
    listed = aws.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]
    assert {each["FunctionArn"] for each in listed} == {arn(name), arn(name, "live")}
    assert refusal(aws.create_function_url_config, FunctionName="nope", AuthType="NONE")[2] == (
        "Function does not exist"
    )
    aws.delete_alias(FunctionName=name, Name="live")
    assert refusal(aws.get_function_url_config, FunctionName=name, Qualifier="live")[2] == (
        "The resource you requested does not exist."
    )
    assert bare(aws.delete_function_url_config(FunctionName=name))[0] == 204


STREAM = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/events"


def test_event_source_mappings_of_a_queue(aws, create, name, until):
    create(name)
    status, made = bare(
        aws.create_event_source_mapping(FunctionName=name, EventSourceArn=QUEUE, Enabled=False)
    )
    assert status == 202
    made.pop("LastModified")
    uuid = made["UUID"]
    assert made == {
        "UUID": uuid,
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "EventSourceArn": QUEUE,
        "FunctionArn": arn(name),
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
        "FunctionResponseTypes": [],
        "EventSourceMappingArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{uuid}",
    }
    assert refusal(aws.delete_event_source_mapping, UUID=uuid) == (
        "ResourceInUseException",
        400,
        "Cannot delete the event source mapping because it is in use.",
    )
    until(lambda: aws.get_event_source_mapping(UUID=uuid)["State"] == "Disabled")
    assert refusal(aws.create_event_source_mapping, FunctionName=name, EventSourceArn=QUEUE) == (
        "ResourceConflictException",
        409,
        (
            f'An event source mapping with SQS arn (" {QUEUE} ") and function (" {name} ") already '
            f"exists. Please update or delete the existing mapping with UUID {uuid}"
        ),
    )
    update = aws.update_event_source_mapping(UUID=uuid, BatchSize=5)
    assert (update["State"], update["BatchSize"]) == ("Updating", 5)
    until(lambda: aws.get_event_source_mapping(UUID=uuid)["State"] == "Disabled")
    listed = aws.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    assert [each["UUID"] for each in listed] == [uuid]
    aws.tag_resource(Resource=made["EventSourceMappingArn"], Tags={"a": "b"})
    assert aws.list_tags(Resource=made["EventSourceMappingArn"])["Tags"] == {"a": "b"}
    assert bare(aws.delete_event_source_mapping(UUID=uuid))[0] == 202

    def gone():
        try:
            aws.get_event_source_mapping(UUID=uuid)
        except aws.exceptions.ResourceNotFoundException as error:
            return error.response["Error"]["Message"]
        return None

    assert until(gone) == "The resource you requested does not exist."


def test_a_mapping_of_a_stream_shows_its_defaults(aws, create, name, until):
    create(name)
    made = aws.create_event_source_mapping(
        FunctionName=name, EventSourceArn=STREAM, StartingPosition="LATEST", Enabled=False
    )
    try:
        uuid = made["UUID"]
        del made["LastModified"]
        assert bare(made) == (
            202,
            {
                "UUID": uuid,
                "StartingPosition": "LATEST",
                "BatchSize": 100,
                "MaximumBatchingWindowInSeconds": 0,
                "ParallelizationFactor": 1,
                "EventSourceArn": STREAM,
                "FunctionArn": arn(name),
                "LastProcessingResult": "No records processed",
                "State": "Creating",
                "StateTransitionReason": "User action",
                "DestinationConfig": {"OnFailure": {}},
                "MaximumRecordAgeInSeconds": -1,
                "BisectBatchOnFunctionError": False,
                "MaximumRetryAttempts": -1,
                "TumblingWindowInSeconds": 0,
                "FunctionResponseTypes": [],
                "EventSourceMappingArn": (
                    f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{uuid}"
                ),
            },
        )
    finally:
        until(lambda: aws.get_event_source_mapping(UUID=made["UUID"])["State"] == "Disabled")
        aws.delete_event_source_mapping(UUID=made["UUID"])


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({}, "Unrecognized event source."),
        ({"EventSourceArn": "arn:aws:s3:::x"}, "Unrecognized event source."),
        (
            {"EventSourceArn": QUEUE, "DestinationConfig": {"OnFailure": {"Destination": QUEUE}}},
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ),
        (
            {
                "EventSourceArn": STREAM,
                "StartingPosition": "LATEST",
                "DestinationConfig": {"OnSuccess": {"Destination": QUEUE}},
            },
            "Unsupported DestinationConfig parameter for given event source mapping type.",
        ),
        (
            {
                "EventSourceArn": STREAM,
                "StartingPosition": "LATEST",
                "DestinationConfig": {"OnFailure": {}},
            },
            "The Destination field is required for an OnFailure configuration.",
        ),
        (
            {"EventSourceArn": QUEUE, "BatchSize": 11},
            (
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
                "greater than 10"
            ),
        ),
        (
            {"EventSourceArn": QUEUE, "FilterCriteria": {"Filters": [{"Pattern": '{"a": 1}'}]}},
            "Invalid filter pattern definition.",
        ),
        (
            {"EventSourceArn": STREAM},
            (
                "1 validation error detected: Value null at 'startingPosition' failed to satisfy "
                "constraint: Member must not be null."
            ),
        ),
        (
            {
                "EventSourceArn": "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/1",
                "StartingPosition": "AT_TIMESTAMP",
                "StartingPositionTimestamp": 1,
            },
            (
                "Unsupported starting position for arn type: "
                "arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/1"
            ),
        ),
        ({"EventSourceArn": QUEUE, "FunctionName": "nope"}, "Function does not exist"),
    ],
)
def test_what_a_mapping_may_not_be(aws, create, name, members, text):
    create(name)
    asked = {"FunctionName": name, **members}
    assert refusal(aws.create_event_source_mapping, **asked) == (
        "InvalidParameterValueException",
        400,
        text,
    )
