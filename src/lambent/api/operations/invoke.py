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
from collections.abc import Set as AbstractSet
from concurrent.futures import Executor
from typing import ClassVar, Final

import msgspec

from lambent.api import jackson
from lambent.api.access import Access, root
from lambent.api.audit_records import Auditor
from lambent.api.auth import HASH_OFF_LOOP_BYTES, Authenticator, Claim, Head
from lambent.api.browsers import refuse_foreign_pages
from lambent.api.context import Services
from lambent.api.credentials import Identity
from lambent.api.errors import respond_error
from lambent.api.operations.durable import WHY as NOT_DURABLE
from lambent.api.parse import parse
from lambent.api.route import Match, Router
from lambent.api.validate import validate
from lambent.clock import Clock, new_uuid
from lambent.control.iam.keyring import Caller
from lambent.control.names import FunctionRef, Scope, other_account, resolve
from lambent.engine.invocation import Invocation, Outcome
from lambent.errors import (
    InvalidParameterValue,
    InvalidRequestContent,
    LambentError,
    RequestTooLarge,
)
from lambent.http.exchange import Exchange
from lambent.observe.trace_header import new_trace

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
        access: Access | None = None,
        auditor: Auditor | None = None,
    ) -> None:
        self.dispatcher = services.dispatcher
        self.events = services.events
        self.authenticator = authenticator
        self.router = router
        self.clock = clock
        self.executor = executor
        self.access = access
        """None: whoever signs may invoke."""
        self.auditor = auditor if auditor is not None and auditor.invokes else None
        """None: invokes are not recorded."""
        self._functions: dict[_Where, tuple[FunctionRef, str]] = {}

    def begin(self, exchange: Exchange, kind_of_call: type[InvokeCall] | None = None) -> None:
        """Judge the head and read the body; every answer, refusals too, goes out by `exchange`."""
        request_id = new_uuid()
        kind_of_call = kind_of_call or InvokeCall
        head = exchange.original.conclusion
        claim = None
        if type(head) is not _Judged:
            try:
                head, claim = self._judge(exchange, kind_of_call)
            except LambentError as error:
                respond_error(exchange, request_id, error)
                return
            if claim is None:
                exchange.original.conclusion = head
        exchange.read_all(head.limit, kind_of_call(self, exchange, request_id, head, claim).on_body)

    def _judge(
        self, exchange: Exchange, kind_of_call: type[InvokeCall]
    ) -> tuple[_Judged, Claim | None]:
        """All that the head alone decides; a claim is good for one request only."""
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
        if kind not in kind_of_call.kinds or log_type not in _LOG_TYPES or tenant or durable:
            self._validate(exchange)
            if durable:
                raise InvalidParameterValue(NOT_DURABLE)
        where = (exchange.path, exchange.query, identity.account, identity.region)
        function, account = self._functions.get(where) or self._function(exchange, where)
        visitor = None
        if account != identity.account:
            visitor = root(identity) if claim is None else claim.caller
            identity = Identity(account, identity.region, identity.access_key)
        context, trace = get(b"x-amz-client-context"), get(b"x-amzn-trace-id")
        head = _Judged(
            identity=identity,
            function=function,
            kind=kind,
            limit=EVENT_LIMIT if kind == b"Event" else SYNC_LIMIT,
            want_tail=log_type == b"Tail",
            client_context=None if context is None else _client_context(context),
            traces=_callers_trace(trace) if trace else None,
            tenant_id=tenant.decode("latin-1") if tenant else "",
            visitor=visitor,
        )
        return head, claim

    def _function(self, exchange: Exchange, where: _Where) -> tuple[FunctionRef, str]:
        """Which function of whom, for a path and a caller that are new; raises when none is meant.

        Callers repeat themselves, so it is remembered; the memory starts over when it is full.
        """
        _, raw_query, account, region = where
        match = self._validate(exchange)
        name, qualifier = match.labels["FunctionName"], dict(match.query).get("Qualifier")
        if self.access is not None:
            account = other_account(Scope(account, region), name) or account
        scope = Scope(account, region)
        function = resolve(scope, name, qualifier, operation="InvokeFunction"), account
        if len(raw_query) <= _REMEMBERED_QUERY_MAX:
            if len(self._functions) >= _FUNCTIONS_MAX:
                self._functions.clear()
            self._functions[where] = function
        return function

    def _validate(self, exchange: Exchange) -> Match:
        """By the model, as any other operation; the payload has no constraint."""
        match = self.router.match(exchange.method, exchange.path, exchange.query)
        validate(match.operation, parse(match, exchange.headers.get, b""))
        return match


class _Judged(msgspec.Struct, frozen=True):
    """What a head says of every invoke that it begins."""

    identity: Identity
    """Of the account whose function it is."""
    function: FunctionRef
    kind: bytes | None
    limit: int
    """Bytes of the payload."""
    want_tail: bool
    client_context: bytes | None
    traces: tuple[str, bytes] | None
    """The caller's header and the answer's; None makes new ones."""
    tenant_id: str
    visitor: Caller | None = None
    """A caller of another account, whom the function's policy must let in."""


