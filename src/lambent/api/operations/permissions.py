"""Policies of functions: statement by statement. The rules are in `control/permissions.py`."""

from __future__ import annotations

from typing import Any

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import permissions as rules
from lambent.control.names import Scope


async def add_permission(ctx: Context, req: rules.AddPermission) -> dict[str, Any]:
    return await ctx.services.permissions.add(Scope(ctx.account, ctx.region), req)


async def get_policy(ctx: Context, req: rules.GetPolicy) -> dict[str, Any]:
    return await ctx.services.permissions.get(Scope(ctx.account, ctx.region), req)


async def remove_permission(ctx: Context, req: rules.RemovePermission) -> None:
    await ctx.services.permissions.remove(Scope(ctx.account, ctx.region), req)


OPERATIONS = (
    Operation("AddPermission", rules.AddPermission, add_permission),
    Operation("GetPolicy", rules.GetPolicy, get_policy),
    Operation("RemovePermission", rules.RemovePermission, remove_permission),
)
