"""Invoke: the hot path of the whole product.

`Invoker.begin` is called by `app` as soon as a head with this path is complete. Payloads are
checked to be JSON, never materialised; the answer comes by a plain callback and leaves in one
write. Per call: no task, no future, no lock, no disk, no log record. Event and DryRun part from
it after the body is read; they may wait.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from concurrent.futures import Executor
from typing import Final
from urllib.parse import parse_qsl, unquote

import msgspec

from lambent.api import jackson
from lambent.api.auth import HASH_OFF_LOOP_BYTES, Authenticator, Claim, Head
from lambent.api.browsers import refuse_foreign_pages
from lambent.api.context import Services
from lambent.api.credentials import Identity
from lambent.api.errors import respond_error
from lambent.api.parse import parse
from lambent.api.route import Router
from lambent.api.validate import validate
from lambent.clock import Clock, new_uuid
from lambent.control.names import FunctionRef, Scope, resolve
from lambent.engine.invocation import Invocation, Outcome
from lambent.errors import InvalidRequestContent, LambentError, RequestTooLarge
from lambent.http.exchange import Exchange

PREFIX: Final = "/2015-03-31/functions/"
SUFFIX: Final = "/invocations"

SYNC_LIMIT: Final = 6_291_456
EVENT_LIMIT: Final = 1_048_576
CLIENT_CONTEXT_LIMIT: Final = 3_583
"""Base64 bytes."""

_KINDS: Final = frozenset({None, b"RequestResponse", b"Event", b"DryRun"})
_LOG_TYPES: Final = frozenset({None, b"None", b"Tail"})
_FUNCTIONS_MAX: Final = 4096
_REMEMBERED_QUERY_MAX: Final = 256
"""Bytes: any qualifier fits, and no presigned query, which does not come twice."""

_JSON: Final = (b"Content-Type", b"application/json")

_Where = tuple[str, bytes, str, str]
"""Path, query, account, region."""


class Invoker:
    """What all invokes of a server share."""

    def __init__(
        self,
        services: Services,
        authenticator: Authenticator,
        router: Router,
        clock: Clock,
        executor: Executor,
    ) -> None:
        self.dispatcher = services.dispatcher
        self.events = services.events
        self.authenticator = authenticator
        self.router = router
        self.clock = clock
        self.executor = executor
        self._functions: dict[_Where, FunctionRef] = {}

    def begin(self, exchange: Exchange) -> None:
        """Judge the head and read the body; every answer, refusals too, goes out by `exchange`."""
        request_id = new_uuid()
        try:
            call = self._call(exchange, request_id)
        except LambentError as error:
            respond_error(exchange, request_id, error)
            return
        limit = EVENT_LIMIT if call.kind == b"Event" else SYNC_LIMIT
        exchange.read_all(limit, call.on_body)

    def _call(self, exchange: Exchange, request_id: str) -> _Call:
        get = exchange.headers.get
        claim = None
        if self.authenticator.verifies:
            claim = self.authenticator.claim(_head(exchange))
            identity = claim.identity
        else:
            refuse_foreign_pages(exchange.headers)
            identity = self.authenticator.identify(get(b"authorization"), exchange.query)
        kind, log_type = get(b"x-amz-invocation-type"), get(b"x-amz-log-type")
        tenant, durable = get(b"x-amz-tenant-id"), get(b"x-amz-durable-execution-name")
        if kind not in _KINDS or log_type not in _LOG_TYPES or tenant or durable:
            self._validate(exchange)
        where = (exchange.path, exchange.query, identity.account, identity.region)
        function = self._functions.get(where) or self._function(exchange, where)
        call = _Call(self, exchange, request_id, identity, function, kind, claim)
        call.want_tail = log_type == b"Tail"
        context = get(b"x-amz-client-context")
        if context is not None:
            call.client_context = _client_context(context)
        trace = get(b"x-amzn-trace-id")
        call.trace, call.answered_trace = (
            _callers_trace(trace) if trace else _new_trace(request_id, self.clock)
        )
        if tenant:
            call.tenant_id = tenant.decode("latin-1")
        return call

    def _function(self, exchange: Exchange, where: _Where) -> FunctionRef:
        """Which function, for a path and a caller that are new; raises when none is meant.

        Callers repeat themselves, so it is remembered; the memory starts over when it is full.
        """
        path, raw_query, account, region = where
        self._validate(exchange)
        query = dict(parse_qsl(raw_query.decode("utf-8", "replace"), keep_blank_values=True))
        name = unquote(path[len(PREFIX) : -len(SUFFIX)])
        scope = Scope(account, region)
        function = resolve(scope, name, query.get("Qualifier"), operation="InvokeFunction")
        if len(raw_query) <= _REMEMBERED_QUERY_MAX:
            if len(self._functions) >= _FUNCTIONS_MAX:
                self._functions.clear()
            self._functions[where] = function
        return function

    def _validate(self, exchange: Exchange) -> None:
        """By the model, as any other operation; the payload has no constraint."""
        match = self.router.match(exchange.method, exchange.path, exchange.query)
        validate(match.operation, parse(match, exchange.headers.get, b""))


class _Call:
    """One invoke, from its head to its answer."""

    __slots__ = (
        "_claim",
        "_exchange",
        "_function",
        "_identity",
        "_invocation",
        "_invoker",
        "_request_id",
        "answered_trace",
        "client_context",
        "kind",
        "tenant_id",
        "trace",
        "want_tail",
    )

    def __init__(
        self,
        invoker: Invoker,
        exchange: Exchange,
        request_id: str,
        identity: Identity,
        function: FunctionRef,
        kind: bytes | None,
        claim: Claim | None,
    ) -> None:
        self._invoker = invoker
        self._exchange = exchange
        self._request_id = request_id
        self._identity = identity
        self._function = function
        self._claim = claim
        self._invocation: Invocation | None = None
        self.kind = kind
        self.want_tail = False
        self.client_context: bytes | None = None
        self.trace = ""
        self.answered_trace = b""
        self.tenant_id = ""

    def on_body(self, exchange: Exchange, body: bytes) -> None:
        claim = self._claim
        if claim is not None:
            if len(body) > HASH_OFF_LOOP_BYTES:
                exchange.spawn(self._verify_off_loop(claim, body))
                return
            try:
                self._invoker.authenticator.verify(_head(exchange), claim, body)
            except LambentError as error:
                self.on_failed(error)
                return
        self._run(body)

    async def _verify_off_loop(self, claim: Claim, body: bytes) -> None:
        verify = self._invoker.authenticator.verify
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(
                self._invoker.executor, verify, _head(self._exchange), claim, body
            )
        except LambentError as error:
            self.on_failed(error)
            return
        self._run(body)

    def _run(self, body: bytes) -> None:
        try:
            if body:
                jackson.check(body)
            if self.kind is None or self.kind == b"RequestResponse":
                self._invoke(body or b"{}")
            elif self.kind == b"Event":
                self._exchange.spawn(self._accept(body or b"{}"))
            else:
                self._resolve()
                self._exchange.respond(204, [self._request_id_header()], b"")
        except LambentError as error:
            self.on_failed(error)

    def _invoke(self, payload: bytes) -> None:
        invocation = self._invocation = Invocation(
            self._request_id,
            self._identity.account,
            self._identity.region,
            self._function.name,
            self._function.qualifier,
            payload,
            self.on_done,
            self.on_failed,
            self.client_context,
            self.trace,
            self.want_tail,
            "sync",
            self.tenant_id,
        )
        self._exchange.on_gone = self.on_gone
        self._invoker.dispatcher.invoke(invocation)

    async def _accept(self, payload: bytes) -> None:
        """202 once the event is on disk."""
        try:
            self._resolve()
            await self._invoker.events.accept(
                account=self._identity.account,
                region=self._identity.region,
                name=self._function.name,
                qualifier=self._function.qualifier,
                payload=payload,
                request_id=self._request_id,
                trace_header=self.trace,
            )
        except LambentError as error:
            self.on_failed(error)
            return
        headers = [self._request_id_header(), (b"X-Amzn-Trace-Id", self.answered_trace)]
        self._exchange.respond(202, headers, b"")

    def _resolve(self) -> None:
        """Raises as an invoke would for what does not exist or is not ready."""
        self._invoker.dispatcher.resolve(
            self._identity.account,
            self._identity.region,
            self._function.name,
            self._function.qualifier,
        )

    def on_done(self, outcome: Outcome) -> None:
        exchange = self._release()
        headers = [
            _JSON,
            self._request_id_header(),
            (b"X-Amz-Executed-Version", outcome.executed_version.encode()),
            (b"X-Amzn-Trace-Id", self.answered_trace),
        ]
        if outcome.function_error is not None:
            headers.append((b"X-Amz-Function-Error", outcome.function_error.encode()))
        if self.want_tail:
            headers.append((b"X-Amz-Log-Result", base64.b64encode(outcome.log_tail)))
        exchange.respond(200, headers, outcome.payload)

    def on_failed(self, error: LambentError) -> None:
        respond_error(self._release(), self._request_id, error)

    def on_gone(self) -> None:
        if self._invocation is not None:
            self._invocation.cancelled = True

    def _release(self) -> Exchange:
        """Unties the exchange, the invocation and this, which hold each other: no work for gc."""
        self._exchange.on_gone = None
        self._invocation = None
        return self._exchange

    def _request_id_header(self) -> tuple[bytes, bytes]:
        return b"x-amzn-RequestId", self._request_id.encode()


def too_large(size: int, kind: bytes | None) -> RequestTooLarge:
    """AWS's text for a payload of `size` bytes."""
    name, limit = ("Event", EVENT_LIMIT) if kind == b"Event" else ("RequestResponse", SYNC_LIMIT)
    return RequestTooLarge(
        f"{size} byte payload is too large for the {name} invocation type (limit {limit} bytes)"
    )


