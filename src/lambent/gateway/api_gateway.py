"""REST APIs, HTTP APIs and load balancers in front of functions: one request, from head to answer.

`ApiGateways.by_path` and `at_port` find whose request it is; `stages` and `routes` find the route,
`authorizing` asks whether the caller may, `event_*` make the event and `answer` the response. The
gateway's own answers are in `own_answers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Final

from lambent.clock import Clock, new_uuid
from lambent.control.gateways import IAM, CorsRules, Gateway, Gateways
from lambent.engine.dispatcher import Dispatcher
from lambent.engine.invocation import Outcome
from lambent.gateway.answer import (
    AnswerError,
    Fields,
    HttpAnswer,
    answer_alb,
    answer_v1,
    answer_v2,
)
from lambent.gateway.authorizing import Authorizers, Question, Verdict, rest_context
from lambent.gateway.cors import Cors, without_cors
from lambent.gateway.event_alb import TargetGroup, event_alb
from lambent.gateway.event_v1 import RestFrame, event_v1
from lambent.gateway.event_v2 import Frame, event_v2
from lambent.gateway.own_answers import OwnAnswer, own_answer
from lambent.gateway.request import HttpRequest
from lambent.gateway.routes import Found, find, methods_at
from lambent.gateway.running import Runner
from lambent.gateway.stages import PATH_PREFIX, Entry, by_path, entered
from lambent.gateway.tokens import Tokens
from lambent.http.exchange import Exchange
from lambent.observe.trace_header import new_trace

Signature = Callable[[Exchange, bytes, Gateway, str], Mapping[str, Any]]
"""Who signed a request with that body for the route of that ARN, as events show it; raises
`OwnAnswer` for whoever did not, or may not."""

TAG: Final = "gateway:"
"""Begins the tag of a listener that is a gateway's own."""
WAIT_S: Final = {"REST": 29.0, "HTTP": 30.0, "ALB": 900.0}
BODY_LIMIT: Final = {"REST": 10_485_760, "HTTP": 10_485_760, "ALB": 1 << 20}
ALB_ANSWER_LIMIT: Final = 1 << 20
HOP_BY_HOP: Final = frozenset({b"connection", b"keep-alive", b"te", b"upgrade", b"expect"})
_FORWARDED: Final = frozenset({b"x-forwarded-for", b"x-forwarded-port", b"x-forwarded-proto"})


class ApiGateways:
    """Serves every gateway of a server."""

    def __init__(
        self,
        gateways: Gateways,
        dispatcher: Dispatcher,
        clock: Clock,
        signature: Signature,
        tokens: Tokens,
    ) -> None:
        self.gateways = gateways
        self.dispatcher = dispatcher
        self.clock = clock
        self.signature = signature
        self.authorizers = Authorizers(clock)
        self.tokens = tokens

    def by_path(self, exchange: Exchange) -> None:
        """Below `/_gateway/`."""
        gateway_id, path = by_path(exchange.path)
        self._handle(exchange, gateway_id, path)

    def at_port(self, exchange: Exchange) -> None:
        """At a gateway's own port."""
        self._handle(exchange, str(exchange.tag).removeprefix(TAG), exchange.path)

    def owns(self, exchange: Exchange) -> bool:
        """Whether a request that was refused before it came here would have come here."""
        return exchange.path.startswith(PATH_PREFIX) or str(exchange.tag).startswith(TAG)

    def too_large(self, exchange: Exchange) -> None:
        """A body past the limit: the server's `on_too_large` for these requests."""
        if exchange.tag is None:
            gateway_id, _ = by_path(exchange.path)
        else:
            gateway_id = str(exchange.tag).removeprefix(TAG)
        gateway = self.gateways.find(gateway_id)
        answer = own_answer(gateway.config.kind if gateway else "HTTP", "too_large")
        exchange.respond(answer.status, answer.fields, answer.body)

    def _handle(self, exchange: Exchange, gateway_id: str, path: str) -> None:
        gateway = self.gateways.find(gateway_id)
        if gateway is None:
            answer = own_answer("HTTP", "no_gateway")
            exchange.respond(answer.status, answer.fields, answer.body)
            return
        call = _ApiCall(self, exchange, gateway, path)
        exchange.read_all(BODY_LIMIT[gateway.config.kind], call.on_body)