class InvokeCall:
    """One invoke, from its head to its answer. `invoke_stream` has another kind."""

    kinds: ClassVar[AbstractSet[bytes | None]] = _KINDS
    operation: ClassVar[str] = "Invoke"

    __slots__ = (
        "_answered_trace",
        "_claim",
        "_exchange",
        "_head",
        "_invocation",
        "_invoker",
        "_request_id",
        "_trace",
    )

    def __init__(
        self,
        invoker: Invoker,
        exchange: Exchange,
        request_id: str,
        head: _Judged,
        claim: Claim | None,
    ) -> None:
        self._invoker = invoker
        self._exchange = exchange
        self._request_id = request_id
        self._head = head
        self._claim = claim
        self._invocation: Invocation | None = None
        self._trace, self._answered_trace = head.traces or new_trace(
            request_id, invoker.clock.time_ms()
        )

    def on_body(self, exchange: Exchange, body: bytes) -> None:
        claim = self._claim
        if claim is not None:
            if len(body) > HASH_OFF_LOOP_BYTES:
                exchange.spawn(self._verify_off_loop(claim, body))
                return
            try:
                body = self._invoker.authenticator.verify(_head(exchange), claim, body)
                self._admit(claim.caller)
            except LambentError as error:
                self.on_failed(error)
                return
        elif self._head.visitor is not None:
            try:
                self._admit(self._head.visitor)
            except LambentError as error:
                self.on_failed(error)
                return
        self._run(body)

    async def _verify_off_loop(self, claim: Claim, body: bytes) -> None:
        verify = self._invoker.authenticator.verify
        loop = asyncio.get_running_loop()
        try:
            body = await loop.run_in_executor(
                self._invoker.executor, verify, _head(self._exchange), claim, body
            )
            self._admit(claim.caller)
        except LambentError as error:
            self.on_failed(error)
            return
        self._run(body)

    def _admit(self, caller: Caller) -> None:
        if self._invoker.access is not None:
            head = self._head
            self._invoker.access.invoke(caller, head.identity, head.function, self._exchange)

    def _run(self, body: bytes) -> None:
        kind = self._head.kind
        try:
            if body:
                jackson.check(body)
            if kind is None or kind == b"RequestResponse":
                self._invoke(body or b"{}")
            elif kind == b"Event":
                self._exchange.spawn(self._accept(body or b"{}"))
            else:
                self._resolve()
                self._record()
                self._exchange.respond(204, [self._request_id_header()], b"")
        except LambentError as error:
            self.on_failed(error)

    def _invoke(self, payload: bytes) -> None:
        head = self._head
        identity, function = head.identity, head.function
        invocation = self._invocation = Invocation(
            self._request_id,
            identity.account,
            identity.region,
            function.name,
            function.qualifier,
            payload,
            self.on_done,
            self.on_failed,
            head.client_context,
            self._trace,
            head.want_tail,
            "sync",
            head.tenant_id,
        )
        self._start(invocation)

    def _start(self, invocation: Invocation) -> None:
        self._exchange.on_gone = self.on_gone
        self._invoker.dispatcher.invoke(invocation)

    async def _accept(self, payload: bytes) -> None:
        """202 once the event is on disk."""
        head = self._head
        try:
            self._resolve()
            await self._invoker.events.accept(
                account=head.identity.account,
                region=head.identity.region,
                name=head.function.name,
                qualifier=head.function.qualifier,
                payload=payload,
                request_id=self._request_id,
                trace_header=self._trace,
                tenant_id=head.tenant_id,
            )
        except LambentError as error:
            self.on_failed(error)
            return
        self._record()
        headers = [self._request_id_header(), (b"X-Amzn-Trace-Id", self._answered_trace)]
        self._exchange.respond(202, headers, b"")

    def _resolve(self) -> None:
        """Raises as an invoke would for what does not exist or is not ready."""
        identity, function = self._head.identity, self._head.function
        self._invoker.dispatcher.resolve(
            identity.account,
            identity.region,
            function.name,
            function.qualifier,
            self._head.tenant_id,
        )

    def on_done(self, outcome: Outcome) -> None:
        if self._invoker.auditor is not None:
            self._record()
        exchange = self._exchange
        exchange.on_gone = self._invocation = None  # they hold each other: no work for gc
        headers = [
            _JSON,
            (b"x-amzn-RequestId", self._request_id.encode()),
            (b"X-Amz-Executed-Version", outcome.executed_version.encode()),
            (b"X-Amzn-Trace-Id", self._answered_trace),
        ]
        if outcome.function_error is not None:
            headers.append((b"X-Amz-Function-Error", outcome.function_error.encode()))
        if self._head.want_tail:
            headers.append((b"X-Amz-Log-Result", base64.b64encode(outcome.log_tail)))
        exchange.respond(200, headers, outcome.payload)

    def on_failed(self, error: LambentError) -> None:
        self._record(error)
        exchange = self._exchange
        exchange.on_gone = self._invocation = None
        respond_error(exchange, self._request_id, error)

    def _record(self, error: LambentError | None = None) -> None:
        """For the audit trail, where it has invokes."""
        auditor, head, claim = self._invoker.auditor, self._head, self._claim
        if auditor is None:
            return
        values = {"FunctionName": head.function.name}
        if head.function.qualifier is not None:
            values["Qualifier"] = head.function.qualifier
        auditor.call(
            self._exchange,
            self._request_id,
            head.identity,
            claim.caller if claim is not None else None,
            ("lambda", self.operation),
            values,
            None,
            error,
        )

    def on_gone(self) -> None:
        if self._invocation is not None:
            self._invocation.cancelled = True

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


def _callers_trace(header: bytes) -> tuple[str, bytes]:
    """The caller's, and the same for the answer: without the caller's own segment."""
    kept = [p for p in header.split(b";") if not p.lstrip().startswith((b"Parent=", b"Self="))]
    return header.decode("latin-1"), b";".join(kept)
