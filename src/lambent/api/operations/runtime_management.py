"""When a function gets a new runtime. The rules are in `control/runtime_management.py`."""

from __future__ import annotations

from typing import Any

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import runtime_management as rules
from lambent.control.names import Scope


async def get_runtime_management_config(
    ctx: Context, req: rules.GetRuntimeManagement
) -> dict[str, Any]:
    return await ctx.services.runtime_managements.get(Scope(ctx.account, ctx.region), req)


async def put_runtime_management_config(
    ctx: Context, req: rules.PutRuntimeManagement
) -> dict[str, Any]:
    return await ctx.services.runtime_managements.put(Scope(ctx.account, ctx.region), req)


OPERATIONS = (
    Operation(
        "GetRuntimeManagementConfig", rules.GetRuntimeManagement, get_runtime_management_config
    ),
    Operation(
        "PutRuntimeManagementConfig", rules.PutRuntimeManagement, put_runtime_management_config
    ),
)
