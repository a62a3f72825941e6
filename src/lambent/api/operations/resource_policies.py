"""Policies of functions: as one document. The rules are in `control/resource_policies.py`."""

from __future__ import annotations

from typing import Any

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import resource_policies as rules
from lambent.control.names import Scope


async def delete_resource_policy(ctx: Context, req: rules.NamedResourcePolicy) -> None:
    await ctx.services.resource_policies.delete(Scope(ctx.account, ctx.region), req)


async def get_resource_policy(ctx: Context, req: rules.NamedResourcePolicy) -> dict[str, Any]:
    return await ctx.services.resource_policies.get(Scope(ctx.account, ctx.region), req)


async def put_resource_policy(ctx: Context, req: rules.PutResourcePolicy) -> dict[str, Any]:
    return await ctx.services.resource_policies.put(Scope(ctx.account, ctx.region), req)


OPERATIONS = (
    Operation("DeleteResourcePolicy", rules.NamedResourcePolicy, delete_resource_policy),
    Operation("GetResourcePolicy", rules.NamedResourcePolicy, get_resource_policy),
    Operation("PutResourcePolicy", rules.PutResourcePolicy, put_resource_policy),
)
