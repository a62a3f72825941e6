"""`GET /_lambent/iam/…`: the audit trail, and what policies say, for `lambent audit` and `lambent iam`.

    audit?since=MS&event=NAME&function=NAME&request=ID&errors=1&limit=N   records as NDJSON
    explain?principal=…&action=…&resource=…&context=KEY=VALUE              a decision, and who made it
    policy?function=NAME                   the least policy that covers what the function was seen to do

Ours, beside AWS's API; with policies they need `cloudtrail:LookupEvents`, and
`iam:SimulatePrincipalPolicy`. Records are of the caller's account alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from lambent.api import actions, callers
from lambent.api.access import Access, applicable, refusal
from lambent.api.auth import Authenticator
from lambent.api.errors import respond_error
from lambent.clock import Clock, iso8601, new_uuid
from lambent.control.iam.evaluate import evaluate
from lambent.control.iam.keyring import Caller, KeyRing
from lambent.control.iam.query import Principal, Query
from lambent.control.iam.sessions import Session
from lambent.control.names import LATEST
from lambent.errors import InvalidParameterValue, LambentError, ResourceNotFound
from lambent.http.exchange import Exchange
from lambent.observe import audit
from lambent.observe.audit import AuditTrail
from lambent.observe.told_calls import Call, ToldCalls

PREFIX: Final = "/_lambent/iam/"
RECORDS_MAX: Final = 10_000
JSON: Final = [(b"Content-Type", b"application/json")]
NDJSON: Final = [(b"Content-Type", b"application/x-ndjson")]


class IamPages:
    """Serves the paths above."""

    def __init__(
        self,
        authenticator: Authenticator,
        access: Access,
        keys: KeyRing,
        clock: Clock,
        trail: AuditTrail | None,
        told_calls: ToldCalls,
    ) -> None:
        self._authenticator = authenticator
        self._access = access
        self._keys = keys
        self._clock = clock
        self._trail = trail
        self._told_calls = told_calls

    def handle(self, exchange: Exchange) -> None:
        exchange.spawn(self._serve(exchange))

    async def _serve(self, exchange: Exchange) -> None:
        page = exchange.path[len(PREFIX) :]
        query = parse_qs(exchange.query.decode("latin-1"))
        try:
            if page == "audit":
                account, _ = self._scope(exchange, "cloudtrail:LookupEvents")
                records = await asyncio.to_thread(self._records, account, query)
                exchange.respond(200, NDJSON, msgspec.json.Encoder().encode_lines(records))
            elif page == "explain":
                account, region = self._scope(exchange, "iam:SimulatePrincipalPolicy")
                found = self._explained(account, region, query)
                exchange.respond(200, JSON, msgspec.json.encode(found))
            elif page == "policy":
                account, _ = self._scope(exchange, "cloudtrail:LookupEvents")
                function = _one(query, "function")
                told = self._told_calls.of(account, function)  # here: the loop's turn changes it
                found = await asyncio.to_thread(self._least, account, function, told)
                exchange.respond(200, JSON, msgspec.json.encode(found))
            else:
                raise ResourceNotFound(f"There is no page {exchange.path[:200]}")
        except LambentError as error:
            respond_error(exchange, new_uuid(), error)

    def _scope(self, exchange: Exchange, action: str) -> tuple[str, str]:
        return callers.scope(self._authenticator, exchange, self._access, action)

    def _records(self, account: str, query: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        since = iso8601(_number(query, "since", 0), offset="Z")
        event, function = query.get("event", [""])[0], query.get("function", [""])[0]
        request, errors = query.get("request", [""])[0], "errors" in query

        def wanted(record: dict[str, Any]) -> bool:
            return (
                record.get("recipientAccountId") == account
                and record["eventTime"] >= since
                and (not event or record["eventName"] == event)
                and (not function or _about(record, function))
                and record["requestID"].startswith(request)
                and (not errors or "errorCode" in record)
            )

        trail = self._running()
        trail.flush()
        return audit.read(trail.root, wanted, min(RECORDS_MAX, _number(query, "limit", 100)))

    def _running(self) -> AuditTrail:
        if self._trail is None:
            raise InvalidParameterValue("there is no audit trail: the setting audit is none")
        return self._trail

    def _explained(
        self, account: str, region: str, query: Mapping[str, list[str]]
    ) -> dict[str, Any]:
        caller = self._caller(account, _one(query, "principal"))
        action, resource = _one(query, "action"), query.get("resource", ["*"])[0]
        if resource != "*" and not resource.startswith("arn:"):
            resource = f"arn:aws:lambda:{region}:{account}:function:{resource}"
        context: dict[str, list[str]] = dict(
            self._access.context(caller, "127.0.0.1", secure=False)
        )
        for pair in query.get("context", ()):
            key, _, value = pair.partition("=")
            context[key.lower()] = [value]
        policy = ""
        parts = resource.split(":")
        if action.lower() in actions.BY_POLICY_ACTIONS and parts[5:6] == ["function"]:
            texts = self._access.function_policies(parts[4], parts[3], parts[6])
            policy = texts.get(parts[7] if len(parts) > 7 else LATEST, "")
        asked = Query(caller.principal, action, resource, context)
        owner = parts[4] if len(parts) > 5 else ""
        decision = evaluate(asked, applicable(caller, owner, policy))
        return {
            "principal": caller.principal.arn,
            "action": action,
            "resource": resource,
            "allowed": decision.allowed,
            "why": decision.why,
            "kind": decision.kind,
            "policy": decision.policy,
            "sid": decision.sid,
            "message": None
            if decision.allowed
            else refusal(caller, action, resource, decision).message,
        }

    def _caller(self, account: str, name: str) -> Caller:
        """`user/x`, `role/x`, or their ARNs, in the caller's account."""
        arn = name if name.startswith("arn:") else f"arn:aws:iam::{account}:{name}"
        identities = self._keys.identities
        if user := identities.users.get(arn):
            principal = Principal(user.arn, user.account)
            return Caller(principal, "IAMUser", user.name, user.grants, identities.organization)
        if arn in identities.roles:
            return self._keys.session_caller(Session(arn, "explained", 0, ""))
        known = ", ".join(sorted([*identities.users, *identities.roles])[:10])
        raise ResourceNotFound(
            f"iam_file has no {arn}" + (f"; it has {known}" if known else ", nor any other")
        )

    def _least(self, account: str, function: str, told: Iterable[Call]) -> dict[str, Any]:
        """One statement per action, with the resources that were touched.

        What was seen here, and apart from it what the function's own traces told.
        """
        seen: dict[str, set[str]] = {}
        calls = 0

        def collect(record: dict[str, Any]) -> bool:
            nonlocal calls
            arn = str(record.get("userIdentity", {}).get("arn", ""))
            of_account = record.get("recipientAccountId") == account
            if of_account and ":assumed-role/" in arn and arn.rsplit("/", 1)[-1] == function:
                calls += 1
                resources = {one["ARN"] for one in record.get("resources", ())}
                seen.setdefault(record["action"], set()).update(resources)
            return False

        trail = self._running()
        trail.flush()
        audit.read(trail.root, collect, 1)
        more: dict[str, set[str]] = {}
        for action, resource in told:
            if resource not in seen.get(action, ()):
                more.setdefault(action, set()).add(resource)
        statements = [*_statements("Seen", seen), *_statements("Told", more)]
        return {
            "function": function,
            "calls": calls,
            "told": sum(map(len, more.values())),
            "policy": {"Version": "2012-10-17", "Statement": statements},
            "at": datetime.fromtimestamp(self._clock.time_ms() / 1000, UTC).isoformat(),
        }


def _statements(kind: str, found: Mapping[str, set[str]]) -> list[dict[str, Any]]:
    return [
        {
            "Sid": f"{kind}{number}",
            "Effect": "Allow",
            "Action": action,
            "Resource": ["*"] if "*" in resources else sorted(resources),
        }
        for number, (action, resources) in enumerate(sorted(found.items()), 1)
    ]


def _about(record: dict[str, Any], function: str) -> bool:
    """Whether a function is what was called, or who called."""
    arn = str(record.get("userIdentity", {}).get("arn", ""))
    if ":assumed-role/" in arn and arn.rsplit("/", 1)[-1] == function:
        return True
    resources = [one["ARN"].split(":") for one in record.get("resources", ())]
    return any(arn[5:7] == ["function", function] for arn in resources)


def _one(query: Mapping[str, list[str]], name: str) -> str:
    if not query.get(name):
        raise InvalidParameterValue(f"{name} is missing")
    return query[name][0]


def _number(query: Mapping[str, list[str]], name: str, default: int) -> int:
    text = query.get(name, [str(default)])[0]
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InvalidParameterValue(f"{name} takes a whole number, not '{text[:50]}'")
    return int(text)
