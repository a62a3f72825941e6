"""CreateChangeSet, DescribeChangeSet, ExecuteChangeSet, DeleteChangeSet, ListChangeSets."""

from __future__ import annotations

from typing import Any

import msgspec

from lambent.api.cloudformation.stacks import moment, shown_parameters
from lambent.api.cloudformation.wanted import Asked, stacks_of, wanted
from lambent.api.context import Context
from lambent.api.operation import Answer, Operation
from lambent.errors import ChangeSetNotFound, StackError
from lambent.stacks.plan import Change
from lambent.stacks.stack import ChangeSet, Stack


class CreateChangeSet(Asked, frozen=True, kw_only=True, rename="pascal"):
    change_set_name: str
    change_set_type: str = "UPDATE"
    description: str = ""
    on_stack_failure: str = ""


class Named(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    change_set_name: str
    stack_name: str | None = None


class ExecuteChangeSet(Named, frozen=True, kw_only=True, rename="pascal"):
    disable_rollback: bool = False


class ListChangeSets(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    stack_name: str


async def create_change_set(ctx: Context, req: CreateChangeSet) -> Answer:
    stacks = stacks_of(ctx)
    try:
        current = stacks.book.find(ctx.account, ctx.region, req.stack_name)
    except StackError:
        current = None
    stack, change_set = await stacks.change_sets.create(
        ctx.account,
        ctx.region,
        req.stack_name,
        req.change_set_name,
        await wanted(ctx, req, current),
        kind=req.change_set_type,
        description=req.description,
        on_failure=req.on_stack_failure,
    )
    return {"Id": change_set.change_set_id, "StackId": stack.stack_id}


async def describe_change_set(ctx: Context, req: Named) -> Answer:
    stack, found = stacks_of(ctx).change_sets.find(
        ctx.account, ctx.region, req.change_set_name, req.stack_name
    )
    return {
        **_summary(stack, found),
        "Parameters": shown_parameters(found.template, found.parameters),
        "NotificationARNs": stack.notifications,
        "Capabilities": found.capabilities,
        "Tags": [{"Key": key, "Value": value} for key, value in found.tags.items()],
        "Changes": [_change(one) for one in found.changes],
        "OnStackFailure": found.on_failure or None,
    }


async def execute_change_set(ctx: Context, req: ExecuteChangeSet) -> Answer:
    stacks = stacks_of(ctx)
    stack, change_set = stacks.change_sets.find(
        ctx.account, ctx.region, req.change_set_name, req.stack_name
    )
    await stacks.change_sets.execute(
        stack, change_set, ctx.access_key, disable_rollback=req.disable_rollback
    )
    return None


async def delete_change_set(ctx: Context, req: Named) -> Answer:
    """One that does not exist is as good as deleted."""
    stacks = stacks_of(ctx)
    try:
        stack, found = stacks.change_sets.find(
            ctx.account, ctx.region, req.change_set_name, req.stack_name
        )
    except ChangeSetNotFound:
        return None
    await stacks.change_sets.delete(stack, found)
    return None


async def list_change_sets(ctx: Context, req: ListChangeSets) -> Answer:
    stack = stacks_of(ctx).book.find(ctx.account, ctx.region, req.stack_name)
    return {"Summaries": [_summary(stack, one) for one in stack.change_sets.values()]}


def _summary(stack: Stack, found: ChangeSet) -> dict[str, Any]:
    return {
        "ChangeSetId": found.change_set_id,
        "ChangeSetName": found.name,
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "Description": found.description or None,
        "CreationTime": moment(found.created_ms),
        "ExecutionStatus": found.execution,
        "Status": found.status,
        "StatusReason": found.reason or None,
        "IncludeNestedStacks": False,
    }


def _change(one: Change) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "Action": one.action,
        "LogicalResourceId": one.logical_id,
        "PhysicalResourceId": one.physical_id or None,
        "ResourceType": one.kind,
        "Replacement": one.replacement or None,
        "Scope": ["Properties"] if one.properties else [],
        "Details": [
            {
                "Target": {
                    "Attribute": "Properties",
                    "Name": name,
                    "RequiresRecreation": {"True": "Always", "Conditional": "Conditionally"}.get(
                        one.replacement, "Never"
                    ),
                },
                "Evaluation": "Static",
                "ChangeSource": "DirectModification",
            }
            for name in one.properties
        ],
    }
    return {"Type": "Resource", "ResourceChange": resource}


OPERATIONS = (
    Operation("CreateChangeSet", CreateChangeSet, create_change_set),
    Operation("DescribeChangeSet", Named, describe_change_set),
    Operation("ExecuteChangeSet", ExecuteChangeSet, execute_change_set),
    Operation("DeleteChangeSet", Named, delete_change_set),
    Operation("ListChangeSets", ListChangeSets, list_change_sets),
)
