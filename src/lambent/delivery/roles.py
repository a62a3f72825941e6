"""The execution role of a function: taken, made on AWS, or a placeholder elsewhere.

On AWS a role called `lambent-<function>` gets AWSLambdaBasicExecutionRole and what the template's
Policies say. Other servers do not check roles, so an ARN of the right form is enough.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from lambent.delivery.aws import Aws
from lambent.delivery.problem import Problem
from lambent.delivery.template import FunctionPlan

_BASIC = "AWSLambdaBasicExecutionRole"
_SERVICE_ROLES = "arn:aws:iam::aws:policy/service-role/"
_MANAGED = "arn:aws:iam::aws:policy/"
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


def role_arn(aws: Aws, plan: FunctionPlan) -> str:
    """The ARN to create the function with."""
    if plan.role and plan.role.startswith("arn:"):
        return plan.role
    name = plan.role or f"lambent-{plan.name}"[:64]
    if not aws.is_aws:
        return f"arn:aws:iam::123456789012:role/{name}"
    iam = aws.client("iam")
    try:
        return str(iam.get_role(RoleName=name)["Role"]["Arn"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity" or plan.role:
            raise
    return _make(iam, name, plan)


def _make(iam: Any, name: str, plan: FunctionPlan) -> str:
    for policy in plan.policies:
        if not isinstance(policy, str) and "Statement" not in policy:
            raise Problem(
                "POLICY_TEMPLATE",
                f"{plan.name}: the SAM policy template {next(iter(policy))} is not read here",
                fix="write its Statement, name a managed policy, or give --role ARN",
            )
    made = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(_TRUST),
        Description=f"Execution role of {plan.name}, made by lambent",
    )
    iam.attach_role_policy(RoleName=name, PolicyArn=_SERVICE_ROLES + _BASIC)
    for index, policy in enumerate(plan.policies):
        if isinstance(policy, str):
            arn = policy if policy.startswith("arn:") else _managed(policy)
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        else:
            document = json.dumps({"Version": "2012-10-17", **policy})
            iam.put_role_policy(
                RoleName=name, PolicyName=f"template-{index}", PolicyDocument=document
            )
    iam.get_waiter("role_exists").wait(RoleName=name)
    return str(made["Role"]["Arn"])


def _managed(name: str) -> str:
    return (_SERVICE_ROLES if name.startswith("AWSLambda") else _MANAGED) + name
