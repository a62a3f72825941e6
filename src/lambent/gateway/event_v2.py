"""Payload format 2.0: the event of function URLs and of HTTP APIs.

Raw path and query stay as they came; header names are lower-case, repeated fields and repeated
query names are joined by commas; cookies stand apart. What a request does not have is left out.
(AWS Lambda developer guide, "Invoking Lambda function URLs", request payload format.)
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from lambent.gateway.request import HttpRequest, body_text, joined

_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """What the event says of the gateway itself."""

    api_id: str
    account: str = "anonymous"
    """Of an HTTP API its owner's; of a function URL the caller's, when it signed."""
    authorizer: Mapping[str, Any] | None = None
    stage: str = "$default"
    route_key: str = "$default"
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    stage_variables: Mapping[str, str] = field(default_factory=dict)


def event_v2(request: HttpRequest, frame: Frame) -> bytes:
    """The event as JSON."""
    fields = [pair for pair in request.fields if pair[0] != "cookie"]
    cookies = [
        cookie
        for name, value in request.fields
        if name == "cookie"
        for cookie in value.split("; ")
        if cookie
    ]
    body, is_base64 = body_text(request)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": frame.route_key,
        "rawPath": request.path,
        "rawQueryString": request.query,
    }
    if cookies:
        event["cookies"] = cookies
    event["headers"] = joined(fields)
    if query := joined(request.query_pairs()):
        event["queryStringParameters"] = query
    event["requestContext"] = _context(request, frame)
    if frame.path_parameters:
        event["pathParameters"] = dict(frame.path_parameters)
    if frame.stage_variables:
        event["stageVariables"] = dict(frame.stage_variables)
    if body is not None:
        event["body"] = body
    event["isBase64Encoded"] = is_base64
    return msgspec.json.encode(event)


def _context(request: HttpRequest, frame: Frame) -> dict[str, Any]:
    context: dict[str, Any] = {"accountId": frame.account, "apiId": frame.api_id}
    if frame.authorizer is not None:
        context["authorizer"] = dict(frame.authorizer)
    return context | {
        "domainName": request.domain,
        "domainPrefix": request.domain.partition(".")[0],
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.source_ip,
            "userAgent": request.header("user-agent") or "",
        },
        "requestId": request.request_id,
        "routeKey": frame.route_key,
        "stage": frame.stage,
        "time": log_time(request.time_ms),
        "timeEpoch": request.time_ms,
    }


def log_time(time_ms: int) -> str:
    """`12/Mar/2020:19:03:58 +0000`, whatever the locale."""
    t = time.gmtime(time_ms // 1000)
    month = _MONTHS[t.tm_mon - 1]
    return f"{t.tm_mday:02}/{month}/{t.tm_year}:{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} +0000"
