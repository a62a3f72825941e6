"""Stacks: create, update, cancel, continue a rollback, delete, describe, list, protect."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from lambent.api.cloudformation.wanted import Asked, stacks_of, wanted
from lambent.api.context import Context
from lambent.api.operation import Answer, Operation
from lambent.errors import StackError
from lambent.stacks import document
from lambent.stacks.stack import Stack

HIDDEN: Final = "****"


class CreateStack(Asked, frozen=True, kw_only=True, rename="pascal"):
    timeout_in_minutes: int | None = None
    disable_rollback: bool = False
    on_failure: str | None = None
    enable_termination_protection: bool = False


class UpdateStack(Asked, frozen=True, kw_only=True, rename="pascal"):
    disable_rollback: bool = False


class DeleteStack(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    stack_name: str
    retain_resources: list[str] = []
    deletion_mode: str = "STANDARD"


class Named(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    stack_name: str


class ContinueUpdateRollback(Named, frozen=True, kw_only=True, rename="pascal"):
    resources_to_skip: list[str] = []


class DescribeStacks(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    stack_name: str | None = None
    next_token: str | None = None


class ListStacks(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    stack_status_filter: list[str] = []
    next_token: str | None = None


class Protection(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    stack_name: str
    enable_termination_protection: bool


async def create_stack(ctx: Context, req: CreateStack) -> Answer:
    if req.on_failure is not None and req.disable_rollback:
        raise StackError("You can specify either DisableRollback or OnFailure, but not both.")
    on_failure = req.on_failure or ("DO_NOTHING" if req.disable_rollback else "ROLLBACK")
    stack = await stacks_of(ctx).stacks.create(
        ctx.account,
        ctx.region,
        req.stack_name,
        await wanted(ctx, req, None),
        on_failure=on_failure,
        protected=req.enable_termination_protection,
        timeout_minutes=req.timeout_in_minutes,
    )
    return {"StackId": stack.stack_id}


async def update_stack(ctx: Context, req: UpdateStack) -> Answer:
    stacks = stacks_of(ctx)
    try:
        stack = stacks.book.find(ctx.account, ctx.region, req.stack_name)
    except StackError:
        raise StackError(f"Stack [{req.stack_name}] does not exist") from None
    wish = await wanted(ctx, req, stack)
    await stacks.stacks.update(stack, wish, disable_rollback=req.disable_rollback)
    return {"StackId": stack.stack_id}


async def delete_stack(ctx: Context, req: DeleteStack) -> Answer:
    """A stack that does not exist is as good as deleted."""
    stacks = stacks_of(ctx)
    try:
        stack = stacks.book.find(ctx.account, ctx.region, req.stack_name)
    except StackError:
        return None
    await stacks.stacks.delete(stack, frozenset(req.retain_resources), ctx.access_key)
    return None


async def cancel_update_stack(ctx: Context, req: Named) -> Answer:
    rooms = stacks_of(ctx)
    await rooms.stacks.cancel_update(rooms.book.find(ctx.account, ctx.region, req.stack_name))
    return None


async def continue_update_rollback(ctx: Context, req: ContinueUpdateRollback) -> Answer:
    rooms = stacks_of(ctx)
    stack = rooms.book.find(ctx.account, ctx.region, req.stack_name)
    skipped = frozenset(req.resources_to_skip)
    await rooms.stacks.continue_rollback(stack, skipped, ctx.access_key)
    return {}


async def describe_stacks(ctx: Context, req: DescribeStacks) -> Answer:
    stacks = stacks_of(ctx)
    if req.stack_name is not None:
        found = [stacks.book.find(ctx.account, ctx.region, req.stack_name)]
    else:
        every = stacks.book.all(ctx.account, ctx.region)
        found = [stack for stack in every if stack.status != "DELETE_COMPLETE"]
    return {"Stacks": [description(stack) for stack in found]}


async def list_stacks(ctx: Context, req: ListStacks) -> Answer:
    wanted_states = set(req.stack_status_filter)
    found = [
        stack
        for stack in stacks_of(ctx).book.all(ctx.account, ctx.region)
        if not wanted_states or stack.status in wanted_states
    ]
    return {"StackSummaries": [_summary(stack) for stack in found]}


async def update_termination_protection(ctx: Context, req: Protection) -> Answer:
    stacks = stacks_of(ctx)
    stack = stacks.book.find(ctx.account, ctx.region, req.stack_name)
    await stacks.stacks.protect(stack, protected=req.enable_termination_protection)
    return {"StackId": stack.stack_id}


def description(stack: Stack) -> dict[str, Any]:
    """A stack as DescribeStacks shows it."""
    return {
        **_times(stack),
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason or None,
        "Description": stack.description or None,
        "Parameters": shown_parameters(stack.template, stack.parameters),
        "DisableRollback": stack.disable_rollback,
        "NotificationARNs": stack.notifications,
        "TimeoutInMinutes": stack.timeout_minutes,
        "RollbackConfiguration": {},
        "Capabilities": stack.capabilities,
        "RoleARN": stack.role_arn or None,
        "EnableTerminationProtection": stack.protected,
        "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        "Outputs": [
            {
                "OutputKey": one.key,
                "OutputValue": one.value,
                "Description": one.description or None,
                "ExportName": one.export or None,
            }
            for one in stack.outputs
        ],
    }


def shown_parameters(template: str, values: dict[str, str]) -> list[dict[str, str]]:
    """With NoEcho's hidden."""
    declared = document.read(template).parameters if template else {}
    return [
        {
            "ParameterKey": name,
            "ParameterValue": HIDDEN if name in declared and declared[name].no_echo else value,
        }
        for name, value in values.items()
    ]


def _summary(stack: Stack) -> dict[str, Any]:
    return {
        **_times(stack),
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason or None,
        "TemplateDescription": stack.description or None,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }


def _times(stack: Stack) -> dict[str, datetime | None]:
    return {
        "CreationTime": moment(stack.created_ms),
        "LastUpdatedTime": moment(stack.updated_ms) if stack.updated_ms else None,
        "DeletionTime": moment(stack.deleted_ms) if stack.deleted_ms else None,
    }


def moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


OPERATIONS = (
    Operation("CreateStack", CreateStack, create_stack),
    Operation("UpdateStack", UpdateStack, update_stack),
    Operation("DeleteStack", DeleteStack, delete_stack),
    Operation("CancelUpdateStack", Named, cancel_update_stack),
    Operation("ContinueUpdateRollback", ContinueUpdateRollback, continue_update_rollback),
    Operation("DescribeStacks", DescribeStacks, describe_stacks),
    Operation("ListStacks", ListStacks, list_stacks),
    Operation("UpdateTerminationProtection", Protection, update_termination_protection),
)
