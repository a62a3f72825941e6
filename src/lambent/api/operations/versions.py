"""Versions: publish and list. The rules are in `control/versions.py`."""

from __future__ import annotations

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import answers, requests
from lambent.control.names import Scope


async def publish_version(
    ctx: Context, req: requests.PublishVersion
) -> answers.FunctionConfiguration:
    return await ctx.services.versions.publish(Scope(ctx.account, ctx.region), req)


async def list_versions_by_function(
    ctx: Context, req: requests.ListVersionsByFunction
) -> answers.VersionList:
    return await ctx.services.versions.list(Scope(ctx.account, ctx.region), req)


OPERATIONS = (
    Operation("ListVersionsByFunction", requests.ListVersionsByFunction, list_versions_by_function),
    Operation("PublishVersion", requests.PublishVersion, publish_version),
)
