"""Log streams: create, delete, list."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from lambent.api.cloudwatch_logs.resources import (
    IdentifiedGroup,
    NamedGroup,
    group_of,
    page,
    scope_of,
)
from lambent.api.context import Context
from lambent.api.operation import Answer, Operation
from lambent.control.log_groups import group_arn
from lambent.errors import InvalidParameter
from lambent.observe.log_streams import Stream


class NamedStream(NamedGroup, frozen=True, kw_only=True, rename="camel"):
    log_stream_name: str


class DescribeLogStreams(IdentifiedGroup, frozen=True, kw_only=True, rename="camel"):
    log_stream_name_prefix: str | None = None
    order_by: Literal["LogStreamName", "LastEventTime"] = "LogStreamName"
    descending: bool = False
    next_token: str | None = None
    limit: int | None = None


async def create_log_stream(ctx: Context, req: NamedStream) -> None:
    await ctx.services.logs.create(scope_of(ctx), req.log_group_name, req.log_stream_name)


async def delete_log_stream(ctx: Context, req: NamedStream) -> None:
    await ctx.services.logs.delete(scope_of(ctx), req.log_group_name, req.log_stream_name)


async def describe_log_streams(ctx: Context, req: DescribeLogStreams) -> Answer:
    """By name, or by the time of the last event."""
    scope, group = scope_of(ctx), group_of(ctx, req)
    prefix = req.log_stream_name_prefix
    by_time = req.order_by == "LastEventTime"
    if by_time and prefix is not None:
        raise InvalidParameter("Cannot order by LastEventTime with a logStreamNamePrefix.")

    def key(stream: Stream) -> tuple[int, str]:
        return _last_event_ms(stream) if by_time else 0, stream.name

    found = [
        s for s in await ctx.services.logs.all(scope, group) if s.name.startswith(prefix or "")
    ]
    found.sort(key=key, reverse=req.descending)
    keys = [key(stream) for stream in found]
    shown, token = page(found, keys, req.next_token, req.limit, descending=req.descending)
    arn = group_arn(scope, group)
    return {"logStreams": [_described(arn, stream) for stream in shown], "nextToken": token}


def _last_event_ms(stream: Stream) -> int:
    return stream.info.last_ms if stream.info else 0


def _described(group: str, stream: Stream) -> dict[str, Any]:
    info = stream.info
    return {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "firstEventTimestamp": info and info.first_ms,
        "lastEventTimestamp": info and info.last_ms,
        "lastIngestionTime": info and info.last_ingest_ms,
        "uploadSequenceToken": sequence_token(stream.name),
        "arn": f"{group}:log-stream:{stream.name}",
        # AWS counts the bytes of groups alone since 2019.
        "storedBytes": 0,
    }


def sequence_token(stream: str) -> str:
    """Answered because clients read it, and ignored when it comes back, as on AWS."""
    digest = int.from_bytes(hashlib.sha256(stream.encode(errors="replace")).digest())
    return f"49{digest % 10**54:054d}"


OPERATIONS = (
    Operation("CreateLogStream", NamedStream, create_log_stream),
    Operation("DeleteLogStream", NamedStream, delete_log_stream),
    Operation("DescribeLogStreams", DescribeLogStreams, describe_log_streams),
)
