"""Whether loops of invokes are stopped. The rules are in `control/recursion.py`."""

from __future__ import annotations

from typing import Any

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import recursion as rules
from lambent.control.names import Scope


async def get_function_recursion_config(ctx: Context, req: rules.GetRecursion) -> dict[str, Any]:
    return await ctx.services.recursion.get(Scope(ctx.account, ctx.region), req)


async def put_function_recursion_config(ctx: Context, req: rules.PutRecursion) -> dict[str, Any]:
    return await ctx.services.recursion.put(Scope(ctx.account, ctx.region), req)


OPERATIONS = (
    Operation("GetFunctionRecursionConfig", rules.GetRecursion, get_function_recursion_config),
    Operation("PutFunctionRecursionConfig", rules.PutRecursion, put_function_recursion_config),
)
