"""Log groups: create, delete, list. The rules are in `control/log_groups.py`."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from lambent.api.cloudwatch_logs.resources import NamedGroup, page, scope_of
from lambent.api.context import Context
from lambent.api.operation import Answer, Operation
from lambent.control.log_groups import group_arn, group_name
from lambent.control.names import Scope
from lambent.errors import InvalidParameter
from lambent.store.log_groups import LogGroup


class CreateLogGroup(NamedGroup, frozen=True, kw_only=True, rename="camel"):
    kms_key_id: str | None = None
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    log_group_class: str = "STANDARD"
    deletion_protection_enabled: bool = False


class DescribeLogGroups(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    log_group_name_prefix: str | None = None
    log_group_name_pattern: str | None = None
    log_group_class: str | None = None
    log_group_identifiers: list[str] | None = None
    next_token: str | None = None
    limit: int | None = None


class ListLogGroups(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    log_group_name_pattern: str | None = None
    log_group_class: str | None = None
    next_token: str | None = None
    limit: int | None = None


class Protect(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    log_group_identifier: str
    deletion_protection_enabled: bool


async def create_log_group(ctx: Context, req: CreateLogGroup) -> None:
    await ctx.services.logs.groups.create(
        scope_of(ctx),
        req.log_group_name,
        tags=req.tags,
        log_class=req.log_group_class,
        kms_key_id=req.kms_key_id,
        protected=req.deletion_protection_enabled,
    )


async def delete_log_group(ctx: Context, req: NamedGroup) -> None:
    await ctx.services.logs.delete_group(scope_of(ctx), req.log_group_name)


async def describe_log_groups(ctx: Context, req: DescribeLogGroups) -> Answer:
    """By prefix, by a part of the name, or by identifiers."""
    prefix, part = req.log_group_name_prefix, req.log_group_name_pattern
    if prefix is not None and part is not None:
        raise InvalidParameter(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."
        )
    await ctx.services.logs.store.flush()
    scope = scope_of(ctx)
    names = req.log_group_identifiers
    chosen = None if names is None else {group_name(scope, name) for name in names}
    found = [
        group
        for group in ctx.services.logs.groups.all(scope)
        if group.name.startswith(prefix or "")
        and (part or "") in group.name
        and req.log_group_class in {None, group.log_class}
        and (chosen is None or group.name in chosen)
    ]
    shown, token = page(found, [(0, g.name) for g in found], req.next_token, req.limit)
    sizes = await ctx.services.logs.stored_bytes(scope, [group.name for group in shown])
    groups = [_described(scope, *pair) for pair in zip(shown, sizes, strict=True)]
    return {"logGroups": groups, "nextToken": token}


async def list_log_groups(ctx: Context, req: ListLogGroups) -> Answer:
    """The pattern is parts or, after `^`, beginnings of names, between bars."""
    await ctx.services.logs.store.flush()
    scope = scope_of(ctx)
    pattern = re.compile(req.log_group_name_pattern or "")
    found = [
        group
        for group in ctx.services.logs.groups.all(scope)
        if pattern.search(group.name) and req.log_group_class in {None, group.log_class}
    ]
    shown, token = page(found, [(0, g.name) for g in found], req.next_token, req.limit)
    groups = [
        {
            "logGroupName": group.name,
            "logGroupArn": group_arn(scope, group.name),
            "logGroupClass": group.log_class,
        }
        for group in shown
    ]
    return {"logGroups": groups, "nextToken": token}


async def protect(ctx: Context, req: Protect) -> None:
    scope = scope_of(ctx)
    name = group_name(scope, req.log_group_identifier)
    await ctx.services.logs.groups.protect(scope, name, protected=req.deletion_protection_enabled)


def _described(scope: Scope, group: LogGroup, size: int) -> dict[str, Any]:
    arn = group_arn(scope, group.name)
    return {
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "retentionInDays": group.retention_days,
        "metricFilterCount": 0,
        "arn": f"{arn}:*",
        "storedBytes": size,
        "kmsKeyId": group.kms_key_id,
        "logGroupClass": group.log_class,
        "logGroupArn": arn,
        "deletionProtectionEnabled": group.protected,
    }


OPERATIONS = (
    Operation("CreateLogGroup", CreateLogGroup, create_log_group),
    Operation("DeleteLogGroup", NamedGroup, delete_log_group),
    Operation("DescribeLogGroups", DescribeLogGroups, describe_log_groups),
    Operation("ListLogGroups", ListLogGroups, list_log_groups),
    Operation("PutLogGroupDeletionProtection", Protect, protect),
)
