"""A function's own address: the request comes in, the function's answer goes out.

`FunctionUrls.handle` is called by whoever found out which URL a request is for (host, path or port).
Preflights are answered here; everything else is judged by the `Gate`, made an event of format 2.0
and run by the engine. Refusals and failures read as AWS's: 403, 413, 429, 500, 502, 504.
(AWS Lambda developer guide, "Creating and managing Lambda function URLs".)
"""

from __future__ import annotations

from typing import Final

import msgspec

from lambent.clock import Clock, new_uuid
from lambent.engine import http_prelude
from lambent.engine.dispatcher import Dispatcher
from lambent.engine.invocation import Invocation, Outcome
from lambent.errors import AwsError, LambentError
from lambent.gateway.answer import AnswerError, Fields, HttpAnswer, answer_v2
from lambent.gateway.catalog import UrlCatalog
from lambent.gateway.cors import without_cors
from lambent.gateway.event_v2 import Frame, event_v2
from lambent.gateway.gate import Gate, Refusal, Visitor, forbidden
from lambent.gateway.request import HttpRequest
from lambent.gateway.streamed import StreamedUrlAnswer, prelude_answer
from lambent.gateway.urls import UrlTarget
from lambent.http.exchange import Exchange
from lambent.observe.trace_header import new_trace

BODY_LIMIT: Final = 6_291_456
TIMED_OUT: Final = b'"Sandbox.Timedout"'
HOP_BY_HOP: Final = frozenset({b"connection", b"keep-alive", b"te", b"upgrade", b"expect"})


class FunctionUrls:
    """Serves every function URL of a server."""

    def __init__(
        self, catalog: UrlCatalog, gate: Gate, dispatcher: Dispatcher, clock: Clock
    ) -> None:
        self.catalog = catalog
        self.gate = gate
        self.dispatcher = dispatcher
        self.clock = clock

    def handle(self, exchange: Exchange, url_id: str, path: str) -> None:
        """Serve one request; `path` is what the function sees, still encoded."""
        target = self.catalog.find(url_id)
        request_id = new_uuid()
        if target is None:
            _refuse(exchange, request_id, Refusal(403, "AccessDeniedException", None))
            return
        call = _UrlCall(self, exchange, target, path, request_id)
        if call.is_preflight():
            call.answer_preflight()
            return
        try:
            self.gate.admit_head(exchange, target)
        except Refusal as refusal:
            call.refuse(refusal)
            return
        exchange.read_all(BODY_LIMIT, call.on_body)

    def too_large(self, exchange: Exchange) -> None:
        """A body past the limit: the server's `on_too_large` for these requests."""
        _refuse(
            exchange,
            new_uuid(),
            Refusal(413, "RequestEntityTooLargeException", "Request Entity Too Large"),
        )


