"""Tags of every kind of thing. The rules are in `control/tags.py`."""

from __future__ import annotations

from typing import Any

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import tags as rules
from lambent.control.names import Scope


async def list_tags(ctx: Context, req: rules.ListTags) -> dict[str, Any]:
    return await ctx.services.tags.list(Scope(ctx.account, ctx.region), req)


async def tag_resource(ctx: Context, req: rules.TagResource) -> None:
    await ctx.services.tags.tag(Scope(ctx.account, ctx.region), req)


async def untag_resource(ctx: Context, req: rules.UntagResource) -> None:
    await ctx.services.tags.untag(Scope(ctx.account, ctx.region), req)


OPERATIONS = (
    Operation("ListTags", rules.ListTags, list_tags),
    Operation("TagResource", rules.TagResource, tag_resource),
    Operation("UntagResource", rules.UntagResource, untag_resource),
)
