"""From an X-Ray segment document to OpenTelemetry spans, in OTLP's own messages.

A document gives one span, and one for every subsegment inside it. Ids keep their digits, so a trace
here and in a collector are the same one. Attributes have the names of OpenTelemetry's semantic
conventions where there is one, and `aws.xray.…` where there is none. Needs the extra `otel`.
(AWS X-Ray developer guide, "X-Ray segment documents"; OpenTelemetry, "Semantic conventions".)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from lambent.observe.traces import Document, Scope, Segment

_TRACE: Final = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})")
_SPAN: Final = re.compile(r"[0-9a-f]{16}")
DEEPEST: Final = 32
"""Subsegments inside subsegments; what lies deeper is left out."""
LONGEST: Final = 4_096
"""Characters of one attribute."""


def encode(segments: Sequence[Segment]) -> bytes:
    """One request with all of them, each function's as a resource of its own."""
    by_function: dict[tuple[Scope, str], list[Span]] = {}
    for scope, function, document in segments:
        by_function.setdefault((scope, function), []).extend(spans(document))
    parts = [_of_function(*key, found) for key, found in by_function.items() if found]
    return bytes(ExportTraceServiceRequest(resource_spans=parts).SerializeToString())


def _of_function(scope: Scope, function: str, found: list[Span]) -> ResourceSpans:
    account, region = scope
    resource = {
        "service.name": function,
        "faas.name": function,
        "cloud.provider": "aws",
        "cloud.platform": "aws_lambda",
        "cloud.account.id": account,
        "cloud.region": region,
    }
    return ResourceSpans(
        resource=Resource(attributes=[pair(key, value) for key, value in resource.items()]),
        scope_spans=[ScopeSpans(scope=InstrumentationScope(name="lambent"), spans=found)],
    )


def spans(document: Document) -> list[Span]:
    """Nothing for what is still in progress, and for ids that OpenTelemetry cannot have."""
    parts = _TRACE.fullmatch(str(document.get("trace_id", "")))
    if parts is None:
        return []
    trace_id = bytes.fromhex(parts[1] + parts[2])
    return list(_spans(document, trace_id, str(document.get("parent_id") or ""), 0))


def _spans(part: Any, trace_id: bytes, parent: str, depth: int) -> Iterator[Span]:
    if not isinstance(part, dict) or part.get("in_progress") or depth > DEEPEST:
        return
    span_id = str(part.get("id", ""))
    start, end = _nanoseconds(part.get("start_time")), _nanoseconds(part.get("end_time"))
    if not _SPAN.fullmatch(span_id) or start is None or end is None:
        return
    yield Span(
        trace_id=trace_id,
        span_id=bytes.fromhex(span_id),
        parent_span_id=bytes.fromhex(parent) if _SPAN.fullmatch(parent) else b"",
        name=str(part.get("name", ""))[:LONGEST],
        kind=_kind(part),
        start_time_unix_nano=start,
        end_time_unix_nano=max(start, end),
        attributes=[pair(key, value) for key, value in _attributes(part).items()],
        events=_exceptions(part, end),
        status=_status(part),
    )
    inner = part.get("subsegments")
    for one in inner if isinstance(inner, list) else ():
        yield from _spans(one, trace_id, span_id, depth + 1)


def pair(key: str, value: object) -> KeyValue:
    """One attribute; what is neither text, number nor truth value goes as JSON."""
    if isinstance(value, bool):
        return KeyValue(key=key, value=AnyValue(bool_value=value))
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return KeyValue(key=key, value=AnyValue(int_value=value))
    if isinstance(value, float):
        return KeyValue(key=key, value=AnyValue(double_value=value))
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return KeyValue(key=key, value=AnyValue(string_value=text[:LONGEST]))


def _nanoseconds(seconds: object) -> int | None:
    if isinstance(seconds, (int, float)) and 0 < seconds < 2**33:
        return round(seconds * 1e6) * 1000  # a float of today's date holds no more than that
    return None


def _kind(part: Mapping[str, Any]) -> Span.SpanKind.ValueType:
    if part.get("namespace") in {"aws", "remote"}:
        return Span.SPAN_KIND_CLIENT
    if part.get("origin") == "AWS::Lambda":
        return Span.SPAN_KIND_SERVER
    return Span.SPAN_KIND_INTERNAL


def _status(part: Mapping[str, Any]) -> Status:
    failed = any(part.get(flag) for flag in ("fault", "error", "throttle"))
    return Status(code=Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET)


def _attributes(part: Mapping[str, Any]) -> dict[str, Any]:
    known = (
        ("http.request.method", ("http", "request", "method")),
        ("url.full", ("http", "request", "url")),
        ("http.response.status_code", ("http", "response", "status")),
        ("faas.invocation_id", ("aws", "request_id")),
        ("cloud.resource_id", ("aws", "function_arn")),
        ("rpc.method", ("aws", "operation")),
        ("cloud.region", ("aws", "region")),
        ("db.query.text", ("sql", "sanitized_query")),
        ("aws.xray.origin", ("origin",)),
        ("aws.xray.namespace", ("namespace",)),
        ("aws.xray.user", ("user",)),
    )
    found = {name: value for name, path in known if (value := _at(part, path)) is not None}
    for flag in ("fault", "error", "throttle"):
        if part.get(flag):
            found[f"aws.xray.{flag}"] = True
    for kind in ("annotations", "metadata"):
        values = part.get(kind)
        if isinstance(values, dict):
            found |= {f"aws.xray.{kind}.{key}": value for key, value in values.items()}
    return found


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _exceptions(part: Mapping[str, Any], end: int) -> list[Span.Event]:
    found = _at(part, ("cause", "exceptions"))
    return [
        Span.Event(
            time_unix_nano=end,
            name="exception",
            attributes=[
                pair("exception.type", str(one.get("type", ""))),
                pair("exception.message", str(one.get("message", ""))),
                pair("exception.stacktrace", _stack(one.get("stack"))),
            ],
        )
        for one in (found if isinstance(found, list) else ())
        if isinstance(one, dict)
    ]


def _stack(frames: object) -> str:
    listed = [one for one in frames if isinstance(one, dict)] if isinstance(frames, list) else []
    return "\n".join(
        f"{one.get('path', '')}:{one.get('line', '')} {one.get('label', '')}" for one in listed
    )
