"""The Runtime API over HTTP, for custom runtimes and the public runtime clients.

It stands behind the sandbox's own `door`, at `127.0.0.1:9001` there, and translates requests into
the same events that the channel gives. (AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes".)
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
from collections.abc import Callable, Sequence

import msgspec

from lambent.engine import faults
from lambent.engine.channel import RuntimeEvents
from lambent.engine.door import JSON, Door, refuse
from lambent.engine.states import InvalidStateTransition
from lambent.http.exchange import Exchange
from lambent.http.headers import Headers

PREFIX = "/2018-06-01/"
INVOCATION = "/2018-06-01/runtime/invocation/"
INIT_ERROR = "/2018-06-01/runtime/init/error"
RESTORE_NEXT = "/2018-06-01/runtime/restore/next"
RESTORE_ERROR = "/2018-06-01/runtime/restore/error"

HEADER_NAMES = (
    b"Lambda-Runtime-Aws-Request-Id",
    b"Lambda-Runtime-Deadline-Ms",
    b"Lambda-Runtime-Invoked-Function-Arn",
    b"Lambda-Runtime-Trace-Id",
    b"Lambda-Runtime-Aws-Tenant-Id",
    b"Lambda-Runtime-Client-Context",
    b"Lambda-Runtime-Cognito-Identity",
)
"""In the order of the channel's header fields; empty ones are left out."""
ERROR_TYPE = b"lambda-runtime-function-error-type"
ERROR_BODY = b"lambda-runtime-function-error-body"
RESPONSE_MODE = b"lambda-runtime-function-response-mode"


class Gate:
    """The flow of one streamed answer: whoever passes it on waits here while it is shut."""

    __slots__ = ("_opened",)

    def __init__(self) -> None:
        self._opened: asyncio.Future[None] | None = None

    def pause(self) -> None:
        if self._opened is None:
            self._opened = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None and not opened.done():
            opened.set_result(None)

    async def passed(self) -> None:
        if self._opened is not None:
            await self._opened


