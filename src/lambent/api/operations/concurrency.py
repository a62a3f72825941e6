"""Reserved concurrency: put, read, delete. The rules are in `control/concurrency.py`."""

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


OPERATIONS = (
    Operation(
        "DeleteFunctionConcurrency", requests.UnqualifiedFunction, delete_function_concurrency
    ),
    Operation("GetFunctionConcurrency", requests.UnqualifiedFunction, get_function_concurrency),
    Operation("PutFunctionConcurrency", requests.PutFunctionConcurrency, put_function_concurrency),
)
