"""Lambda authorizers: a function that is asked whether a caller may, and whose answer is kept.

REST APIs ask with a token or with the request, and get an IAM policy, which is judged by the rules of
`control/iam` for each request anew, also when it comes from the cache. HTTP APIs may be answered
`isAuthorized` instead. (API Gateway developer guide, "Use API Gateway Lambda authorizers" and
"Control access to HTTP APIs with AWS Lambda authorizers".)
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from lambent.clock import Clock
from lambent.control.gateways import Authorizer, Gateway
from lambent.control.iam import document
from lambent.control.iam.document import Policy
from lambent.control.iam.evaluate import Applicable, evaluate
from lambent.control.iam.query import Context, Principal, Query
from lambent.gateway.own_answers import OwnAnswer
from lambent.gateway.request import HttpRequest
from lambent.gateway.running import Runner

ACTION: Final = "execute-api:Invoke"
WAIT_S: Final = 10.0
"""How long API Gateway waits for an authorizer."""
_KEPT_MAX: Final = 10_000
_BODY: Final = ("body", "isBase64Encoded")


@dataclass(frozen=True, slots=True)
class Question:
    """What an authorizer is asked, as far as it does not depend on its format."""

    request: HttpRequest
    arn: str
    """Of the method or route: `arn:aws:execute-api:…/stage/GET/items`."""
    route_key: str
    variables: Mapping[str, str]
    stage: str
    event: bytes
    """What the function would get: its request's members are the authorizer's too."""
    trace: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an authorizer said, before it is applied to one request."""

    policy: Policy | None
    simple: bool | None
    principal: str
    context: Mapping[str, Any]


Key = tuple[str, ...]


class Authorizers:
    """Asks, and remembers what was answered for as long as it may be."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[Key, tuple[float, Verdict]] = OrderedDict()

    def forget(self, gateway_id: str) -> None:
        """The gateway was changed."""
        for key in [key for key in self._kept if key[0] == gateway_id]:
            del self._kept[key]

    async def judge(
        self, gateway: Gateway, name: str, question: Question, runner: Runner
    ) -> Verdict:
        """Who may; raises `OwnAnswer` for who may not."""
        authorizer = gateway.config.authorizers[name]
        identity = _identity(authorizer, question)
        key = (gateway.gateway_id, name, *identity)
        if authorizer.simple:
            # Without a policy the answer is about this route, and says nothing of others.
            key = (*key, question.route_key)
        verdict = self._remembered(key) if identity else None
        if verdict is None:
            verdict = await _ask(gateway, authorizer, question, identity, runner)
            if authorizer.ttl_s and identity:
                self._keep(key, authorizer.ttl_s, verdict)
        _apply(gateway, verdict, question)
        return verdict

    def _remembered(self, key: Key) -> Verdict | None:
        found = self._kept.get(key)
        if found is None or found[0] <= self._clock.monotonic():
            return None
        return found[1]

    def _keep(self, key: Key, ttl_s: int, verdict: Verdict) -> None:
        self._kept[key] = (self._clock.monotonic() + ttl_s, verdict)
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT_MAX:
            self._kept.popitem(last=False)


def _identity(authorizer: Authorizer, question: Question) -> tuple[str, ...]:
    """The values that say who asks; a missing one is a 401 without asking the function."""
    values = []
    for one in authorizer.identity:
        value = source(one, question)
        if not value:
            raise OwnAnswer("unauthorized")
        values.append(value)
    if authorizer.type == "TOKEN" and not re.match(authorizer.pattern, values[0] if values else ""):
        raise OwnAnswer("unauthorized")
    return tuple(values)


def source(name: str, question: Question) -> str | None:
    """What a request says at `header:NAME`, `query:NAME`, `stage:NAME` or `context:NAME`."""
    kind, _, name = name.partition(":")
    if kind == "header":
        return question.request.header(name.lower())
    if kind == "query":
        return dict(question.request.query_pairs()).get(name)
    if kind == "stage":
        return question.variables.get(name)
    value: Any = msgspec.json.decode(question.event)["requestContext"]
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if value is None else str(value)


async def _ask(
    gateway: Gateway,
    authorizer: Authorizer,
    question: Question,
    identity: tuple[str, ...],
    runner: Runner,
) -> Verdict:
    event = msgspec.json.encode(_event(gateway, authorizer, question, identity))
    try:
        outcome = await runner.run(authorizer, event, question.trace, WAIT_S)
    except OwnAnswer:
        raise OwnAnswer("authorizer_failed") from None
    if outcome.function_error is not None:
        # AWS's way for a REST API's authorizer to say 401: an error with exactly this message.
        said = _object(outcome.payload).get("errorMessage")
        refused = gateway.config.kind == "REST" and said == "Unauthorized"
        raise OwnAnswer("unauthorized" if refused else "authorizer_failed")
    return _verdict(authorizer, _object(outcome.payload))


def _event(
    gateway: Gateway, authorizer: Authorizer, question: Question, identity: tuple[str, ...]
) -> dict[str, Any]:
    if authorizer.type == "TOKEN":
        token = identity[0] if identity else ""
        return {"type": "TOKEN", "methodArn": question.arn, "authorizationToken": token}
    members = {k: v for k, v in msgspec.json.decode(question.event).items() if k not in _BODY}
    if gateway.config.kind == "REST":
        return {"type": "REQUEST", "methodArn": question.arn, **members}
    if authorizer.payload_format == "2.0":
        head = {"version": "2.0", "type": "REQUEST", "routeArn": question.arn}
        return {**head, "identitySource": list(identity) or None, **members}
    joined = ",".join(identity)
    head = {"version": "1.0", "type": "REQUEST", "methodArn": question.arn}
    return {**head, "identitySource": joined, "authorizationToken": joined, **members}


def _verdict(authorizer: Authorizer, answer: Mapping[str, Any]) -> Verdict:
    context = answer.get("context") or {}
    if not isinstance(context, dict):
        raise OwnAnswer("authorizer_malformed")
    if authorizer.simple:
        allowed = answer.get("isAuthorized")
        if not isinstance(allowed, bool):
            raise OwnAnswer("authorizer_malformed")
        return Verdict(None, allowed, "", context)
    principal, written = answer.get("principalId"), answer.get("policyDocument")
    if not isinstance(principal, str) or not isinstance(written, dict):
        raise OwnAnswer("authorizer_malformed")
    try:
        policy = document.read("the authorizer's policy", written)
    except document.MalformedPolicy:
        raise OwnAnswer("authorizer_malformed") from None
    return Verdict(policy, None, principal, context)


def _apply(gateway: Gateway, verdict: Verdict, question: Question) -> None:
    if verdict.policy is None:
        if not verdict.simple:
            raise OwnAnswer("denied")
        return
    account = gateway.account
    context: Context = {"aws:sourceip": [question.request.source_ip]}
    caller = Principal(f"arn:aws:iam::{account}:user/{verdict.principal}", account)
    decision = evaluate(
        Query(caller, ACTION, question.arn, context),
        Applicable(identity=[verdict.policy], resource_account=account),
    )
    if not decision.allowed:
        raise OwnAnswer("explicit_deny" if decision.explicit else "denied")


def _object(payload: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        raise OwnAnswer("authorizer_malformed") from None
    if not isinstance(value, dict):
        raise OwnAnswer("authorizer_malformed")
    return value


def rest_context(verdict: Verdict) -> dict[str, Any]:
    """`requestContext.authorizer` of format 1.0: flat, and every value as text."""
    values = {
        key: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for key, value in verdict.context.items()
    }
    return {"principalId": verdict.principal, **values}
