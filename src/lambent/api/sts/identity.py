"""GetCallerIdentity: who the server takes the caller for. It needs no permission, as on AWS."""

from __future__ import annotations

import msgspec

from lambent.api.context import Context
from lambent.api.operation import Answer, Operation


class GetCallerIdentity(msgspec.Struct, frozen=True):
    pass


async def get_caller_identity(ctx: Context, req: GetCallerIdentity) -> Answer:  # noqa: ARG001  has no members
    return {
        "UserId": ctx.access_key or ctx.account,
        "Account": ctx.account,
        "Arn": ctx.caller_arn or f"arn:aws:iam::{ctx.account}:root",
    }


OPERATIONS = (Operation("GetCallerIdentity", GetCallerIdentity, get_caller_identity),)
