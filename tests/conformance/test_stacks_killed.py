"""A server that is killed in the middle of a stack: the next one says so, and can clear it away."""

import json
import signal
import sys

import boto3
import pytest
from botocore.config import Config

FAST = {"Delay": 0.2, "MaxAttempts": 500}
PYTHON = f"python3.{sys.version_info.minor}"


def cloudformation_of(server):
    return boto3.client(
        "cloudformation",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}),
    )


def template(count):
    """A chain of functions, each made after the one before: a fifth of a second each."""
    code = {"ZipFile": "def handler(e, c): pass\n"}
    role = "arn:aws:iam::123456789012:role/x"
    functions = {
        f"F{at}": {
            "Type": "AWS::Lambda::Function",
            **({"DependsOn": f"F{at - 1}"} if at else {}),
            "Properties": {
                "Code": code,
                "Role": role,
                "Runtime": PYTHON,
                "Handler": "index.handler",
            },
        }
        for at in range(count)
    }
    return json.dumps({"Resources": functions})


@pytest.mark.slow
def test_a_kill_in_the_middle(start_server, until):
    server = start_server(state_delay_s="0.2")
    cloudformation = cloudformation_of(server)
    cloudformation.create_stack(StackName="cut", TemplateBody=template(30))

    def made():
        found = cloudformation.list_stack_resources(StackName="cut")["StackResourceSummaries"]
        return [one for one in found if one["ResourceStatus"] == "CREATE_COMPLETE"]

    until(lambda: len(made()) >= 2)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait(30)
    cloudformation.close()

    again = start_server(state_delay_s="0.2")
    cloudformation = cloudformation_of(again)
    stack = cloudformation.describe_stacks(StackName="cut")["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_FAILED"
    assert "stopped" in stack["StackStatusReason"]
    known = {one["PhysicalResourceId"] for one in made()}
    there = {one["FunctionName"] for one in again.client.list_functions()["Functions"]}
    assert known <= there
    assert 2 <= len(known) < 30
    cloudformation.delete_stack(StackName="cut")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=stack["StackId"], WaiterConfig=FAST
    )
    left = {one["FunctionName"] for one in again.client.list_functions()["Functions"]}
    assert left == set(), "what was being made when the server died is nobody's"
    cloudformation.close()
