"""Roles made through IAM's API: the usual script, what they allow, and stacks that make them."""

import json
import uuid

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

KEYS = {"AKIAIOSFODNN7EXAMPLE": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
CODE = """
import boto3, os
def handler(event, context):
    client = boto3.client("lambda", endpoint_url=event["url"])
    try:
        return client.get_account_settings()["AccountLimit"]["TotalCodeSize"] > 0
    except client.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
"""


def client_of(url, service, key="test", secret="test"):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 0}),
    )


def allow(action):
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def iam(server):
    client = client_of(server.url, "iam")
    yield client
    client.close()


def test_a_role_is_made_described_and_deleted(server, iam, name, archive):
    made = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=TRUST, Description="d",
        Tags=[{"Key": "a", "Value": "b"}],
    )["Role"]  # fmt: skip
    assert made["Arn"] == f"arn:aws:iam::123456789012:role/{name}"
    assert made["AssumeRolePolicyDocument"] == json.loads(TRUST)
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    iam.attach_role_policy(RoleName=name, PolicyArn=BASIC)
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=allow("s3:GetObject"))
    found = iam.get_role_policy(RoleName=name, PolicyName="p")["PolicyDocument"]
    assert found == json.loads(allow("s3:GetObject"))
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert [one["PolicyArn"] for one in attached] == [BASIC]
    own = iam.create_policy(PolicyName=name, PolicyDocument=allow("sqs:*"))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=own)
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_policy(PolicyArn=own)
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_role(RoleName=name)
    server.client.create_function(
        FunctionName=name, Role=made["Arn"], Runtime="python3.12", Handler="a.b",
        Code={"ZipFile": archive({"a.py": ""})},
    )  # fmt: skip
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    for arn in (BASIC, own):
        iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    iam.delete_policy(PolicyArn=own)
    iam.delete_role(RoleName=name)
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName=name)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda iam: iam.create_role(RoleName="a b", AssumeRolePolicyDocument=TRUST), "ValidationError"),
        (lambda iam: iam.create_role(RoleName="x", AssumeRolePolicyDocument="{"), "MalformedPolicyDocument"),
        (lambda iam: iam.create_policy(PolicyName="x", PolicyDocument=TRUST), "MalformedPolicyDocument"),
        (lambda iam: iam.put_role_policy(RoleName="nobody", PolicyName="p", PolicyDocument=allow("*")), "NoSuchEntity"),
        (lambda iam: iam.attach_role_policy(RoleName="nobody", PolicyArn="arn:aws:iam::123456789012:policy/none"), "NoSuchEntity"),
        (lambda iam: iam.create_user(UserName="u"), "CreateUser is not available"),
    ],
)  # fmt: skip
def test_what_is_refused(iam, call, code):
    with pytest.raises(ClientError, match=code):
        call(iam)


@pytest.mark.slow
def test_a_role_decides_what_a_function_may_do(start_server):
    """Also after a restart, and at once when it is changed."""
    server = start_server(auth="sigv4", auth_keys=json.dumps(KEYS), network="host")
    ((key, secret),) = KEYS.items()
    server.client.close()
    server.client = server.boto3(key=key, secret=secret)
    iam = client_of(server.url, "iam", key, secret)
    name = f"role-{uuid.uuid4().hex[:8]}"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    server.function("caller", CODE, Role=arn)
    asked = {"url": server.url}
    assert server.invoke("caller", asked) == "AccessDeniedException"
    iam.put_role_policy(
        RoleName=name, PolicyName="p", PolicyDocument=allow("lambda:GetAccountSettings")
    )
    assert server.invoke("caller", asked) is True
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    assert server.invoke("caller", asked) == "AccessDeniedException"
    iam.close()


@pytest.mark.slow
def test_a_stack_may_do_what_its_maker_may(start_server, tmp_path):
    """Also when it makes roles, reads a bucket's code, and is asked who it is."""
    users = {
        "maker": {
            "AccessKeys": {"AKIAMAKEREXAMPLE": "makers-secret"},
            "Policies": [json.loads(allow("cloudformation:*"))],
        }
    }
    file = tmp_path / "iam.json"
    file.write_text(json.dumps({"Users": users}))
    server = start_server(auth="sigv4", auth_keys=json.dumps(KEYS), iam_file=file)
    made = "AKIAMAKEREXAMPLE", "makers-secret"
    ((key, secret),) = KEYS.items()
    root = client_of(server.url, "s3", key, secret)
    root.create_bucket(Bucket="theirs")
    root.put_object(Bucket="theirs", Key="template", Body=b'{"Resources": {}}')
    cloudformation = client_of(server.url, "cloudformation", *made)
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": json.loads(TRUST)}}
    cloudformation.create_stack(
        StackName="s", TemplateBody=json.dumps({"Resources": {"Role": role}}),
        Capabilities=["CAPABILITY_IAM"],
    )  # fmt: skip
    with pytest.raises(WaiterError):
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName="s", WaiterConfig={"Delay": 0.2, "MaxAttempts": 100}
        )
    events = cloudformation.describe_stack_events(StackName="s")["StackEvents"]
    said = " ".join(one.get("ResourceStatusReason", "") for one in events)
    assert "is not authorized to perform: iam:CreateRole" in said
    with pytest.raises(ClientError, match="not authorized to perform: s3:GetObject"):
        cloudformation.create_stack(StackName="t", TemplateURL=f"{server.url}/theirs/template")
    s3, sts, iam = [client_of(server.url, one, *made) for one in ("s3", "sts", "iam")]
    for call in (
        lambda: s3.get_object(Bucket="theirs", Key="template"),
        lambda: s3.copy_object(Bucket="theirs", Key="copy", CopySource="theirs/template"),
        s3.list_buckets,
        lambda: iam.create_role(RoleName="x", AssumeRolePolicyDocument=TRUST),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            call()
    assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/maker"
    for client in (root, cloudformation, s3, sts, iam):
        client.close()
