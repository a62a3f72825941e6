"""Code signing configs, and which function has which. The rules are in `control/code_signing.py`."""

from __future__ import annotations

from typing import Any

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import code_signing as rules
from lambent.control.names import Scope


async def create_code_signing_config(
    ctx: Context, req: rules.CreateCodeSigningConfig
) -> dict[str, Any]:
    return await ctx.services.code_signing.create(Scope(ctx.account, ctx.region), req)


async def delete_code_signing_config(ctx: Context, req: rules.NamedConfig) -> dict[str, Any]:
    return await ctx.services.code_signing.delete(Scope(ctx.account, ctx.region), req)


async def delete_function_code_signing_config(ctx: Context, req: rules.FunctionConfig) -> None:
    await ctx.services.code_signing.delete_function(Scope(ctx.account, ctx.region), req)


async def get_code_signing_config(ctx: Context, req: rules.NamedConfig) -> dict[str, Any]:
    return await ctx.services.code_signing.get(Scope(ctx.account, ctx.region), req)


async def get_function_code_signing_config(
    ctx: Context, req: rules.FunctionConfig
) -> dict[str, Any]:
    return await ctx.services.code_signing.get_function(Scope(ctx.account, ctx.region), req)


async def list_code_signing_configs(ctx: Context, req: rules.ListConfigs) -> dict[str, Any]:
    return await ctx.services.code_signing.list(Scope(ctx.account, ctx.region), req)


async def list_functions_by_code_signing_config(
    ctx: Context, req: rules.ListFunctionsByConfig
) -> dict[str, Any]:
    return await ctx.services.code_signing.list_functions(Scope(ctx.account, ctx.region), req)


async def put_function_code_signing_config(
    ctx: Context, req: rules.PutFunctionConfig
) -> dict[str, Any]:
    return await ctx.services.code_signing.put_function(Scope(ctx.account, ctx.region), req)


async def update_code_signing_config(
    ctx: Context, req: rules.UpdateCodeSigningConfig
) -> dict[str, Any]:
    return await ctx.services.code_signing.update(Scope(ctx.account, ctx.region), req)


OPERATIONS = (
    Operation("CreateCodeSigningConfig", rules.CreateCodeSigningConfig, create_code_signing_config),
    Operation("DeleteCodeSigningConfig", rules.NamedConfig, delete_code_signing_config),
    Operation(
        "DeleteFunctionCodeSigningConfig", rules.FunctionConfig, delete_function_code_signing_config
    ),
    Operation("GetCodeSigningConfig", rules.NamedConfig, get_code_signing_config),
    Operation(
        "GetFunctionCodeSigningConfig", rules.FunctionConfig, get_function_code_signing_config
    ),
    Operation("ListCodeSigningConfigs", rules.ListConfigs, list_code_signing_configs),
    Operation(
        "ListFunctionsByCodeSigningConfig",
        rules.ListFunctionsByConfig,
        list_functions_by_code_signing_config,
    ),
    Operation(
        "PutFunctionCodeSigningConfig", rules.PutFunctionConfig, put_function_code_signing_config
    ),
    Operation("UpdateCodeSigningConfig", rules.UpdateCodeSigningConfig, update_code_signing_config),
)
