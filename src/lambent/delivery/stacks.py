"""CloudFormation stacks: planned as a change set, executed, followed, deleted.

boto3 and nothing else: the endpoint is the whole difference between here and AWS.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError, WaiterError

from lambent.delivery.aws import Aws
from lambent.delivery.problem import Problem

Progress = Callable[[str], None]

CAPABILITIES: Final = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
BODY_LIMIT: Final = 51_200
"""Bytes of a template in a request; larger ones lie in S3."""
_EMPTY: Final = ("didn't contain changes", "No updates are to be performed")
_UNMADE: Final = frozenset({"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"})
"""States of a stack that has no resources, so that it is made anew."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a change set."""

    action: str
    logical_id: str
    kind: str
    replacement: str
    properties: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "resource": self.logical_id,
            "type": self.kind,
            "replacement": self.replacement or None,
            "properties": list(self.properties),
        }


@dataclass(frozen=True, slots=True)
class Planned:
    """A change set that waits to be executed."""

    stack: str
    change_set: str
    creates: bool
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """What a stack shall be."""

    text: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None
    """Where it lies in S3, if it is too large for a request."""


def describe(aws: Aws, name: str) -> dict[str, Any] | None:
    """DescribeStacks' answer for one; None without such a stack."""
    try:
        found: dict[str, Any] = aws.client("cloudformation").describe_stacks(StackName=name)
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    stack: dict[str, Any] = found["Stacks"][0]
    return stack


def exists(aws: Aws, name: str) -> bool:
    """Whether there is such a stack, with resources; someone who may not ask has none."""
    try:
        found = describe(aws, name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 404, 501):
            return False
        raise
    return found is not None and found["StackStatus"] not in _UNMADE


def resources(aws: Aws, name: str) -> list[tuple[str, str]]:
    """Logical id and type of what a stack is made of; raises `Problem` without such a stack."""
    if describe(aws, name) is None:
        raise Problem("STACK_MISSING", f"there is no stack {name}", fix="lambent deploy")
    pages = aws.client("cloudformation").get_paginator("list_stack_resources")
    return [
        (one["LogicalResourceId"], one["ResourceType"])
        for page in pages.paginate(StackName=name)
        for one in page["StackResourceSummaries"]
        if one["ResourceStatus"] != "DELETE_COMPLETE"
    ]


def outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}


def plan(
    aws: Aws, name: str, template: Template, progress: Progress = lambda _: None
) -> Planned | None:
    """A change set for it; None when nothing would change. Raises `Problem`."""
    client = aws.client("cloudformation")
    found = describe(aws, name)
    if found is not None and found["StackStatus"] == "ROLLBACK_COMPLETE":
        progress("removing what a failed creation left")
        delete(aws, name)
        found = None
    creates = found is None or found["StackStatus"] == "REVIEW_IN_PROGRESS"
    progress("planning the change")
    change_set = f"lambent-{uuid.uuid4().hex[:12]}"
    where = {"TemplateURL": template.url} if template.url else {"TemplateBody": template.text}
    made = client.create_change_set(
        StackName=name,
        ChangeSetName=change_set,
        ChangeSetType="CREATE" if creates else "UPDATE",
        Capabilities=list(CAPABILITIES),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in template.parameters.items()
        ],
        **where,
    )
    delay, attempts = (2, 300) if aws.is_aws else (0.1, 1200)
    try:
        client.get_waiter("change_set_create_complete").wait(
            ChangeSetName=made["Id"], WaiterConfig={"Delay": delay, "MaxAttempts": attempts}
        )
    except WaiterError as error:
        reason = str(error.last_response.get("StatusReason") or error)
        discard(aws, Planned(name, made["Id"], creates, ()))
        if any(text in reason for text in _EMPTY):
            return None
        raise Problem(
            "STACK_REFUSED", f"{name} cannot be changed so", why=reason, fix="mend the template"
        ) from None
    return Planned(name, made["Id"], creates, _changes(client, made["Id"]))


def _changes(client: Any, change_set: str) -> tuple[Change, ...]:
    found: list[Change] = []
    token: dict[str, str] = {}
    while True:
        answer = client.describe_change_set(ChangeSetName=change_set, **token)
        for one in answer["Changes"]:
            resource = one["ResourceChange"]
            targets = [detail["Target"] for detail in resource.get("Details", ())]
            found.append(
                Change(
                    resource["Action"],
                    resource["LogicalResourceId"],
                    resource["ResourceType"],
                    resource.get("Replacement", ""),
                    tuple(dict.fromkeys(t["Name"] for t in targets if t.get("Name"))),
                )
            )
        if "NextToken" not in answer:
            return tuple(found)
        token = {"NextToken": answer["NextToken"]}


def discard(aws: Aws, planned: Planned) -> None:
    """Throw a change set away, and the stack that was only made to have it."""
    client = aws.client("cloudformation")
    client.delete_change_set(ChangeSetName=planned.change_set)
    if planned.creates:
        client.delete_stack(StackName=planned.stack)


def execute(aws: Aws, planned: Planned, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Do it, and return the stack; raises `Problem` with the resources that failed and why."""
    client = aws.client("cloudformation")
    client.execute_change_set(ChangeSetName=planned.change_set)
    told: set[str] = set()
    before = describe(aws, planned.stack)
    since = before and (before.get("LastUpdatedTime") or before["CreationTime"])
    while True:
        stack = describe(aws, planned.stack)
        for event in _news(client, planned.stack, told, since):
            progress(f"{event['LogicalResourceId']} {event['ResourceStatus'].lower()}")
        if stack is None or not stack["StackStatus"].endswith("_IN_PROGRESS"):
            break
        time.sleep(2 if aws.is_aws else 0.1)
    if stack is None or stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise _failed(client, planned.stack, stack, since)
    return stack


def _news(client: Any, name: str, told: set[str], since: Any) -> list[dict[str, Any]]:
    """Events that were not told yet, oldest first."""
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    new = [
        one
        for one in reversed(events)
        if one["EventId"] not in told and (since is None or one["Timestamp"] >= since)
    ]
    told.update(one["EventId"] for one in new)
    return new


def _failed(client: Any, name: str, stack: Mapping[str, Any] | None, since: Any) -> Problem:
    events = _news(client, name, set(), since)
    reasons = [
        f"{one['LogicalResourceId']} ({one['ResourceType']}): {one.get('ResourceStatusReason', '')}"
        for one in events
        if one["ResourceStatus"].endswith("_FAILED")
        and one["ResourceType"] != "AWS::CloudFormation::Stack"
        and "cancelled" not in one.get("ResourceStatusReason", "")
    ]
    status = stack["StackStatus"] if stack else "gone"
    return Problem(
        "STACK_FAILED",
        f"the stack {name} was not deployed, and is {status}",
        why="; ".join(reasons) or str(stack and stack.get("StackStatusReason", "")),
        fix=f"aws cloudformation describe-stack-events --stack-name {name}",
    )


def delete(aws: Aws, name: str) -> None:
    """With everything in it; returns when it is gone. Raises `Problem`."""
    client = aws.client("cloudformation")
    found = describe(aws, name)
    if found is None:
        raise Problem("STACK_MISSING", f"there is no stack {name}", fix="lambent deploy")
    client.delete_stack(StackName=name)
    delay, attempts = (2, 900) if aws.is_aws else (0.1, 6000)
    try:
        client.get_waiter("stack_delete_complete").wait(
            StackName=found["StackId"], WaiterConfig={"Delay": delay, "MaxAttempts": attempts}
        )
    except WaiterError:
        raise _failed(client, found["StackId"], describe(aws, found["StackId"]), None) from None
