"""StartLiveTail: what is being written to up to ten groups, once a second, as an event stream.

The SDKs put `stream-` before the endpoint's host for this operation alone; for an address that
needs `AWS_DISABLE_HOST_PREFIX_INJECTION=true` or botocore's `Config(inject_host_prefix=False)`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import msgspec

from lambent.api import event_stream
from lambent.api.cloudwatch_logs.resources import scope_of
from lambent.api.context import Context
from lambent.api.operation import Operation, Streamed
from lambent.clock import new_uuid
from lambent.control.log_groups import group_arn, group_name
from lambent.errors import InvalidParameter
from lambent.observe.log_reader import Position
from lambent.observe.log_scan import LogEvent
from lambent.observe.patterns.pattern import compile_pattern

EVERY_S: Final = 1.0
MAX_EVENTS: Final = 500
"""In one update; of more, so many are chosen evenly."""
MAX_SESSION_S: Final = 3 * 3600


class StartLiveTail(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    log_group_identifiers: list[str]
    log_stream_names: list[str] | None = None
    log_stream_name_prefixes: list[str] | None = None
    log_event_filter_pattern: str | None = None

    def wants(self, stream: str) -> bool:
        if self.log_stream_names is not None:
            return stream in self.log_stream_names
        prefixes = self.log_stream_name_prefixes
        return prefixes is None or stream.startswith(tuple(prefixes))


async def start_live_tail(ctx: Context, req: StartLiveTail) -> Streamed:
    """Refuses what cannot be followed before the stream begins."""
    if req.log_stream_names is not None and req.log_stream_name_prefixes is not None:
        raise InvalidParameter(
            "logStreamNames and logStreamNamePrefixes are mutually exclusive parameters."
        )
    narrowed = req.log_stream_names is not None or req.log_stream_name_prefixes is not None
    if narrowed and len(req.log_group_identifiers) > 1:
        raise InvalidParameter("Log streams can be chosen only with a single log group identifier.")
    scope = scope_of(ctx)
    names = dict.fromkeys(group_name(scope, name) for name in req.log_group_identifiers)
    for name in names:
        ctx.services.logs.groups.get(scope, name)
    matches = compile_pattern(req.log_event_filter_pattern or "")
    await ctx.services.logs.store.flush()
    return Streamed(event_stream.CONTENT_TYPE, _session(ctx, req, list(names), matches))


async def _session(
    ctx: Context, req: StartLiveTail, groups: list[str], matches: Callable[[str], bool]
) -> AsyncIterator[bytes]:
    store, scope = ctx.services.logs.store, scope_of(ctx)
    # Batches after this one are new; those of it have been read to their end.
    positions = dict.fromkeys(groups, Position(store.written_ms + 1))
    yield event_stream.event("initial-response", {})
    yield event_stream.event("sessionStart", _start(ctx, req))
    end = ctx.clock.monotonic() + MAX_SESSION_S
    while ctx.clock.monotonic() < end:
        await ctx.clock.sleep(EVERY_S)
        await store.flush()
        upto_ms = store.written_ms
        results: list[dict[str, Any]] = []
        for group in groups:
            events, positions[group] = await ctx.services.logs.follow(
                scope, group, positions[group], upto_ms
            )
            identifier = f"{scope.account}:{group}"
            results += [
                _result(identifier, event)
                for event in events
                if req.wants(event.stream) and matches(event.message)
            ]
        yield event_stream.event("sessionUpdate", _update(results))
        if ctx.services.logs.ending:
            return
    yield event_stream.exception("SessionTimeoutException", "The session ended after three hours.")


def _start(ctx: Context, req: StartLiveTail) -> dict[str, Any]:
    scope = scope_of(ctx)
    return {
        "requestId": ctx.request_id,
        "sessionId": new_uuid(),
        "logGroupIdentifiers": [
            group_arn(scope, group_name(scope, name)) for name in req.log_group_identifiers
        ],
        "logStreamNames": req.log_stream_names or [],
        "logStreamNamePrefixes": req.log_stream_name_prefixes or [],
        "logEventFilterPattern": req.log_event_filter_pattern or "",
    }


def _update(results: list[dict[str, Any]]) -> dict[str, Any]:
    results.sort(key=lambda result: int(result["timestamp"]))
    sampled = len(results) > MAX_EVENTS
    if sampled:
        results = [results[i * len(results) // MAX_EVENTS] for i in range(MAX_EVENTS)]
    return {"sessionMetadata": {"sampled": sampled}, "sessionResults": results}


def _result(identifier: str, event: LogEvent) -> dict[str, Any]:
    return {
        "logStreamName": event.stream,
        "logGroupIdentifier": identifier,
        "message": event.message,
        "timestamp": event.time_ms,
        "ingestionTime": event.ingest_ms,
    }


OPERATIONS = (Operation("StartLiveTail", StartLiveTail, start_live_tail),)
