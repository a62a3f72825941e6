"""Retries and destinations of asynchronous invokes. The rules are in `control/event_invoke.py`."""

from __future__ import annotations

from typing import Any

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import event_invoke as rules
from lambent.control.names import Scope


async def delete_function_event_invoke_config(ctx: Context, req: rules.NamedEventInvoke) -> None:
    await ctx.services.event_invokes.delete(Scope(ctx.account, ctx.region), req)


async def get_function_event_invoke_config(
    ctx: Context, req: rules.NamedEventInvoke
) -> dict[str, Any]:
    return await ctx.services.event_invokes.get(Scope(ctx.account, ctx.region), req)


async def list_function_event_invoke_configs(
    ctx: Context, req: rules.ListEventInvokes
) -> dict[str, Any]:
    return await ctx.services.event_invokes.list(Scope(ctx.account, ctx.region), req)


async def put_function_event_invoke_config(
    ctx: Context, req: rules.WriteEventInvoke
) -> dict[str, Any]:
    return await ctx.services.event_invokes.put(Scope(ctx.account, ctx.region), req)


async def update_function_event_invoke_config(
    ctx: Context, req: rules.WriteEventInvoke
) -> dict[str, Any]:
    return await ctx.services.event_invokes.update(Scope(ctx.account, ctx.region), req)


OPERATIONS = (
    Operation(
        "DeleteFunctionEventInvokeConfig",
        rules.NamedEventInvoke,
        delete_function_event_invoke_config,
    ),
    Operation(
        "GetFunctionEventInvokeConfig", rules.NamedEventInvoke, get_function_event_invoke_config
    ),
    Operation(
        "ListFunctionEventInvokeConfigs", rules.ListEventInvokes, list_function_event_invoke_configs
    ),
    Operation(
        "PutFunctionEventInvokeConfig", rules.WriteEventInvoke, put_function_event_invoke_config
    ),
    Operation(
        "UpdateFunctionEventInvokeConfig",
        rules.WriteEventInvoke,
        update_function_event_invoke_config,
    ),
)
