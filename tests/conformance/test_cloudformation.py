"""Stacks with boto3 and the AWS CLI against a live server: made, changed, taken back, deleted."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import uuid

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

FAST = {"Delay": 0.2, "MaxAttempts": 500}
CODE = "def handler(event, context):\n    return {text!r}\n"
IMPATIENT = (
    "import sys, time; sleep = time.sleep; time.sleep = lambda s: sleep(min(s, 0.1)); "
    "from awscli.clidriver import main; sys.exit(main())"
)
"""The AWS CLI, whose waiters sleep for 5 and 30 s between two looks, looking more often."""
PYTHON = f"python3.{sys.version_info.minor}"


def template(text="one", *, memory=128, outputs=True, **more):
    """A function with all that usually stands beside it."""
    resources = {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "lambda.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                }
            },
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": PYTHON,
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "MemorySize": str(memory),
                "Code": {"ZipFile": CODE.format(text=text)},
                "Environment": {"Variables": {"STAGE": {"Ref": "Stage"}}},
                "Tags": [{"Key": "team", "Value": "ml"}],
            },
        },
        "Logs": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {
                "LogGroupName": {"Fn::Sub": "/aws/lambda/${Function}"},
                "RetentionInDays": 7,
            },
        },
        f"Version{text.capitalize()}": {
            "Type": "AWS::Lambda::Version",
            "Properties": {"FunctionName": {"Ref": "Function"}},
        },
        "Live": {
            "Type": "AWS::Lambda::Alias",
            "Properties": {
                "FunctionName": {"Ref": "Function"},
                "Name": "live",
                "FunctionVersion": {"Fn::GetAtt": [f"Version{text.capitalize()}", "Version"]},
            },
        },
        **more,
    }
    document = {
        "Parameters": {
            "Stage": {"Type": "String", "Default": "dev", "AllowedValues": ["dev", "prod"]}
        },
        "Resources": resources,
    }
    if outputs:
        document["Outputs"] = {
            "Arn": {"Value": {"Fn::GetAtt": ["Function", "Arn"]}, "Description": "the function's"},
            "Name": {"Value": {"Ref": "Function"}},
        }
    return json.dumps(document)


IAM = ["CAPABILITY_IAM"]


@pytest.fixture
def cloudformation(server):
    client = boto3.client(
        "cloudformation",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}),
    )
    yield client
    client.close()


@pytest.fixture
def stack_name():
    return f"stack-{uuid.uuid4().hex[:8]}"


def done(cloudformation, stack_name, waiter):
    cloudformation.get_waiter(waiter).wait(StackName=stack_name, WaiterConfig=FAST)
    return cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]


def status(cloudformation, stack_name):
    return cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]["StackStatus"]


def answer(server, name, qualifier="live"):
    found = server.client.invoke(FunctionName=name, Qualifier=qualifier)
    return json.loads(found["Payload"].read())


@pytest.mark.slow
def test_a_stack_is_made_changed_and_deleted(server, cloudformation, stack_name):
    cloudformation.create_stack(
        StackName=stack_name,
        TemplateBody=template(),
        Capabilities=IAM,
        Tags=[{"Key": "a", "Value": "b"}],
    )
    stack = done(cloudformation, stack_name, "stack_create_complete")
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    name = outputs["Name"]
    assert name.startswith(f"{stack_name}-Function-")
    assert answer(server, name) == "one"
    configuration = server.client.get_function(FunctionName=name)
    assert configuration["Configuration"]["Environment"]["Variables"] == {"STAGE": "dev"}
    assert configuration["Tags"] == {"team": "ml", "a": "b"}

    with pytest.raises(ClientError, match="No updates are to be performed"):
        cloudformation.update_stack(
            StackName=stack_name,
            TemplateBody=template(),
            Capabilities=IAM,
            Tags=[{"Key": "a", "Value": "b"}],
        )
    cloudformation.update_stack(
        StackName=stack_name,
        TemplateBody=template("two", memory=256),
        Capabilities=IAM,
        Parameters=[{"ParameterKey": "Stage", "ParameterValue": "prod"}],
    )
    done(cloudformation, stack_name, "stack_update_complete")
    assert answer(server, name) == "two"
    configuration = server.client.get_function_configuration(FunctionName=name)
    assert configuration["MemorySize"] == 256
    assert configuration["Environment"]["Variables"] == {"STAGE": "prod"}
    versions = server.client.list_versions_by_function(FunctionName=name)["Versions"]
    assert [one["Version"] for one in versions] == ["$LATEST", "2"]  # 1 went with its resource

    stack_id = stack["StackId"]
    cloudformation.delete_stack(StackName=stack_name)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig=FAST)
    with pytest.raises(server.client.exceptions.ResourceNotFoundException):
        server.client.get_function(FunctionName=name)
    with pytest.raises(ClientError, match=f"Stack with id {stack_name} does not exist"):
        cloudformation.describe_stacks(StackName=stack_name)
    events = cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"]
    assert events[0]["ResourceStatus"] == "DELETE_COMPLETE"
    assert {"CREATE_IN_PROGRESS", "UPDATE_COMPLETE"} <= {one["ResourceStatus"] for one in events}


@pytest.mark.slow
def test_what_fails_is_taken_back(server, cloudformation, stack_name, until):
    bad = {
        "Broken": {
            "Type": "AWS::Lambda::Alias",
            "Properties": {
                "FunctionName": {"Ref": "Function"},
                "Name": "x",
                "FunctionVersion": "77",
            },
        }
    }
    cloudformation.create_stack(
        StackName=stack_name, TemplateBody=template(**bad), Capabilities=IAM
    )
    with pytest.raises(WaiterError):
        done(cloudformation, stack_name, "stack_create_complete")
    until(lambda: status(cloudformation, stack_name) == "ROLLBACK_COMPLETE")
    names = [one["FunctionName"] for one in server.client.list_functions(MaxItems=50)["Functions"]]
    assert not [name for name in names if name.startswith(stack_name)]
    events = cloudformation.describe_stack_events(StackName=stack_name)["StackEvents"]
    failed = next(one for one in events if one["ResourceStatus"] == "CREATE_FAILED")
    assert failed["LogicalResourceId"] == "Broken"
    assert "77" in failed["ResourceStatusReason"]
    cloudformation.delete_stack(StackName=stack_name)


@pytest.mark.slow
def test_a_failed_update_leaves_the_stack_as_it_was(server, cloudformation, stack_name, until):
    cloudformation.create_stack(StackName=stack_name, TemplateBody=template(), Capabilities=IAM)
    stack = done(cloudformation, stack_name, "stack_create_complete")
    name = next(one["OutputValue"] for one in stack["Outputs"] if one["OutputKey"] == "Name")
    bad = {
        "Broken": {
            "Type": "AWS::Lambda::Permission",
            "DependsOn": "Live",
            "Properties": {"FunctionName": {"Ref": "Function"}, "Action": "lambda:InvokeFunction", "Principal": "nobody at all"},
        },
        "Alias": {
            "Type": "AWS::Lambda::Alias",
            "DependsOn": "Live",
            "Properties": {"FunctionName": {"Ref": "Function"}, "Name": "y", "FunctionVersion": "99"},
        },
    }  # fmt: skip
    cloudformation.update_stack(
        StackName=stack_name, TemplateBody=template("two", memory=512, **bad), Capabilities=IAM
    )
    with pytest.raises(WaiterError):
        done(cloudformation, stack_name, "stack_update_complete")
    until(lambda: status(cloudformation, stack_name).startswith("UPDATE_ROLLBACK_C"))
    until(lambda: status(cloudformation, stack_name) == "UPDATE_ROLLBACK_COMPLETE")
    assert answer(server, name) == "one"
    assert answer(server, name, "$LATEST") == "one"
    assert server.client.get_function_configuration(FunctionName=name)["MemorySize"] == 128
    cloudformation.delete_stack(StackName=stack_name)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=stack["StackId"], WaiterConfig=FAST
    )


@pytest.mark.slow
def test_the_aws_cli_deploys(server, stack_name, tmp_path):
    file = tmp_path / "template.json"

    def deploy(text, *more):
        file.write_text(text)
        environ = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        command = [sys.executable, "-c", IMPATIENT, "cloudformation", "deploy"]
        command += ["--stack-name", stack_name, "--template-file", file]
        command += ["--capabilities", "CAPABILITY_IAM", *more]
        return subprocess.run(
            command, env=environ, text=True, capture_output=True, timeout=240, check=False
        )

    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": {"Ref": "Days"}}}
    text = {
        "Parameters": {"Days": {"Type": "Number", "Default": 1}},
        "Resources": {"Group": group},
    }
    made = deploy(json.dumps(text), "--parameter-overrides", "Days=7")
    assert made.returncode == 0, made.stderr
    assert "Successfully created/updated stack" in made.stdout
    again = deploy(
        json.dumps(text), "--no-fail-on-empty-changeset", "--parameter-overrides", "Days=7"
    )
    assert again.returncode == 0, again.stderr
    assert "No changes to deploy" in again.stdout
    refused = deploy(json.dumps(text | {"Surprise": 1}))
    assert refused.returncode != 0
    assert "Surprise" in refused.stderr


@pytest.mark.slow
def test_sam_templates_are_transformed(server, cloudformation, stack_name):
    text = f"""