class _ApiCall:
    """One request to a gateway."""

    __slots__ = (
        "_config", "_exchange", "_gateway", "_kind", "_origin", "_path", "_request_id", "_rooms",
        "_trace",
    )  # fmt: skip

    def __init__(self, rooms: ApiGateways, exchange: Exchange, gateway: Gateway, path: str) -> None:
        self._rooms = rooms
        self._exchange = exchange
        self._gateway = gateway
        self._config = gateway.config
        self._kind = gateway.config.kind
        self._path = path
        self._request_id = new_uuid()
        self._origin = (exchange.headers.get(b"origin") or b"").decode("latin-1")
        given = exchange.headers.get(b"x-amzn-trace-id")
        self._trace = (
            given.decode("latin-1")
            if given
            else new_trace(self._request_id, rooms.clock.time_ms())[0]
        )

    def on_body(self, exchange: Exchange, body: bytes) -> None:
        exchange.spawn(self._serve(body))

    async def _serve(self, body: bytes) -> None:
        try:
            answer = await self._answer(body)
        except OwnAnswer as own:
            answer = own_answer(self._kind, own.reason)
            answer = replace(answer, fields=[*answer.fields, *own.fields])
        except AnswerError:
            answer = own_answer(self._kind, "bad_answer")
        fields = [*self._own_fields(), *self._with_cors(answer.fields)]
        self._exchange.respond(answer.status, fields, answer.body)

    async def _answer(self, body: bytes) -> HttpAnswer:
        if (preflight := self._http_preflight()) is not None:
            return preflight
        entry = entered(self._config, self._path)
        if entry is None:
            raise OwnAnswer("no_stage")
        found = find(self._kind, self._config.routes, self._exchange.method, entry.route_path)
        options = self._rest_options(entry, found)
        if options is not None:
            return options
        if found is None:
            raise OwnAnswer("no_route")
        request = self._request(entry, body)
        runner = Runner(self._rooms.dispatcher, self._gateway.account, self._gateway.region)
        authorizer = await self._authorized(entry, found, request, runner)
        event = self._event(entry, found, request, authorizer)
        outcome = await runner.run(found.route, event, self._trace, WAIT_S[self._kind])
        return self._of_outcome(found, outcome)

    # ── browsers ─────────────────────────────────────────────────────────────────────────────

    def _http_preflight(self) -> HttpAnswer | None:
        """HTTP APIs with CORS answer preflights themselves, whatever their routes."""
        get = self._exchange.headers.get
        asked = get(b"access-control-request-method")
        cors = self._config.cors
        if self._kind != "HTTP" or cors is None or not self._origin or asked is None:
            return None
        if self._exchange.method != "OPTIONS":
            return None
        headers = (get(b"access-control-request-headers") or b"").decode("latin-1")
        fields = _cors(cors).preflight_fields(self._origin, asked.decode("latin-1"), headers)
        return HttpAnswer(204, fields, b"")

    def _rest_options(self, entry: Entry, found: Found | None) -> HttpAnswer | None:
        """SAM's `Cors` of a REST API: every resource has an OPTIONS that says the same to all."""
        cors = self._config.cors
        if self._kind != "REST" or cors is None or self._exchange.method != "OPTIONS":
            return None
        if found is not None and found.route.method == "OPTIONS":
            return None
        methods = methods_at(self._config.routes, entry.route_path)
        return HttpAnswer(200, _static(cors, methods), b"{}\n") if methods else None

    def _with_cors(self, fields: Fields) -> Fields:
        cors = self._config.cors
        if self._kind != "HTTP" or cors is None or self._exchange.method == "OPTIONS":
            return fields
        ours = _cors(cors).answer_fields(self._origin) if self._origin else []
        return without_cors(fields) + ours

    # ── who may ──────────────────────────────────────────────────────────────────────────────

    async def _authorized(
        self, entry: Entry, found: Found, request: HttpRequest, runner: Runner
    ) -> Verdict | Mapping[str, Any] | None:
        name = found.route.authorizer
        if name is None:
            return None
        rest = entry.route_path.lstrip("/")
        arn = (
            f"arn:aws:execute-api:{self._gateway.region}:{self._gateway.account}:"
            f"{self._gateway.gateway_id}/{entry.stage}/{request.method}/{rest}"
        )
        if name == IAM:
            return self._rooms.signature(self._exchange, request.body, self._gateway, arn)
        issuer = self._config.jwt_authorizers.get(name)
        asked = "2.0" if issuer else self._config.authorizers[name].payload_format
        question = Question(
            request=request,
            arn=arn,
            route_key=_route_key(found),
            variables=entry.variables,
            stage=entry.stage,
            event=self._event(entry, found, request, None, asked),
            trace=self._trace,
        )
        if issuer is not None:
            return await self._rooms.tokens.judge(issuer, found.route.scopes, question)
        return await self._rooms.authorizers.judge(self._gateway, name, question, runner)

    # ── the event ────────────────────────────────────────────────────────────────────────────

    def _request(self, entry: Entry, body: bytes) -> HttpRequest:
        exchange = self._exchange
        get = exchange.headers.get
        dropped = HOP_BY_HOP | _FORWARDED | {b"x-amzn-trace-id"}
        fields = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in exchange.headers.items()
            if name not in dropped
        ]
        before = (get(b"x-forwarded-for") or b"").decode("latin-1")
        fields += [
            ("x-amzn-trace-id", self._trace),
            ("x-forwarded-for", f"{before}, {exchange.peer}" if before else exchange.peer),
            ("x-forwarded-port", str(exchange.local_port)),
            ("x-forwarded-proto", "https" if exchange.secure else "http"),
        ]
        host = (get(b"host") or b"").decode("latin-1")
        return HttpRequest(
            method=exchange.method,
            path=entry.event_path,
            query=exchange.query.decode("latin-1"),
            fields=fields,
            body=body,
            source_ip=exchange.peer,
            domain=host.rpartition(":")[0] or host,
            request_id=self._request_id,
            time_ms=self._rooms.clock.time_ms(),
        )

    def _event(
        self,
        entry: Entry,
        found: Found,
        request: HttpRequest,
        authorizer: Verdict | Mapping[str, Any] | None,
        payload_format: str | None = None,
    ) -> bytes:
        gateway = self._gateway
        if self._kind == "ALB":
            arn = (
                f"arn:aws:elasticloadbalancing:{gateway.region}:{gateway.account}:"
                f"targetgroup/{gateway.name}/{gateway.gateway_id}"
            )
            return event_alb(request, TargetGroup(arn, self._config.multi_value))
        if self._kind == "HTTP" and (payload_format or found.route.payload_format) == "2.0":
            return event_v2(request, self._frame(entry, found, authorizer))
        return event_v1(request, self._rest_frame(entry, found, request, authorizer))

    def _frame(
        self, entry: Entry, found: Found, authorizer: Verdict | Mapping[str, Any] | None
    ) -> Frame:
        shown = {"lambda": authorizer.context} if isinstance(authorizer, Verdict) else authorizer
        return Frame(
            api_id=self._gateway.gateway_id,
            account=self._gateway.account,
            authorizer=shown,
            stage=entry.stage,
            route_key=_route_key(found),
            path_parameters=found.parameters,
            stage_variables=entry.variables,
        )

    def _rest_frame(
        self,
        entry: Entry,
        found: Found,
        request: HttpRequest,
        authorizer: Verdict | Mapping[str, Any] | None,
    ) -> RestFrame:
        known = authorizer if isinstance(authorizer, Mapping) else {}
        signed, of_token = known.get("iam"), known.get("jwt")
        declared = (request.header("content-type") or "").partition(";")[0].strip()
        return RestFrame(
            api_id=self._gateway.gateway_id,
            account=self._gateway.account,
            resource=found.route.path,
            stage=entry.stage,
            path_parameters=found.parameters,
            stage_variables=entry.variables,
            authorizer=rest_context(authorizer) if isinstance(authorizer, Verdict) else of_token,
            base_path=entry.stage_prefix,
            version="1.0" if self._kind == "HTTP" else None,
            caller=_caller(signed) if signed else {},
            text_only=self._kind == "REST" and not self._binary(declared),
        )

    def _binary(self, media_type: str) -> bool:
        known = self._config.binary_media_types
        return any(fnmatchcase(media_type or "application/json", one) for one in known)

    # ── the answer ───────────────────────────────────────────────────────────────────────────

    def _of_outcome(self, found: Found, outcome: Outcome) -> HttpAnswer:
        if outcome.function_error is not None:
            raise OwnAnswer("failed")
        if self._kind == "ALB":
            answer = answer_alb(outcome.payload, multi_value=self._config.multi_value)
            if len(answer.body) > ALB_ANSWER_LIMIT:
                raise OwnAnswer("bad_answer")
            return answer
        if self._kind == "REST":
            accept = (self._exchange.headers.get(b"accept") or b"").decode("latin-1")
            first = accept.partition(",")[0].partition(";")[0].strip()
            return answer_v1(outcome.payload, binary=self._binary(first))
        if found.route.payload_format == "1.0":
            return answer_v1(outcome.payload)
        return answer_v2(outcome.payload)

    def _own_fields(self) -> Fields:
        request_id = self._request_id.encode()
        if self._kind == "REST":
            return [(b"x-amzn-RequestId", request_id), (b"x-amz-apigw-id", request_id)]
        return [(b"apigw-requestid", request_id)] if self._kind == "HTTP" else []


