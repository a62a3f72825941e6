"""HTTP as Lambda has it: a request as an event (payload format 2.0), and an answer from a result.

As function URLs and API Gateway's HTTP APIs do it, so that a handler cannot tell the difference:
https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

from lambent.delivery.problem import Problem

_TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str
    """Path and query, as they stand in a request line."""
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: dict[str, str]
    """Names in lower case."""
    cookies: tuple[str, ...]
    body: bytes


def event(request: Request, *, domain: str, source_ip: str, now: datetime) -> dict[str, Any]:
    """The event that the function gets."""
    url = urlsplit(request.target)
    headers: dict[str, str] = {"host": domain}
    cookies: list[str] = []
    for name, value in request.headers:
        key = name.lower()
        if key == "cookie":
            cookies += [cookie.strip() for cookie in value.split(";") if cookie.strip()]
        elif key in headers and key != "host":
            headers[key] += f",{value}"
        else:
            headers[key] = value
    if request.body is not None:
        headers["content-length"] = str(len(request.body))
    headers.setdefault("x-forwarded-for", source_ip)
    headers.setdefault("x-forwarded-proto", "https")
    headers.setdefault("x-forwarded-port", "443")
    path = url.path or "/"
    found: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": url.query,
        "headers": headers,
        "requestContext": _context(request.method, path, headers, source_ip, now),
        "isBase64Encoded": False,
    }
    if cookies:
        found["cookies"] = cookies
    if url.query:
        found["queryStringParameters"] = _query(url.query)
    if request.body is not None:
        found |= _body(request.body, headers.get("content-type", ""))
    return found


def _context(
    method: str, path: str, headers: dict[str, str], source_ip: str, now: datetime
) -> dict[str, Any]:
    now = now.astimezone(UTC)
    return {
        "accountId": "anonymous",
        "apiId": headers["host"].split(".", maxsplit=1)[0],
        "domainName": headers["host"],
        "domainPrefix": headers["host"].split(".", maxsplit=1)[0],
        "http": {
            "method": method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": source_ip,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": str(uuid4()),
        "routeKey": "$default",
        "stage": "$default",
        "time": f"{now:%d/%b/%Y:%H:%M:%S +0000}",
        "timeEpoch": int(now.timestamp() * 1000),
    }


def _query(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _body(body: bytes, content_type: str) -> dict[str, Any]:
    """As text where the type is a text's; forms, as on AWS, are not."""
    if content_type.lower().startswith(_TEXT_TYPES):
        try:
            return {"body": body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def response(payload: bytes) -> Response:
    """The HTTP answer that Lambda makes of a function's result."""
    try:
        result = json.loads(payload) if payload else None
    except ValueError:
        raise _invalid("it is not JSON") from None
    if not (isinstance(result, dict) and "statusCode" in result):
        text = result if isinstance(result, str) else payload.decode()
        return Response(200, {"content-type": "application/json"}, (), text.encode())
    try:
        status = int(result["statusCode"])
    except (TypeError, ValueError):
        raise _invalid(f"statusCode is {result['statusCode']!r}") from None
    if not 100 <= status <= 599:
        raise _invalid(f"statusCode is {status}")
    given = result.get("headers") or {}
    cookies = result.get("cookies") or []
    if not isinstance(given, dict) or not isinstance(cookies, list):
        raise _invalid("headers must be an object and cookies a list")
    headers = {str(name).lower(): _text(value) for name, value in given.items()}
    headers.setdefault("content-type", "application/json")
    return Response(status, headers, tuple(map(str, cookies)), _bytes(result))


def _bytes(result: dict[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        return json.dumps(body).encode()
    if not result.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except ValueError:
        raise _invalid("isBase64Encoded is true and body is not base64") from None


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _invalid(why: str) -> Problem:
    return Problem(
        "ANSWER_NOT_HTTP",
        "the function's answer cannot be made an HTTP response; its URL would answer 502",
        why=why,
        fix='return {"statusCode": 200, "headers": {…}, "body": "…"}',
    )