Transform: AWS::Serverless-2016-10-31
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: {PYTHON}
      Handler: index.handler
      AutoPublishAlias: live
      InlineCode: |
        def handler(event, context):
            return "from sam"
Outputs:
  Name:
    Value: !Ref Hello
"""
    with pytest.raises(ClientError, match="CAPABILITY_AUTO_EXPAND"):
        cloudformation.create_stack(StackName=stack_name, TemplateBody=text, Capabilities=IAM)
    cloudformation.create_stack(
        StackName=stack_name, TemplateBody=text, Capabilities=[*IAM, "CAPABILITY_AUTO_EXPAND"]
    )
    stack = done(cloudformation, stack_name, "stack_create_complete")
    assert answer(server, stack["Outputs"][0]["OutputValue"]) == "from sam"
    resources = cloudformation.list_stack_resources(StackName=stack_name)["StackResourceSummaries"]
    kinds = {one["ResourceType"] for one in resources}
    assert {
        "AWS::Lambda::Function",
        "AWS::Lambda::Version",
        "AWS::Lambda::Alias",
        "AWS::IAM::Role",
    } == kinds
    original = cloudformation.get_template(StackName=stack_name)["TemplateBody"]
    assert original.strip() == text.strip()
    processed = cloudformation.get_template(StackName=stack_name, TemplateStage="Processed")
    assert processed["TemplateBody"]["Resources"]["Hello"]["Type"] == "AWS::Lambda::Function"
    cloudformation.delete_stack(StackName=stack_name)


@pytest.mark.slow
def test_apis_of_a_sam_template_are_served(server, cloudformation, stack_name, until):
    """REST and HTTP, implicit and declared, with a Lambda authorizer; outputs name where they are."""
    routed = {
        "A": {"Type": "Api", "Properties": {"Path": "/hello", "Method": "get"}},
        "R": {"Type": "Api", "Properties": {"Path": "/r/{id}", "Method": "any", "RestApiId": {"Ref": "Rest"}}},
        "H": {"Type": "HttpApi", "Properties": {"Path": "/h", "Method": "get", "ApiId": {"Ref": "Http"}, "Auth": {"Authorizer": "L"}}},
        "D": {"Type": "HttpApi"},
    }  # fmt: skip
    authorizer = {
        "FunctionArn": {"Fn::GetAtt": ["Auth", "Arn"]}, "AuthorizerPayloadFormatVersion": "2.0",
        "Identity": {"Headers": ["X"]}, "EnableSimpleResponses": True,
    }  # fmt: skip

    def address(api, rest):
        host = f"https://${{{api}}}.execute-api.${{AWS::Region}}.amazonaws.com"
        return {"Value": {"Fn::Sub": host + rest}}

    shown = "import json\ndef handler(e, c):\n    return {'statusCode': 200, 'body': json.dumps([e.get('path') or e.get('rawPath'), e.get('stageVariables')])}\n"  # fmt: skip
    said = "def handler(e, c):\n    return {'isAuthorized': e['headers'].get('x') == '1'}\n"
    document = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Globals": {"Function": {"Runtime": PYTHON, "Handler": "index.handler"}},
        "Resources": {
            "Auth": {"Type": "AWS::Serverless::Function", "Properties": {"InlineCode": said}},
            "Rest": {"Type": "AWS::Serverless::Api", "Properties": {"StageName": "v1", "Cors": "'*'", "Variables": {"a": "b"}}},
            "Http": {"Type": "AWS::Serverless::HttpApi", "Properties": {"Auth": {"Authorizers": {"L": authorizer}}}},
            "F": {"Type": "AWS::Serverless::Function", "Properties": {"InlineCode": shown, "AutoPublishAlias": "live", "Events": routed}},
        },
        "Outputs": {
            "A": address("ServerlessRestApi", "/Prod/hello"), "R": address("Rest", "/v1/r/7"),
            "H": address("Http", "/h"), "D": address("ServerlessHttpApi", "/any"),
        },
    }  # fmt: skip
    capabilities = [*IAM, "CAPABILITY_AUTO_EXPAND"]
    cloudformation.create_stack(
        StackName=stack_name, TemplateBody=json.dumps(document), Capabilities=capabilities
    )
    stack = done(cloudformation, stack_name, "stack_create_complete")
    urls = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    def get(url, **headers):
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as found:
            return json.loads(found.read())

    assert get(urls["A"]) == ["/hello", None]
    assert get(urls["R"]) == ["/r/7", {"a": "b"}]
    assert get(urls["D"]) == ["/any", None]
    assert get(urls["H"], x="1") == ["/h", None]
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(urls["H"])
    with refused.value:
        assert refused.value.code == 401

    del routed["A"], document["Outputs"]["A"]
    document["Resources"]["Rest"]["Properties"]["Variables"] = {"a": "c"}
    cloudformation.update_stack(
        StackName=stack_name, TemplateBody=json.dumps(document), Capabilities=capabilities
    )
    done(cloudformation, stack_name, "stack_update_complete")
    assert get(urls["R"]) == ["/r/7", {"a": "c"}]
    cloudformation.delete_stack(StackName=stack_name)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=stack["StackId"], WaiterConfig=FAST
    )
    with urllib.request.urlopen(f"{server.url}/_lambent/gateways/") as found:
        assert stack_name not in found.read().decode()


def test_change_sets_tell_what_they_would_do(cloudformation, stack_name):
    made = cloudformation.create_change_set(
        StackName=stack_name,
        ChangeSetName="first",
        ChangeSetType="CREATE",
        TemplateBody=template(),
        Capabilities=IAM,
    )
    found = cloudformation.describe_change_set(ChangeSetName=made["Id"])
    assert found["Status"] == "CREATE_COMPLETE"
    changes = [one["ResourceChange"] for one in found["Changes"]]
    assert {one["Action"] for one in changes} == {"Add"}
    order = [one["LogicalResourceId"] for one in changes]
    assert (
        order.index("Role")
        < order.index("Function")
        < order.index("VersionOne")
        < order.index("Live")
    )
    stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
    assert stack["StackStatus"] == "REVIEW_IN_PROGRESS"
    cloudformation.delete_change_set(StackName=stack_name, ChangeSetName="first")
    with pytest.raises(cloudformation.exceptions.ChangeSetNotFoundException):
        cloudformation.describe_change_set(StackName=stack_name, ChangeSetName="first")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Member must have length|must be specified|well-formed|not a mapping"),
        ("Resources: [", "well-formed"),
        ("Outputs: {}", "At least one Resources member"),
        ('{"Resources":{"A":{}}}', "Type member"),
        ('{"Resources":{"A":{"Type":"AWS::EC2::Instance"}}}', r"Unrecognized resource types: \[AWS::EC2::Instance\]"),
        ('{"Resources":{"A":{"Type":"AWS::Logs::LogGroup","Properties":{"LogGroupName":{"Ref":"B"}}}}}', "Unresolved resource dependencies"),
        ('{"Resources":{"A":{"Type":"AWS::Logs::LogGroup","DependsOn":"B"},"B":{"Type":"AWS::Logs::LogGroup","DependsOn":"A"}}}', "Circular dependency"),
        ('{"Parameters":{"P":{"Type":"String"}},"Resources":{"A":{"Type":"AWS::Logs::LogGroup"}}}', r"Parameters: \[P\] must have values"),
        ('{"Resources":{"A":{"Type":"AWS::Logs::LogGroup","Properties":{"LogGroupName":{"Fn::Cidr":1}}}}}', "Fn::Cidr"),
        ('{"Parameters":{"P":{"Type":"String","Default":"a"}},"Rules":{"R":{"Assertions":[{"Assert":{"Fn::Contains":[["b"],{"Ref":"P"}]},"AssertDescription":"b it is"}]}},"Resources":{"A":{"Type":"AWS::Logs::LogGroup"}}}', "b it is"),
        ('{"Resources":{"A":{"Type":"AWS::Logs::LogGroup","Properties":5}}}', "Properties. is not an object"),
        ('{"Resources":{"A":{"Type":"AWS::Logs::LogGroup","DependsOn":{"B":1}}}}', "DependsOn"),
        ('{"Resources":{"A":{"Type":"AWS::Logs::LogGroup"}},"Outputs":{"O":5}}', "Output O is malformed"),
        ('{"Resources":{"A":{"Type":"AWS::Logs::LogGroup"}},"Rules":{"R":{"Assertions":5}}}', "Assertions"),
        ('{"Parameters":{"P":{"Type":"String","Default":"a","AllowedPattern":"("}},"Resources":{"A":{"Type":"AWS::Logs::LogGroup"}}}', "the parameter P has a constraint"),
        ('{"Parameters":{"P":{"Type":"Number","Default":1,"MinValue":"x"}},"Resources":{"A":{"Type":"AWS::Logs::LogGroup"}}}', "the parameter P has a constraint"),
        ('{"Surprise":1,"Resources":{"A":{"Type":"AWS::Logs::LogGroup"}}}', "Surprise"),
    ],
)  # fmt: skip
def test_templates_that_cannot_be(cloudformation, stack_name, text, said):
    with pytest.raises(ClientError, match=said) as refused:
        cloudformation.create_stack(StackName=stack_name, TemplateBody=text or " ")
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_roles_need_a_word(cloudformation, stack_name):
    with pytest.raises(cloudformation.exceptions.InsufficientCapabilitiesException):
        cloudformation.create_stack(StackName=stack_name, TemplateBody=template())


def test_exports_are_imported_and_guarded(cloudformation, stack_name):
    export = f"export-{stack_name}"
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": f"/x/{stack_name}"}}
    first = {
        "Resources": {"Group": group},
        "Outputs": {"Name": {"Value": {"Ref": "Group"}, "Export": {"Name": export}}},
    }
    second = {
        "Resources": {
            "Group": {
                "Type": "AWS::Logs::LogGroup",
                "Properties": {
                    "LogGroupName": {"Fn::Join": ["-", [{"Fn::ImportValue": export}, "2"]]}
                },
            }
        }
    }
    cloudformation.create_stack(StackName=stack_name, TemplateBody=json.dumps(first))
    done(cloudformation, stack_name, "stack_create_complete")
    exports = {one["Name"]: one["Value"] for one in cloudformation.list_exports()["Exports"]}
    assert exports[export] == f"/x/{stack_name}"
    other = f"{stack_name}-2"
    cloudformation.create_stack(StackName=other, TemplateBody=json.dumps(second))
    done(cloudformation, other, "stack_create_complete")
    assert cloudformation.list_imports(ExportName=export)["Imports"] == [other]
    with pytest.raises(ClientError, match="in use by"):
        cloudformation.delete_stack(StackName=stack_name)
    for name in (other, stack_name):
        stack_id = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        cloudformation.delete_stack(StackName=name)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=stack_id, WaiterConfig=FAST
        )


def test_an_unknown_action_and_a_protected_stack(cloudformation, stack_name):
    with pytest.raises(ClientError) as refused:
        cloudformation.list_types()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    body = json.dumps({"Resources": {"Group": {"Type": "AWS::Logs::LogGroup"}}})
    cloudformation.create_stack(
        StackName=stack_name, TemplateBody=body, EnableTerminationProtection=True
    )
    done(cloudformation, stack_name, "stack_create_complete")
    with pytest.raises(ClientError, match="TerminationProtection"):
        cloudformation.delete_stack(StackName=stack_name)
    cloudformation.update_termination_protection(
        StackName=stack_name, EnableTerminationProtection=False
    )
    cloudformation.delete_stack(StackName=stack_name)
