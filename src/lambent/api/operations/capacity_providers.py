"""Capacity providers, and the scaling of functions on them.

The rules are in `control/capacity_providers.py` and `control/scaling.py`.
"""

from __future__ import annotations

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import capacity_requests as requests
from lambent.control.names import Scope


async def create_capacity_provider(
    ctx: Context, req: requests.CreateCapacityProvider
) -> requests.CapacityProviderAnswer:
    return await ctx.services.capacity_providers.create(Scope(ctx.account, ctx.region), req)


async def get_capacity_provider(
    ctx: Context, req: requests.NamedCapacityProvider
) -> requests.CapacityProviderAnswer:
    return await ctx.services.capacity_providers.get(Scope(ctx.account, ctx.region), req)


async def list_capacity_providers(
    ctx: Context, req: requests.ListCapacityProviders
) -> requests.CapacityProviderList:
    return await ctx.services.capacity_providers.list(Scope(ctx.account, ctx.region), req)


async def update_capacity_provider(
    ctx: Context, req: requests.UpdateCapacityProvider
) -> requests.CapacityProviderAnswer:
    return await ctx.services.capacity_providers.update(Scope(ctx.account, ctx.region), req)


async def delete_capacity_provider(
    ctx: Context, req: requests.NamedCapacityProvider
) -> requests.CapacityProviderAnswer:
    return await ctx.services.capacity_providers.delete(Scope(ctx.account, ctx.region), req)


async def list_function_versions(
    ctx: Context, req: requests.ListVersionsByCapacityProvider
) -> requests.ProviderVersionList:
    return await ctx.services.capacity_providers.versions(Scope(ctx.account, ctx.region), req)


async def put_function_scaling_config(
    ctx: Context, req: requests.PutScalingConfig
) -> requests.FunctionStateAnswer:
    return await ctx.services.scaling.put(Scope(ctx.account, ctx.region), req)


async def get_function_scaling_config(
    ctx: Context, req: requests.GetScalingConfig
) -> requests.ScalingConfigAnswer:
    return await ctx.services.scaling.get(Scope(ctx.account, ctx.region), req)


OPERATIONS = (
    Operation("CreateCapacityProvider", requests.CreateCapacityProvider, create_capacity_provider),
    Operation("DeleteCapacityProvider", requests.NamedCapacityProvider, delete_capacity_provider),
    Operation("GetCapacityProvider", requests.NamedCapacityProvider, get_capacity_provider),
    Operation("GetFunctionScalingConfig", requests.GetScalingConfig, get_function_scaling_config),
    Operation("ListCapacityProviders", requests.ListCapacityProviders, list_capacity_providers),
    Operation(
        "ListFunctionVersionsByCapacityProvider",
        requests.ListVersionsByCapacityProvider,
        list_function_versions,
    ),
    Operation("PutFunctionScalingConfig", requests.PutScalingConfig, put_function_scaling_config),
    Operation("UpdateCapacityProvider", requests.UpdateCapacityProvider, update_capacity_provider),
)