def _route_key(found: Found) -> str:
    route = found.route
    return route.path if route.path.startswith("$") else f"{route.method} {route.path}"


def _caller(iam: Mapping[str, Any]) -> dict[str, str | None]:
    return {
        "accessKey": iam["accessKey"],
        "accountId": iam["accountId"],
        "caller": iam["callerId"],
        "user": iam["userId"],
        "userArn": iam["userArn"],
    }


def _cors(rules: CorsRules) -> Cors:
    return Cors(
        allow_credentials=rules.allow_credentials,
        allow_headers=rules.allow_headers,
        allow_methods=rules.allow_methods,
        allow_origins=rules.allow_origins,
        expose_headers=rules.expose_headers,
        max_age_s=rules.max_age_s,
    )


def _static(cors: CorsRules, methods: list[str]) -> Fields:
    """The headers of SAM's OPTIONS method."""
    allowed = ",".join(cors.allow_methods or sorted({*methods, "OPTIONS"} - {"ANY"}))
    if "ANY" in methods and not cors.allow_methods:
        allowed = "DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT"
    fields = [
        (b"Access-Control-Allow-Origin", ",".join(cors.allow_origins).encode()),
        (b"Access-Control-Allow-Methods", allowed.encode()),
        (b"Content-Type", b"application/json"),
    ]
    if cors.allow_headers:
        fields.append((b"Access-Control-Allow-Headers", ",".join(cors.allow_headers).encode()))
    if cors.allow_credentials:
        fields.append((b"Access-Control-Allow-Credentials", b"true"))
    if cors.max_age_s is not None:
        fields.append((b"Access-Control-Max-Age", str(cors.max_age_s).encode()))
    return fields