def _head(exchange: Exchange) -> Head:
    return Head(exchange.method, exchange.path, exchange.query, exchange.headers)


def _client_context(encoded: bytes) -> bytes:
    """The decoded JSON object; raises what AWS answers for anything else."""
    if len(encoded) > CLIENT_CONTEXT_LIMIT:
        raise InvalidRequestContent(
            f"Client context must be at most {CLIENT_CONTEXT_LIMIT} bytes of base64, got {len(encoded)}."
        )
    try:
        decoded = base64.b64decode(encoded, validate=True)
        msgspec.json.decode(decoded, type=dict[str, msgspec.Raw])
        decoded.decode()
    except (binascii.Error, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise InvalidRequestContent(
            "Client context must be a valid Base64-encoded JSON object."
        ) from None
    return decoded


def _new_trace(request_id: str, clock: Clock) -> tuple[str, bytes]:
    """For a call that came without one: the header for the function, and the answer's."""
    digits = request_id.replace("-", "")
    root = f"Root=1-{clock.time_ms() // 1000:08x}-{digits[:24]}"
    return f"{root};Parent={digits[16:]};Sampled=0", f"{root};Sampled=0".encode()


def _callers_trace(header: bytes) -> tuple[str, bytes]:
    """The caller's, and the same for the answer: without the caller's own segment."""
    kept = [p for p in header.split(b";") if not p.lstrip().startswith((b"Parent=", b"Self="))]
    return header.decode("latin-1"), b";".join(kept)
