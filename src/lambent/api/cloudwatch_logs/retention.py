"""How long a group's events are kept. `observe/log_sweep.py` deletes what has expired."""

from __future__ import annotations

from lambent.api.cloudwatch_logs.resources import NamedGroup, scope_of
from lambent.api.context import Context
from lambent.api.operation import Operation


class PutRetentionPolicy(NamedGroup, frozen=True, kw_only=True, rename="camel"):
    retention_in_days: int


async def put_retention_policy(ctx: Context, req: PutRetentionPolicy) -> None:
    groups = ctx.services.logs.groups
    await groups.set_retention(scope_of(ctx), req.log_group_name, req.retention_in_days)


async def delete_retention_policy(ctx: Context, req: NamedGroup) -> None:
    await ctx.services.logs.groups.set_retention(scope_of(ctx), req.log_group_name, None)


OPERATIONS = (
    Operation("DeleteRetentionPolicy", NamedGroup, delete_retention_policy),
    Operation("PutRetentionPolicy", PutRetentionPolicy, put_retention_policy),
)
