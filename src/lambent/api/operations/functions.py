"""Functions: create, read, update, delete, list. The rules are in `control/functions.py`."""

from __future__ import annotations

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import answers, requests
from lambent.control.names import Scope


async def create_function(
    ctx: Context, req: requests.CreateFunction
) -> answers.FunctionConfiguration:
    return await ctx.services.functions.create(Scope(ctx.account, ctx.region), req)


async def get_function(ctx: Context, req: requests.QualifiedFunction) -> answers.FunctionAnswer:
    scope = Scope(ctx.account, ctx.region)
    return await ctx.services.functions.get(scope, req, ctx.base_url)


async def get_function_configuration(
    ctx: Context, req: requests.QualifiedFunction
) -> answers.FunctionConfiguration:
    return await ctx.services.functions.get_configuration(Scope(ctx.account, ctx.region), req)


async def update_function_code(
    ctx: Context, req: requests.UpdateFunctionCode
) -> answers.FunctionConfiguration:
    return await ctx.services.functions.update_code(Scope(ctx.account, ctx.region), req)


async def update_function_configuration(
    ctx: Context, req: requests.UpdateFunctionConfiguration
) -> answers.FunctionConfiguration:
    scope = Scope(ctx.account, ctx.region)
    return await ctx.services.functions.update_configuration(scope, req)


async def delete_function(ctx: Context, req: requests.QualifiedFunction) -> None:
    await ctx.services.functions.delete(Scope(ctx.account, ctx.region), req)


async def list_functions(ctx: Context, req: requests.ListFunctions) -> answers.FunctionList:
    return await ctx.services.functions.list(Scope(ctx.account, ctx.region), req)


OPERATIONS = (
    Operation("CreateFunction", requests.CreateFunction, create_function),
    Operation("DeleteFunction", requests.QualifiedFunction, delete_function, status=204),
    Operation("GetFunction", requests.QualifiedFunction, get_function),
    Operation("GetFunctionConfiguration", requests.QualifiedFunction, get_function_configuration),
    Operation("ListFunctions", requests.ListFunctions, list_functions),
    Operation("UpdateFunctionCode", requests.UpdateFunctionCode, update_function_code),
    Operation(
        "UpdateFunctionConfiguration",
        requests.UpdateFunctionConfiguration,
        update_function_configuration,
    ),
)
