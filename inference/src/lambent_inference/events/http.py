"""HTTP in every dress that Lambda knows, brought to the ones that Mangum can read.

REST v1, HTTP v2 (with a stage in the path or not), function URL and load balancer are recognised by
their `requestContext`; what has none but a method and a path was typed by a person, and becomes REST
v1. https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

Event = dict[str, Any]


def is_request(event: Event) -> bool:
    context = event.get("requestContext")
    if isinstance(context, dict) and ("http" in context or "elb" in context):
        return True
    return isinstance(event.get("httpMethod"), str) and isinstance(event.get("path"), str)


def normal(event: Event, base_path: str = "") -> Event:
    """A copy that Mangum reads right; raises ValueError for a body that cannot be decoded."""
    context = event.get("requestContext") or {}
    event = {**event, "headers": _texts(event.get("headers"))}
    if event.get("isBase64Encoded"):
        _check_base64(event.get("body"))
    if "http" in context:
        return _v2(event, context, base_path)
    if "elb" in context:
        return {**event, "path": _without(event["path"], base_path)}
    return _v1(event, context, base_path)


def _v2(event: Event, context: Event, base_path: str) -> Event:
    path = event.get("rawPath") or context["http"].get("path") or "/"
    stage = context.get("stage", "$default")
    if stage != "$default":
        path = _without(path, f"/{stage}")
    path = _without(path, base_path)
    http = {"method": "GET", "sourceIp": "", **context["http"], "path": path}
    return {
        "version": "2.0",
        **event,
        "rawPath": path,
        "body": event.get("body") or "",
        "requestContext": {**context, "http": http},
    }


def _v1(event: Event, context: Event, base_path: str) -> Event:
    path, _, query = event["path"].partition("?")
    if not path.startswith("/"):
        path = f"/{path}"
    path = _without(path, base_path)
    body = event.get("body")
    headers = event["headers"]
    if body is not None and not isinstance(body, str):
        body = json.dumps(_renamed(body))
    elif not context and isinstance(body, str):
        body = _renamed_text(body)
    if body and not context and "content-type" not in {name.lower() for name in headers}:
        headers = {**headers, "content-type": "application/json"}
    normal = {
        **event,
        "resource": event.get("resource") or path,
        "path": path,
        "headers": headers,
        "body": body or "",
        "requestContext": context or {"identity": {"sourceIp": ""}, "stage": ""},
    }
    if query and not event.get("queryStringParameters"):
        from urllib.parse import parse_qs

        normal["multiValueQueryStringParameters"] = parse_qs(query, keep_blank_values=True)
    # Mangum joins both tables when both are there; null in either is what AWS sends for "none".
    return {
        key: value
        for key, value in normal.items()
        if value is not None or not key.endswith(("Headers", "Parameters"))
    }


def _renamed(body: Any) -> Any:
    """In an event of one's own, `workflow_definition` may stand for `specification`."""
    if isinstance(body, dict) and "workflow_definition" in body:
        body = dict(body)
        body.setdefault("specification", body.pop("workflow_definition"))
    return body


def _renamed_text(body: str) -> str:
    if "workflow_definition" not in body:
        return body
    try:
        return json.dumps(_renamed(json.loads(body)))
    except ValueError:
        return body


def _texts(headers: object) -> dict[str, str]:
    """Headers as texts; Mangum reads numbers out of two of them and must find some."""
    given = headers if isinstance(headers, dict) else {}
    return {str(name): _sane(str(name).lower(), str(value)) for name, value in given.items()}


def _sane(name: str, value: str) -> str:
    if name == "host":
        host, _, port = value.partition(":")
        return f"{host}:{port}" if host and port.isdecimal() else host or "localhost"
    if name == "x-forwarded-port" and not value.isdecimal():
        return "443"
    return value


def _without(path: str, prefix: str) -> str:
    prefix = "/" + prefix.strip("/")
    if prefix == "/" or not (path == prefix or path.startswith(prefix + "/")):
        return path
    return path[len(prefix) :] or "/"


def _check_base64(body: object) -> None:
    try:
        base64.b64decode(body or "", validate=True)  # type: ignore[arg-type]  # anything may come
    except (binascii.Error, TypeError, ValueError):
        raise ValueError("the event's body is not base64") from None
