"""Errors on the wire: ours as `{"message": …}`, a body that cannot be read as FastAPI's own 422."""

from __future__ import annotations

import logging
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from lambent_inference.errors import InferenceError

log = logging.getLogger("lambent_inference")

ECHO_MAX: Final = 200
"""Characters of a wrong input that are sent back: an image's base64 would not help anybody."""


def install(app: FastAPI) -> None:
    app.add_exception_handler(InferenceError, _ours)
    app.add_exception_handler(RequestValidationError, _unreadable)


async def _ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, InferenceError)
    if error.status >= 500:
        log.error("%s: %s", type(error).__name__, error)
    return as_json(error.body(), status=error.status, headers=dict(error.headers()))


async def _unreadable(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return as_json({"detail": [_entry(one) for one in error.errors()]}, status=422)


def _entry(one: Any) -> dict[str, Any]:
    entry = {
        "type": one["type"],
        "loc": list(one["loc"]),
        "msg": one["msg"],
        "input": echo(one.get("input")),
    }
    return entry | ({"ctx": echo(one["ctx"])} if "ctx" in one else {})


def echo(value: Any) -> Any:
    """What was sent, without keys and without what is large."""
    if isinstance(value, dict):
        return {
            str(key): "***" if key == "api_key" and inner else echo(inner)
            for key, inner in list(value.items())[:50]
        }
    if isinstance(value, list):
        return [echo(inner) for inner in value[:50]]
    if isinstance(value, bytes):
        return value[:ECHO_MAX].decode("utf-8", "replace")
    if isinstance(value, str) and len(value) > ECHO_MAX:
        return value[:ECHO_MAX] + "…"
    return value


def as_json(value: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")
