"""Tags of log groups, by ARN and, in the older operations, by name."""

from __future__ import annotations

import msgspec

from lambent.api.cloudwatch_logs.resources import NamedGroup, scope_of
from lambent.api.context import Context
from lambent.api.operation import Answer, Operation
from lambent.control.log_groups import group_name
from lambent.errors import InvalidParameter


class Resource(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    resource_arn: str


class TagResource(Resource, frozen=True, kw_only=True, rename="camel"):
    tags: dict[str, str]


class UntagResource(Resource, frozen=True, kw_only=True, rename="camel"):
    tag_keys: list[str]


class TagLogGroup(NamedGroup, frozen=True, kw_only=True, rename="camel"):
    tags: dict[str, str]


class UntagLogGroup(NamedGroup, frozen=True, kw_only=True, rename="camel"):
    tags: list[str]


def _name(ctx: Context, req: Resource) -> str:
    if not req.resource_arn.startswith("arn:"):
        raise InvalidParameter("The specified resource ARN is invalid.")
    return group_name(scope_of(ctx), req.resource_arn)


async def tag_resource(ctx: Context, req: TagResource) -> None:
    await ctx.services.logs.groups.tag(scope_of(ctx), _name(ctx, req), req.tags)


async def untag_resource(ctx: Context, req: UntagResource) -> None:
    await ctx.services.logs.groups.untag(scope_of(ctx), _name(ctx, req), req.tag_keys)


async def list_tags_for_resource(ctx: Context, req: Resource) -> Answer:
    return {"tags": ctx.services.logs.groups.get(scope_of(ctx), _name(ctx, req)).tags}


async def tag_log_group(ctx: Context, req: TagLogGroup) -> None:
    await ctx.services.logs.groups.tag(scope_of(ctx), req.log_group_name, req.tags)


async def untag_log_group(ctx: Context, req: UntagLogGroup) -> None:
    await ctx.services.logs.groups.untag(scope_of(ctx), req.log_group_name, req.tags)


async def list_tags_log_group(ctx: Context, req: NamedGroup) -> Answer:
    return {"tags": ctx.services.logs.groups.get(scope_of(ctx), req.log_group_name).tags}


OPERATIONS = (
    Operation("ListTagsForResource", Resource, list_tags_for_resource),
    Operation("ListTagsLogGroup", NamedGroup, list_tags_log_group),
    Operation("TagLogGroup", TagLogGroup, tag_log_group),
    Operation("TagResource", TagResource, tag_resource),
    Operation("UntagLogGroup", UntagLogGroup, untag_log_group),
    Operation("UntagResource", UntagResource, untag_resource),
)
