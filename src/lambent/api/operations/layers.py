"""Layers: publish, get, list, delete, and who may use them. The rules are in `control/layers.py`."""

from __future__ import annotations

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import layer_answers as answers
from lambent.control import layer_requests as requests
from lambent.control.names import Scope


async def publish_layer_version(
    ctx: Context, req: requests.PublishLayerVersion
) -> answers.LayerVersionAnswer:
    scope = Scope(ctx.account, ctx.region)
    return await ctx.services.layers.publish(scope, req, ctx.base_url)


async def get_layer_version(
    ctx: Context, req: requests.OneLayerVersion
) -> answers.LayerVersionAnswer:
    return await ctx.services.layers.get(Scope(ctx.account, ctx.region), req, ctx.base_url)


async def get_layer_version_by_arn(
    ctx: Context, req: requests.GetLayerVersionByArn
) -> answers.LayerVersionAnswer:
    scope = Scope(ctx.account, ctx.region)
    return await ctx.services.layers.get_by_arn(scope, req, ctx.base_url)


async def delete_layer_version(ctx: Context, req: requests.OneLayerVersion) -> None:
    await ctx.services.layers.delete(Scope(ctx.account, ctx.region), req)


async def list_layers(ctx: Context, req: requests.ListLayers) -> answers.LayerList:
    return await ctx.services.layers.list_layers(Scope(ctx.account, ctx.region), req)


async def list_layer_versions(
    ctx: Context, req: requests.ListLayerVersions
) -> answers.LayerVersionList:
    return await ctx.services.layers.list_versions(Scope(ctx.account, ctx.region), req)


async def add_layer_version_permission(
    ctx: Context, req: requests.AddLayerVersionPermission
) -> answers.LayerPermission:
    return await ctx.services.layers.add_permission(Scope(ctx.account, ctx.region), req)


async def remove_layer_version_permission(
    ctx: Context, req: requests.RemoveLayerVersionPermission
) -> None:
    await ctx.services.layers.remove_permission(Scope(ctx.account, ctx.region), req)


async def get_layer_version_policy(
    ctx: Context, req: requests.OneLayerVersion
) -> answers.LayerPolicy:
    return await ctx.services.layers.get_policy(Scope(ctx.account, ctx.region), req)


OPERATIONS = (
    Operation(
        "AddLayerVersionPermission",
        requests.AddLayerVersionPermission,
        add_layer_version_permission,
    ),
    Operation("DeleteLayerVersion", requests.OneLayerVersion, delete_layer_version),
    Operation("GetLayerVersion", requests.OneLayerVersion, get_layer_version),
    Operation("GetLayerVersionByArn", requests.GetLayerVersionByArn, get_layer_version_by_arn),
    Operation("GetLayerVersionPolicy", requests.OneLayerVersion, get_layer_version_policy),
    Operation("ListLayers", requests.ListLayers, list_layers),
    Operation("ListLayerVersions", requests.ListLayerVersions, list_layer_versions),
    Operation("PublishLayerVersion", requests.PublishLayerVersion, publish_layer_version),
    Operation(
        "RemoveLayerVersionPermission",
        requests.RemoveLayerVersionPermission,
        remove_layer_version_permission,
    ),
)
