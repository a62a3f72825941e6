"""Aliases: create, read, update, delete, list. The rules are in `control/aliases.py`."""

from __future__ import annotations

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import answers, requests
from lambent.control.names import Scope


async def create_alias(ctx: Context, req: requests.CreateAlias) -> answers.AliasConfiguration:
    return await ctx.services.aliases.create(Scope(ctx.account, ctx.region), req)


async def get_alias(ctx: Context, req: requests.NamedAlias) -> answers.AliasConfiguration:
    return await ctx.services.aliases.get(Scope(ctx.account, ctx.region), req)


async def update_alias(ctx: Context, req: requests.UpdateAlias) -> answers.AliasConfiguration:
    return await ctx.services.aliases.update(Scope(ctx.account, ctx.region), req)


async def delete_alias(ctx: Context, req: requests.NamedAlias) -> None:
    await ctx.services.aliases.delete(Scope(ctx.account, ctx.region), req)


async def list_aliases(ctx: Context, req: requests.ListAliases) -> answers.AliasList:
    return await ctx.services.aliases.list(Scope(ctx.account, ctx.region), req)


OPERATIONS = (
    Operation("CreateAlias", requests.CreateAlias, create_alias),
    Operation("DeleteAlias", requests.NamedAlias, delete_alias),
    Operation("GetAlias", requests.NamedAlias, get_alias),
    Operation("ListAliases", requests.ListAliases, list_aliases),
    Operation("UpdateAlias", requests.UpdateAlias, update_alias),
)
