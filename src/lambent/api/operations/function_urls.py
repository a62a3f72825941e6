"""Configs of function URLs. The rules are in `control/function_urls.py`."""

from __future__ import annotations

from typing import Any

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import function_urls as rules
from lambent.control.names import Scope


async def create_function_url_config(ctx: Context, req: rules.CreateUrl) -> dict[str, Any]:
    return await ctx.services.function_urls.create(Scope(ctx.account, ctx.region), req)


async def delete_function_url_config(ctx: Context, req: rules.NamedUrl) -> None:
    await ctx.services.function_urls.delete(Scope(ctx.account, ctx.region), req)


async def get_function_url_config(ctx: Context, req: rules.NamedUrl) -> dict[str, Any]:
    return await ctx.services.function_urls.get(Scope(ctx.account, ctx.region), req)


async def list_function_url_configs(ctx: Context, req: rules.ListUrls) -> dict[str, Any]:
    return await ctx.services.function_urls.list(Scope(ctx.account, ctx.region), req)


async def update_function_url_config(ctx: Context, req: rules.UpdateUrl) -> dict[str, Any]:
    return await ctx.services.function_urls.update(Scope(ctx.account, ctx.region), req)


OPERATIONS = (
    Operation("CreateFunctionUrlConfig", rules.CreateUrl, create_function_url_config),
    Operation("DeleteFunctionUrlConfig", rules.NamedUrl, delete_function_url_config),
    Operation("GetFunctionUrlConfig", rules.NamedUrl, get_function_url_config),
    Operation("ListFunctionUrlConfigs", rules.ListUrls, list_function_url_configs),
    Operation("UpdateFunctionUrlConfig", rules.UpdateUrl, update_function_url_config),
)
