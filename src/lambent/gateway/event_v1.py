"""Payload format 1.0: the event of REST APIs, and of HTTP APIs that ask for it.

The path is decoded, header names are written as clients write them, and every header and query
parameter is there twice: with its last value, and with all of them. What a request does not have
is null. (API Gateway developer guide, "Input format of a Lambda function for proxy integration".)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import msgspec

from lambent.gateway.event_v2 import log_time
from lambent.gateway.request import HttpRequest, body_text, grouped


@dataclass(frozen=True, slots=True)
class RestFrame:
    """What the event says of the API."""

    api_id: str
    account: str
    resource: str
    """As the route was declared: `/items/{id}` or `/{proxy+}`."""
    stage: str
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    authorizer: Mapping[str, Any] | None = None
    base_path: str = ""
    """`/prod` when the client's path carries the stage."""
    version: str | None = None
    """`1.0` in the event of an HTTP API; a REST API does not say."""
    caller: Mapping[str, str | None] = field(default_factory=dict)
    """Members of `identity` that are known of a caller who signed."""
    text_only: bool = False
    """The body is handed on as text: a REST API without a binary media type that fits."""


def event_v1(request: HttpRequest, frame: RestFrame) -> bytes:
    """The event as JSON."""
    fields = [(_as_written(name), value) for name, value in request.fields]
    query = request.query_pairs()
    body, is_base64 = body_text(request)
    if frame.text_only and is_base64:
        body, is_base64 = request.body.decode(errors="replace"), False
    path = unquote(request.path)
    event: dict[str, Any] = {} if frame.version is None else {"version": frame.version}
    event |= {
        "resource": frame.resource,
        "path": path,
        "httpMethod": request.method,
        "headers": dict(fields),
        "multiValueHeaders": grouped(fields),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": grouped(query) or None,
        "pathParameters": dict(frame.path_parameters) or None,
        "stageVariables": dict(frame.stage_variables) or None,
        "requestContext": _context(request, frame, path),
        "body": body,
        "isBase64Encoded": is_base64,
    }
    return msgspec.json.encode(event)


def _context(request: HttpRequest, frame: RestFrame, path: str) -> dict[str, Any]:
    context: dict[str, Any] = {
        "resourceId": "lambent",
        "resourcePath": frame.resource,
        "httpMethod": request.method,
        "extendedRequestId": request.request_id,
        "requestTime": log_time(request.time_ms),
        "path": frame.base_path + path,
        "accountId": frame.account,
        "protocol": "HTTP/1.1",
        "stage": frame.stage,
        "domainPrefix": request.domain.partition(".")[0],
        "requestTimeEpoch": request.time_ms,
        "requestId": request.request_id,
        "identity": _identity(request) | dict(frame.caller),
        "domainName": request.domain,
        "apiId": frame.api_id,
    }
    if frame.authorizer is not None:
        context["authorizer"] = dict(frame.authorizer)
    return context


def _identity(request: HttpRequest) -> dict[str, str | None]:
    unknown = (
        "accessKey", "accountId", "caller", "cognitoAuthenticationProvider",
        "cognitoAuthenticationType", "cognitoIdentityId", "cognitoIdentityPoolId",
        "principalOrgId", "user", "userArn",
    )  # fmt: skip
    return dict.fromkeys(unknown) | {
        "sourceIp": request.source_ip,
        "userAgent": request.header("user-agent"),
    }


def _as_written(name: str) -> str:
    """`user-agent` → `User-Agent`: HTTP's names know no case, people's code does."""
    return "-".join(part.capitalize() for part in name.split("-"))
