"""Event source mappings. The rules are in `control/event_source_mappings.py`."""

from __future__ import annotations

from typing import Any

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import event_source_mappings as rules
from lambent.control import mapping_rules
from lambent.control.names import Scope


async def create_event_source_mapping(
    ctx: Context, req: mapping_rules.CreateMapping
) -> dict[str, Any]:
    return await ctx.services.event_source_mappings.create(Scope(ctx.account, ctx.region), req)


async def delete_event_source_mapping(ctx: Context, req: rules.NamedMapping) -> dict[str, Any]:
    return await ctx.services.event_source_mappings.delete(Scope(ctx.account, ctx.region), req)


async def get_event_source_mapping(ctx: Context, req: rules.NamedMapping) -> dict[str, Any]:
    return await ctx.services.event_source_mappings.get(Scope(ctx.account, ctx.region), req)


async def list_event_source_mappings(ctx: Context, req: rules.ListMappings) -> dict[str, Any]:
    return await ctx.services.event_source_mappings.list(Scope(ctx.account, ctx.region), req)


async def update_event_source_mapping(
    ctx: Context, req: mapping_rules.UpdateMapping
) -> dict[str, Any]:
    return await ctx.services.event_source_mappings.update(Scope(ctx.account, ctx.region), req)


OPERATIONS = (
    Operation("CreateEventSourceMapping", mapping_rules.CreateMapping, create_event_source_mapping),
    Operation("DeleteEventSourceMapping", rules.NamedMapping, delete_event_source_mapping),
    Operation("GetEventSourceMapping", rules.NamedMapping, get_event_source_mapping),
    Operation("ListEventSourceMappings", rules.ListMappings, list_event_source_mappings),
    Operation("UpdateEventSourceMapping", mapping_rules.UpdateMapping, update_event_source_mapping),
)
