"""InvokeAsync, AWS's oldest way to queue an event; Invoke with InvocationType Event replaced it.

It takes a function's name and a JSON payload of at most 256 KB and answers 202 once the event is on
disk. Everything after that is `events`, as for any other event.
"""

from __future__ import annotations

from typing import Final

import msgspec

from lambent.api import jackson
from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control.names import Scope, resolve
from lambent.errors import RequestTooLarge

LIMIT: Final = 262_144


class InvokeAsync(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    function_name: str
    invoke_args: bytes


class Accepted(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    status: int = 202


async def invoke_async(ctx: Context, req: InvokeAsync) -> Accepted:
    payload = req.invoke_args
    if len(payload) > LIMIT:
        raise RequestTooLarge(
            f"{len(payload)} byte payload is too large for the InvokeAsync operation "
            f"(limit {LIMIT} bytes)"
        )
    jackson.check(payload)
    scope = Scope(ctx.account, ctx.region)
    function = resolve(scope, req.function_name, operation="InvokeAsync")
    ctx.services.dispatcher.resolve(*scope, *function)
    await ctx.services.events.accept(
        account=ctx.account,
        region=ctx.region,
        name=function.name,
        qualifier=function.qualifier,
        payload=payload,
        request_id=ctx.request_id,
        trace_header="",
    )
    return Accepted()


OPERATIONS = (Operation("InvokeAsync", InvokeAsync, invoke_async, status=202),)
