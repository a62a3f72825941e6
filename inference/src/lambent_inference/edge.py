"""What every answer has in common: its id and headers, a body's limit, compression, 500s without traces.

An ASGI middleware around the routes. Answers here are never streamed (a function's cannot be, with
Mangum), so the body is held, compressed if that is asked for, and sent in one piece.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re
import sys
import time
import uuid
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lambent_inference import __version__, work
from lambent_inference.errors import RequestTooLarge, RequestTooSlow
from lambent_inference.record import Record
from lambent_inference.service import Service

log = logging.getLogger("lambent_inference")

COMPRESS_FROM_BYTES: Final = 1024
LONG_BYTES: Final = 1 << 16
COMPRESSIBLE: Final = ("application/json", "text/")
REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
INTERNAL: Final = b'{"message":"Internal error."}'
ENGINE: Final = f"lambent-inference/{__version__}"


class Edge:
    """The outermost layer of ours; only Starlette's own error page is outside."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = Headers(scope=scope)
        record = scope["lambent"] = Record(_request_id(headers.get("x-request-id")))
        answer = _Answer()
        await self.app(scope, self._limited(receive), answer.take)
        await answer.send(send, record, gzipped="gzip" in headers.get("accept-encoding", ""))
        if not self.service.counting:
            return
        route = getattr(scope.get("route"), "path", "other")
        self.service.metrics.requests[route, answer.status] += 1
        if self.service.settings.api_logging_enabled:
            _write_line(scope, record, answer.status, time.perf_counter() - began)

    def _limited(self, receive: Receive) -> Receive:
        """The body, until it is too long or too slow; a function's is neither, a container's may be endless."""
        settings = self.service.settings
        most = settings.max_request_mb << 20
        received, whole = 0, False
        end = asyncio.get_running_loop().time() + settings.request_timeout_s

        async def take() -> Message:
            nonlocal received, whole
            try:
                # After the body comes only that the client has gone, however long that takes.
                async with asyncio.timeout_at(None if whole else end):
                    message = await receive()
            except TimeoutError:
                raise RequestTooSlow(settings.request_timeout_s) from None
            whole = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > most:
                raise RequestTooLarge(settings.max_request_mb)
            return message

        return take


class Guard:
    """The innermost layer: what fails inside is an answer, too, to which the others add their headers.

    A page of another origin could not read it otherwise. The trace goes to the log; to the client
    only that it is our fault.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        except Exception:
            log.exception("request %s failed", scope["lambent"].request_id)
            await Response(INTERNAL, 500, media_type="application/json")(scope, receive, send)


class _Answer:
    """An answer as the app makes it, until it is whole."""

    def __init__(self) -> None:
        self.status = 500
        self.headers = MutableHeaders()
        self.body = bytearray()

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = MutableHeaders(raw=list(message["headers"]))
            self.body.clear()  # of an answer that broke off
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    async def send(self, send: Send, record: Record, *, gzipped: bool) -> None:
        self.headers["x-request-id"] = record.request_id
        self.headers["x-inference-engine"] = ENGINE
        for name, value in record.headers():
            self.headers[name] = value
        body = bytes(self.body)
        kind = self.headers.get("content-type", "")
        if kind.startswith(COMPRESSIBLE) and "content-encoding" not in self.headers:
            self.headers.add_vary_header("Accept-Encoding")
            if gzipped and len(body) >= COMPRESS_FROM_BYTES:
                body = await _compressed(body)
                self.headers["content-encoding"] = "gzip"
        self.headers["content-length"] = str(len(body))
        start = {"type": "http.response.start", "status": self.status, "headers": self.headers.raw}
        await send(start)
        await send({"type": "http.response.body", "body": body})


async def _compressed(body: bytes) -> bytes:
    """A long one elsewhere: a megabyte takes as long as hundreds of other requests."""
    if len(body) < LONG_BYTES:
        return gzip.compress(body, compresslevel=5, mtime=0)
    return await work.run(gzip.compress, body, compresslevel=5, mtime=0)


def _request_id(given: str | None) -> str:
    return given if given and REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _write_line(scope: Scope, record: Record, status: int, seconds: float) -> None:
    """Without the query: keys travel there."""
    line = {
        "event": "request",
        "request_id": record.request_id,
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "duration_ms": round(seconds * 1000, 3),
    }
    sys.stderr.write(json.dumps(line) + "\n")
