"""DescribeStackEvents, DescribeStackResource(s), ListStackResources."""

from __future__ import annotations

import base64
from typing import Any, Final

import msgspec

from lambent.api.cloudformation.stacks import moment
from lambent.api.cloudformation.wanted import stacks_of
from lambent.api.context import Context
from lambent.api.operation import Answer, Operation
from lambent.errors import StackError
from lambent.stacks.stack import Event, Stack

PAGE: Final = 100


class Paged(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    stack_name: str
    next_token: str | None = None


class Resources(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    stack_name: str | None = None
    logical_resource_id: str | None = None
    physical_resource_id: str | None = None


async def describe_stack_events(ctx: Context, req: Paged) -> Answer:
    """Newest first."""
    stack = stacks_of(ctx).book.find(ctx.account, ctx.region, req.stack_name)
    newest = list(reversed(stack.events))
    start = _start(newest, req.next_token)
    page = newest[start : start + PAGE]
    more = start + PAGE < len(newest)
    token = base64.urlsafe_b64encode(page[-1].event_id.encode()).decode() if more else None
    return {"StackEvents": [_event(stack, one) for one in page], "NextToken": token}


def _start(newest: list[Event], token: str | None) -> int:
    """After the event that a token names: what came since shifts nothing."""
    if token is None:
        return 0
    try:
        last = base64.b64decode(token, b"-_", validate=True).decode()
        return next(at for at, one in enumerate(newest) if one.event_id == last) + 1
    except (ValueError, StopIteration):
        raise StackError("The NextToken is not one of this stack's") from None


async def describe_stack_resources(ctx: Context, req: Resources) -> Answer:
    stack = _stack(ctx, req)
    wanted = req.logical_resource_id
    found = [one for one in stack.resource_states.values() if wanted in (None, one.logical_id)]
    return {"StackResources": [_resource(stack, one, "Timestamp") for one in found]}


def _stack(ctx: Context, req: Resources) -> Stack:
    stacks = stacks_of(ctx)
    if req.stack_name is not None:
        return stacks.book.find(ctx.account, ctx.region, req.stack_name)
    for stack in stacks.book.all(ctx.account, ctx.region):
        if any(one.physical_id == req.physical_resource_id for one in stack.made.values()):
            return stack
    raise StackError(f"Stack for {req.physical_resource_id} does not exist")


async def describe_stack_resource(ctx: Context, req: Resources) -> Answer:
    stack = _stack(ctx, req)
    state = stack.resource_states.get(req.logical_resource_id or "")
    if state is None:
        raise StackError(
            f"Resource {req.logical_resource_id} does not exist for stack {stack.name}"
        )
    return {"StackResourceDetail": _resource(stack, state, "LastUpdatedTimestamp")}


async def list_stack_resources(ctx: Context, req: Paged) -> Answer:
    stack = stacks_of(ctx).book.find(ctx.account, ctx.region, req.stack_name)
    found = []
    for state in stack.resource_states.values():
        one = _resource(stack, state, "LastUpdatedTimestamp")
        for name in ("StackId", "StackName"):
            one.pop(name)
        found.append(one)
    return {"StackResourceSummaries": found}


def _event(stack: Stack, one: Event) -> dict[str, Any]:
    return {
        "StackId": stack.stack_id,
        "EventId": one.event_id,
        "StackName": stack.name,
        "LogicalResourceId": one.logical_id,
        "PhysicalResourceId": one.physical_id or None,
        "ResourceType": one.kind,
        "Timestamp": moment(one.time_ms),
        "ResourceStatus": one.status,
        "ResourceStatusReason": one.reason or None,
    }


def _resource(stack: Stack, state: Event, time_name: str) -> dict[str, Any]:
    return {
        "StackName": stack.name,
        "StackId": stack.stack_id,
        "LogicalResourceId": state.logical_id,
        "PhysicalResourceId": state.physical_id or None,
        "ResourceType": state.kind,
        time_name: moment(state.time_ms),
        "ResourceStatus": state.status,
        "ResourceStatusReason": state.reason or None,
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }


OPERATIONS = (
    Operation("DescribeStackEvents", Paged, describe_stack_events),
    Operation("DescribeStackResources", Resources, describe_stack_resources),
    Operation("DescribeStackResource", Resources, describe_stack_resource),
    Operation("ListStackResources", Paged, list_stack_resources),
)