class _UrlCall:
    """One request to a function URL, from its head to its answer."""

    __slots__ = (
        "_exchange", "_invocation", "_origin", "_path", "_request_id", "_stream", "_target",
        "_trace", "_urls",
    )  # fmt: skip

    def __init__(
        self,
        urls: FunctionUrls,
        exchange: Exchange,
        target: UrlTarget,
        path: str,
        request_id: str,
    ) -> None:
        self._urls = urls
        self._exchange = exchange
        self._target = target
        self._path = path
        self._request_id = request_id
        self._invocation: Invocation | None = None
        self._stream: StreamedUrlAnswer | None = None
        self._origin = (exchange.headers.get(b"origin") or b"").decode("latin-1")
        given = exchange.headers.get(b"x-amzn-trace-id")
        self._trace = (
            given.decode("latin-1") if given else new_trace(request_id, urls.clock.time_ms())[0]
        )

    # ── the browser's own questions ──────────────────────────────────────────────────────────

    def is_preflight(self) -> bool:
        get = self._exchange.headers.get
        return (
            self._target.cors is not None
            and self._exchange.method == "OPTIONS"
            and bool(self._origin)
            and get(b"access-control-request-method") is not None
        )

    def answer_preflight(self) -> None:
        get, cors = self._exchange.headers.get, self._target.cors
        assert cors is not None
        method = (get(b"access-control-request-method") or b"").decode("latin-1")
        headers = (get(b"access-control-request-headers") or b"").decode("latin-1")
        fields = cors.preflight_fields(self._origin, method, headers)
        self._exchange.respond(200, [*self._own_fields(), *fields], b"")

    # ── the run ──────────────────────────────────────────────────────────────────────────────

    def on_body(self, exchange: Exchange, body: bytes) -> None:
        try:
            visitor = self._urls.gate.admit(exchange, self._target, body)
            self._invoke(self._event(body, visitor))
        except Refusal as refusal:
            self.refuse(refusal)
        except LambentError as error:
            self.on_failed(error)

    def _event(self, body: bytes, visitor: Visitor) -> bytes:
        target = self._target
        frame = Frame(target.url_id, visitor.account, visitor.authorizer)
        return event_v2(self._request(body), frame)

    def _request(self, body: bytes) -> HttpRequest:
        exchange, target = self._exchange, self._target
        fields = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in exchange.headers.items()
            if name not in HOP_BY_HOP and name != b"host" and name not in _FORWARDED
        ]
        scheme = "https" if exchange.secure else "http"
        fields += [
            ("host", target.domain),
            ("x-amzn-trace-id", self._trace),
            ("x-forwarded-for", exchange.peer),
            ("x-forwarded-port", str(exchange.local_port)),
            ("x-forwarded-proto", scheme),
        ]
        return HttpRequest(
            method=exchange.method,
            path=self._path,
            query=exchange.query.decode("latin-1"),
            fields=fields,
            body=body,
            source_ip=exchange.peer,
            domain=target.domain,
            request_id=self._request_id,
            time_ms=self._urls.clock.time_ms(),
        )

    def _invoke(self, event: bytes) -> None:
        target = self._target
        invocation = self._invocation = Invocation(
            request_id=self._request_id,
            account=target.account,
            region=target.region,
            name=target.function_name,
            qualifier=target.qualifier,
            payload=event,
            on_done=self.on_done,
            on_failed=self.on_failed,
            trace_header=self._trace,
        )
        if target.invoke_mode == "RESPONSE_STREAM":
            self._stream = StreamedUrlAnswer(self._exchange, self._own_fields(), self._cors_fields)
            invocation.sink = self._stream
        self._exchange.on_gone = self.on_gone
        self._urls.dispatcher.invoke(invocation)

    # ── the answer ───────────────────────────────────────────────────────────────────────────

    def on_done(self, outcome: Outcome) -> None:
        self._exchange.on_gone = self._invocation = None
        if self._stream is not None and self._stream.end(outcome):
            return
        try:
            self._respond(self._answer(outcome))
        except Refusal as refusal:
            self.refuse(refusal)
        except AnswerError:
            self.refuse(_BAD_GATEWAY)

    def _answer(self, outcome: Outcome) -> HttpAnswer:
        if outcome.function_error is not None:
            raise _TIMED_OUT if TIMED_OUT in outcome.payload[:200] else _BAD_GATEWAY
        if self._stream is not None:
            # A function that does not stream: the client sees its answer as it is (LAMBDA.md 65).
            return HttpAnswer(200, [(b"Content-Type", b"application/json")], outcome.payload)
        if http_prelude.DELIMITER in outcome.payload:
            # A stream that was gathered, because the URL buffers.
            return prelude_answer(outcome.payload)
        return answer_v2(outcome.payload)

    def _respond(self, answer: HttpAnswer) -> None:
        fields = [*self._own_fields(), *self._cors_fields(answer.fields)]
        self._exchange.respond(answer.status, fields, answer.body)

    def on_failed(self, error: LambentError) -> None:
        self._exchange.on_gone = self._invocation = None
        if self._stream is not None and self._stream.fail():
            return
        self.refuse(_refusal(error))

    def refuse(self, refusal: Refusal) -> None:
        _refuse(self._exchange, self._request_id, refusal, self._cors_fields([]))

    def on_gone(self) -> None:
        if self._invocation is not None:
            self._invocation.cancelled = True
        if self._stream is not None:
            self._stream.gone()

    def _own_fields(self) -> Fields:
        return [
            (b"x-amzn-RequestId", self._request_id.encode()),
            (b"X-Amzn-Trace-Id", self._trace.encode()),
        ]

    def _cors_fields(self, fields: Fields) -> Fields:
        """The function's fields and what the configuration tells this page."""
        cors = self._target.cors
        if cors is None:
            return fields
        return without_cors(fields) + (cors.answer_fields(self._origin) if self._origin else [])


_FORWARDED: Final = frozenset(
    {b"x-forwarded-for", b"x-forwarded-port", b"x-forwarded-proto", b"x-amzn-trace-id"}
)
_BAD_GATEWAY: Final = Refusal(502, "InternalServerErrorException", "Internal Server Error")
_TIMED_OUT: Final = Refusal(504, "GatewayTimeoutException", "Gateway Timeout")


def _refusal(error: LambentError) -> Refusal:
    """Throttled, not ready, gone, or our own fault: as AWS tells a visitor, who sees no names."""
    status = error.status if isinstance(error, AwsError) else 500
    if status == 404:
        return forbidden()
    if status == 429:
        return Refusal(429, "TooManyRequestsException", "Rate Exceeded.")
    if 400 <= status < 500:
        return Refusal(502, "InternalServerErrorException", "Internal Server Error")
    return Refusal(500, "InternalServerErrorException", "Internal Server Error")


def _refuse(
    exchange: Exchange, request_id: str, refusal: Refusal, fields: Fields | None = None
) -> None:
    body: bytes
    if refusal.status >= 500:
        # Plain words, as AWS answers them.
        body, content_type = (refusal.message or "").encode(), b"text/plain"
    else:
        body = msgspec.json.encode({"Message": refusal.message})
        content_type = b"application/json"
    own = [
        (b"Content-Type", content_type),
        (b"x-amzn-RequestId", request_id.encode()),
        (b"x-amzn-ErrorType", refusal.error_type.encode()),
    ]
    exchange.respond(refusal.status, [*own, *(fields or [])], body)
