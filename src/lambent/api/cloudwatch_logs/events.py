"""Log events: put, get, filter. Rules and reading are in `observe/log_put.py` and `log_pages.py`.

Tokens hold the `Key` of a place between two events. GetLogEvents' come in pairs, `f/…` and `b/…`;
one that is at the end is answered with itself, which is how clients know. FilterLogEvents' knows
its direction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

from lambent.api.cloudwatch_logs.resources import (
    IdentifiedGroup,
    decode_token,
    encode_token,
    group_of,
    invalid_token,
    scope_of,
)
from lambent.api.cloudwatch_logs.streams import NamedStream, sequence_token
from lambent.api.context import Context
from lambent.api.operation import Answer, Operation
from lambent.errors import InvalidParameter
from lambent.observe.log_order import Found, Key
from lambent.observe.log_pages import END_OF_TIME, MAX_EVENTS, Range
from lambent.observe.log_put import NewEvent
from lambent.observe.patterns.pattern import compile_pattern

BACKWARD_SINCE_MS: Final = 1_704_067_200_000
"""2024-01-01: FilterLogEvents goes backward over nothing older."""


class InputLogEvent(msgspec.Struct, frozen=True):
    timestamp: int
    message: str


class PutLogEvents(NamedStream, frozen=True, kw_only=True, rename="camel"):
    log_events: list[InputLogEvent]


class GetLogEvents(IdentifiedGroup, frozen=True, kw_only=True, rename="camel"):
    log_stream_name: str
    start_time: int = 0
    end_time: int = 2**63
    next_token: str | None = None
    limit: int = MAX_EVENTS
    start_from_head: bool = False


class FilterLogEvents(IdentifiedGroup, frozen=True, kw_only=True, rename="camel"):
    log_stream_names: list[str] | None = None
    log_stream_name_prefix: str | None = None
    start_time: int = 0
    end_time: int = 2**63
    filter_pattern: str = ""
    next_token: str | None = None
    limit: int = MAX_EVENTS
    start_from_head: bool = True


async def put_log_events(ctx: Context, req: PutLogEvents) -> Answer:
    """What is too old or too new is left out and said; the rest is on its file when this answers."""
    events = [NewEvent(event.timestamp, event.message) for event in req.log_events]
    verdict = await ctx.services.logs.put(
        scope_of(ctx), req.log_group_name, req.log_stream_name, events
    )
    rejected = {
        "tooNewLogEventStartIndex": verdict.last if verdict.last < len(events) else None,
        "tooOldLogEventEndIndex": verdict.too_old or None,
        "expiredLogEventEndIndex": verdict.expired or None,
    }
    said = {name: index for name, index in rejected.items() if index is not None}
    return {
        "nextSequenceToken": sequence_token(req.log_stream_name),
        "rejectedLogEventsInfo": said or None,
    }


async def get_log_events(ctx: Context, req: GetLogEvents) -> Answer:
    """One stream, in the order of time; the latest page first unless asked from the head."""
    stream = req.log_stream_name
    if req.next_token is None:
        back = not req.start_from_head
        edge = Key(req.end_time, stream=stream) if back else Key(req.start_time, stream=stream)
    else:
        back, edge = _parse_edge(req.next_token, stream)
    span = Range(req.start_time, req.end_time)
    found = await ctx.services.logs.read(
        scope_of(ctx), group_of(ctx, req), stream, edge, span, req.limit, back=back
    )
    if found:
        ahead, behind = found[-1].key.after(), found[0].key
    elif req.next_token is None and back:
        # Nothing yet: whatever comes is ahead.
        ahead = behind = Key(req.start_time, stream=stream)
    else:
        ahead = behind = edge
    return {
        "events": [_output(one) for one in found],
        "nextForwardToken": f"f/{_digits(ahead)}",
        "nextBackwardToken": f"b/{_digits(behind)}",
    }


async def filter_log_events(ctx: Context, req: FilterLogEvents) -> Answer:
    """All streams of a group as one, in the order of time."""
    if req.log_stream_names is not None and req.log_stream_name_prefix is not None:
        raise InvalidParameter(
            "logStreamNames and logStreamNamePrefix are mutually exclusive parameters."
        )
    matches = compile_pattern(req.filter_pattern) if req.filter_pattern.strip() else None
    back, edge = not req.start_from_head, None
    if req.next_token is not None:
        back, edge = decode_token(req.next_token, tuple[bool, Key])
    elif back and req.start_time < BACKWARD_SINCE_MS:
        raise InvalidParameter(
            "startFromHead can be false only with a startTime on or after 2024-01-01T00:00:00Z."
        )
    # Unlike GetLogEvents', the end belongs to the range.
    page = await ctx.services.logs.search(
        scope_of(ctx),
        group_of(ctx, req),
        edge,
        Range(req.start_time, req.end_time + 1),
        req.limit,
        back=back,
        wanted=_wanted(req),
        matches=matches,
    )
    events = [
        {**_output(one), "logStreamName": one.key.stream, "eventId": event_id(one.key)}
        for one in page.events
    ]
    token = None if page.following is None else encode_token((back, page.following))
    return {"events": events, "searchedLogStreams": [], "nextToken": token}


def _wanted(req: FilterLogEvents) -> Callable[[str], bool]:
    if req.log_stream_names is not None:
        return frozenset(req.log_stream_names).__contains__
    prefix = req.log_stream_name_prefix or ""
    return lambda name: name.startswith(prefix)


def _output(found: Found) -> dict[str, Any]:
    event = found.event
    return {
        "timestamp": event.time_ms,
        "message": event.message,
        "ingestionTime": event.ingest_ms,
    }


def event_id(key: Key) -> str:
    """56 digits, as AWS's are: by time, and the same whenever it is asked for."""
    stream = int.from_bytes(hashlib.sha256(key.stream.encode(errors="replace")).digest()[:6])
    return f"{key.time_ms:014d}{key.ingest_ms:014d}{key.ordinal:012d}{stream:016d}"


def _digits(key: Key) -> str:
    """A place in a stream; the batch -1 is before all of its moment."""
    time_ms = min(key.time_ms, END_OF_TIME.time_ms)
    return f"{time_ms:020d}{key.ingest_ms + 1:018d}{key.ordinal:018d}"


def _parse_edge(token: str, stream: str) -> tuple[bool, Key]:
    way, _, digits = token.partition("/")
    if way not in {"f", "b"} or len(digits) != 56 or not (digits.isascii() and digits.isdigit()):
        raise invalid_token()
    time_ms, ingest_ms, ordinal = int(digits[:20]), int(digits[20:38]) - 1, int(digits[38:])
    return way == "b", Key(time_ms, ingest_ms, stream, ordinal)


OPERATIONS = (
    Operation("FilterLogEvents", FilterLogEvents, filter_log_events),
    Operation("GetLogEvents", GetLogEvents, get_log_events),
    Operation("PutLogEvents", PutLogEvents, put_log_events),
)