class RuntimeApi:
    """Serves one runtime at a time; `deliver` answers the `next` that is waiting."""

    def __init__(self, events: RuntimeEvents, door: Door | None) -> None:
        self._events = events
        if door is not None:
            door.route(PREFIX, self._handle, self._too_large)
        self._waiting: Exchange | None = None
        self._running = ""
        """Request id of the invoke that the runtime has."""
        self._started = False
        self._restoring = False
        """It has called for its restore, with SnapStart."""
        self._closed = False

    def deliver(self, header: Sequence[str], payload: bytes) -> None:
        exchange, self._waiting = self._waiting, None
        if exchange is None:
            return  # the runtime left; its exit ends the invoke
        self._running = header[0]
        named = [
            (name, value.encode())
            for name, value in zip(HEADER_NAMES, header, strict=True)
            if value
        ]
        exchange.on_gone = None
        exchange.respond(200, [JSON, *named], payload)

    def drain(self) -> None:
        """Nothing to do: what an exited runtime has sent is read by the loop in its order."""

    async def close(self) -> None:
        """The door is closed by whoever opened it."""
        self._closed = True

    # ── requests ─────────────────────────────────────────────────────────────────────────────

    def _handle(self, exchange: Exchange) -> None:
        if self._closed:
            exchange.abort()
            return
        path, method = exchange.path, exchange.method
        if method == "GET" and path == INVOCATION + "next":
            self._next(exchange)
        elif method == "POST" and path == INIT_ERROR:
            exchange.read_all(faults.PAYLOAD_LIMIT, self._init_error)
        elif method == "GET" and path == RESTORE_NEXT:
            self._restore_next(exchange)
        elif method == "POST" and path == RESTORE_ERROR:
            exchange.read_all(faults.PAYLOAD_LIMIT, self._restore_error)
        elif method == "POST" and path.startswith(INVOCATION):
            request_id, _, verb = path[len(INVOCATION) :].partition("/")
            if verb not in {"response", "error"}:
                refuse(exchange, 404, "NotFound", f"no such path: {path}")
            elif request_id != self._running:
                refuse(exchange, 400, "InvalidRequestID", "Invalid request ID")
            elif verb == "response" and exchange.headers.get(RESPONSE_MODE) == b"streaming":
                self._stream(exchange)
            else:
                exchange.read_all(
                    faults.PAYLOAD_LIMIT, self._response if verb == "response" else self._error
                )
        else:
            refuse(exchange, 404, "NotFound", f"no such path: {path}")

    def _next(self, exchange: Exchange) -> None:
        if self._waiting is not None:
            refuse(exchange, 403, "InvalidStateTransition", "another call for next is waiting")
            return
        self._waiting = exchange
        exchange.on_gone = self._next_gone
        try:
            if self._started:
                self._events.on_next()
            else:
                self._started = True
                self._events.on_ready()
        except InvalidStateTransition as error:
            self._waiting = None
            refuse(exchange, 403, "InvalidStateTransition", str(error))

    def _next_gone(self) -> None:
        """The runtime dropped its connection while waiting: it is gone, or as good as."""
        self._waiting = None
        if not self._closed:
            self._events.on_protocol_error("the runtime left its call for the next invoke")

    def _response(self, exchange: Exchange, body: bytes) -> None:
        failed = _error_in(exchange.trailers)
        if failed:  # an answer that broke off says so in its trailers
            self._report(exchange, self._on_error, failed)
        else:
            self._report(exchange, self._events.on_response, body)

    # A streamed answer: no more of it is read than its caller takes.

    def _stream(self, exchange: Exchange) -> None:
        flow = Gate()
        content_type = exchange.headers.get(b"content-type") or b""
        try:
            self._events.on_stream(content_type.decode("latin-1"), flow)
        except InvalidStateTransition as error:
            refuse(exchange, 403, "InvalidStateTransition", str(error))
            return
        exchange.on_gone = self._stream_gone
        exchange.spawn(self._pass_on(exchange, flow))

    async def _pass_on(self, exchange: Exchange, flow: Gate) -> None:
        try:
            async for part in exchange.read_stream():
                self._events.on_chunk(part)
                await flow.passed()
        except InvalidStateTransition:  # the invoke was ended meanwhile
            exchange.abort()
            return
        exchange.on_gone = None
        self._report(exchange, self._events.on_stream_end, _error_in(exchange.trailers))

    def _stream_gone(self) -> None:
        """The runtime hung up in the middle; if it died, its exit comes next."""
        if self._closed or not self._running:
            return
        document = faults.TRUNCATED.document(self._running)
        self._running = ""
        with contextlib.suppress(InvalidStateTransition):  # ended meanwhile
            self._events.on_stream_end(document)

    def _error(self, exchange: Exchange, body: bytes) -> None:
        self._report(exchange, self._on_error, body)

    def _on_error(self, body: bytes) -> None:
        self._events.on_error(body)

    def _report(self, exchange: Exchange, report: Callable[[bytes], None], body: bytes) -> None:
        self._running = ""
        try:
            report(body)
        except InvalidStateTransition as error:
            refuse(exchange, 403, "InvalidStateTransition", str(error))
        else:
            exchange.respond(202, [JSON], b'{"status":"OK"}\n')

    def _init_error(self, exchange: Exchange, body: bytes) -> None:
        if self._started:
            refuse(exchange, 403, "InvalidStateTransition", "Init is over")
            return
        self._events.on_init_error(body)
        exchange.respond(202, [JSON], b'{"status":"OK"}\n')

    # With SnapStart: this process is its own snapshot, and goes on at once.

    def _restore_next(self, exchange: Exchange) -> None:
        try:
            self._events.on_restore_next()
        except InvalidStateTransition as error:
            refuse(exchange, 403, "InvalidStateTransition", str(error))
            return
        self._restoring = True
        exchange.respond(200, [JSON], b"")

    def _restore_error(self, exchange: Exchange, body: bytes) -> None:
        if self._started or not self._restoring:
            refuse(exchange, 403, "InvalidStateTransition", "nothing is being restored")
            return
        self._events.on_init_error(body)
        exchange.respond(202, [JSON], b'{"status":"OK"}\n')

    def _too_large(self, exchange: Exchange, limit: int) -> None:
        text = f"Exceeded maximum allowed payload size ({limit} bytes)."
        refuse(exchange, 413, "RequestEntityTooLarge", text)
        if self._running and exchange.path.endswith("/response"):
            self._running = ""
            self._events.on_error(faults.too_large())


def _error_in(trailers: Headers) -> bytes:
    """The error document that trailers tell of, or nothing: its body travels as base64."""
    kind = trailers.get(ERROR_TYPE)
    if kind is None:
        return b""
    body = trailers.get(ERROR_BODY) or b""
    if body[:1] != b"{":
        with contextlib.suppress(binascii.Error):
            body = base64.b64decode(body, validate=True)
    if body[:1] == b"{":
        return body
    return msgspec.json.encode({"errorType": kind.decode("latin-1"), "errorMessage": ""})
