"""Reserved and provisioned concurrency: put, read, list, delete.

The rules are in `control/concurrency.py` and `control/provisioned.py`.
"""

from __future__ import annotations

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import answers, requests
from lambent.control.names import Scope


async def put_function_concurrency(
    ctx: Context, req: requests.PutFunctionConcurrency
) -> answers.ConcurrencyAnswer:
    return await ctx.services.concurrency.put(Scope(ctx.account, ctx.region), req)


async def get_function_concurrency(
    ctx: Context, req: requests.UnqualifiedFunction
) -> answers.ConcurrencyAnswer:
    return await ctx.services.concurrency.get(Scope(ctx.account, ctx.region), req)


async def delete_function_concurrency(ctx: Context, req: requests.UnqualifiedFunction) -> None:
    await ctx.services.concurrency.delete(Scope(ctx.account, ctx.region), req)


async def put_provisioned_concurrency_config(
    ctx: Context, req: requests.PutProvisionedConcurrency
) -> answers.ProvisionedAnswer:
    return await ctx.services.provisioned.put(Scope(ctx.account, ctx.region), req)


async def get_provisioned_concurrency_config(
    ctx: Context, req: requests.ProvisionedFunction
) -> answers.ProvisionedAnswer:
    return await ctx.services.provisioned.get(Scope(ctx.account, ctx.region), req)


async def list_provisioned_concurrency_configs(
    ctx: Context, req: requests.ListProvisionedConcurrency
) -> answers.ProvisionedList:
    return await ctx.services.provisioned.list(Scope(ctx.account, ctx.region), req)


async def delete_provisioned_concurrency_config(
    ctx: Context, req: requests.ProvisionedFunction
) -> None:
    await ctx.services.provisioned.delete(Scope(ctx.account, ctx.region), req)


OPERATIONS = (
    Operation(
        "DeleteFunctionConcurrency", requests.UnqualifiedFunction, delete_function_concurrency
    ),
    Operation("GetFunctionConcurrency", requests.UnqualifiedFunction, get_function_concurrency),
    Operation("PutFunctionConcurrency", requests.PutFunctionConcurrency, put_function_concurrency),
    Operation(
        "DeleteProvisionedConcurrencyConfig",
        requests.ProvisionedFunction,
        delete_provisioned_concurrency_config,
    ),
    Operation(
        "GetProvisionedConcurrencyConfig",
        requests.ProvisionedFunction,
        get_provisioned_concurrency_config,
    ),
    Operation(
        "ListProvisionedConcurrencyConfigs",
        requests.ListProvisionedConcurrency,
        list_provisioned_concurrency_configs,
    ),
    Operation(
        "PutProvisionedConcurrencyConfig",
        requests.PutProvisionedConcurrency,
        put_provisioned_concurrency_config,
    ),
)
