"""May this caller do this: asked for every signed call once its signature holds.

`actions` says what a call is to IAM; here it meets the caller's policies and, for invokes, the
function's. A no is AWS's AccessDeniedException with its text, and a line `iam.denied` in the
server's log that names the statement. Callers without policies of their own (`auth_keys`) may do
everything and are not asked about. Invoke decisions are remembered where no condition has a say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import structlog

from lambent.api import actions
from lambent.api.credentials import Identity
from lambent.clock import Clock
from lambent.control.iam import document
from lambent.control.iam.document import MalformedPolicy, Policy
from lambent.control.iam.evaluate import Applicable, Decision, evaluate
from lambent.control.iam.identities import Grants
from lambent.control.iam.keyring import Caller
from lambent.control.iam.query import Principal, Query
from lambent.control.names import LATEST, FunctionRef, Scope, partition
from lambent.errors import AccessDenied
from lambent.http.exchange import Exchange

log: Final = structlog.get_logger()

FunctionPolicies = Callable[[str, str, str], Mapping[str, str]]
"""Account, region, function name → its policies by qualifier; empty when there is none."""
INVOKE: Final = "lambda:InvokeFunction"
_REMEMBERED_MAX: Final = 4096
_PASSES_ROLE: Final = frozenset({"CreateFunction", "UpdateFunctionConfiguration"})


class Denied(AccessDenied):
    """A no that remembers which statement said so."""

    def __init__(self, message: str, decision: Decision) -> None:
        super().__init__(message)
        self.decision = decision


class Access:
    """Decides for one server."""

    def __init__(self, clock: Clock, function_policies: FunctionPolicies) -> None:
        self._clock = clock
        self.function_policies = function_policies
        self._invokes: dict[tuple[str, str, str], Decision] = {}
        """By the caller's ARN, the function's, and the function's policy: `forget` says
        that an identity has changed."""

    def forget(self) -> None:
        """Some identity's policies have changed."""
        self._invokes.clear()

    def call(
        self,
        caller: Caller,
        identity: Identity,
        service: str,
        operation: str,
        values: Mapping[str, Any],
        exchange: Exchange,
    ) -> Identity:
        """In whose account the call acts; raises `AccessDenied` unless it is allowed.

        That is the caller's own, but for a function of another account whose policy lets it in.
        """
        if (service, operation) == ("sts", "GetCallerIdentity"):
            return identity
        scope = Scope(identity.account, identity.region)
        meant = actions.function_meant(service, scope, operation, values)
        foreign = meant is not None and meant.account != scope.account
        if caller.grants is None and not foreign:
            return identity
        there = Scope(meant.account, scope.region) if meant is not None else scope
        action = actions.action(service, operation)
        arn = actions.resource(service, there, operation, values)
        decision = self.decide(
            caller,
            action,
            arn,
            exchange,
            actions.conditions(service, scope, operation, values),
            policy=self._policy(there, meant.function) if meant is not None else "",
            # The rules on layers ask a layer's own policy.
            account=scope.account if operation in actions.LAYER_READS else None,
        )
        if not decision.allowed:
            if caller.grants is None:  # the operation says so itself, in the words of AWS
                return identity
            raise refusal(caller, action, arn, decision)
        if service == "lambda" and operation in _PASSES_ROLE and (role := values.get("Role")):
            passed = {"iam:passedtoservice": ["lambda.amazonaws.com"]}
            self.require(caller, "iam:PassRole", str(role), exchange, passed)
        for arn in actions.objects_read(scope, values):
            self.require(caller, "s3:GetObject", arn, exchange)
        return Identity(there.account, there.region, identity.access_key)

    def _policy(self, scope: Scope, function: FunctionRef) -> str:
        texts = self.function_policies(scope.account, scope.region, function.name)
        return texts.get(function.qualifier or LATEST, "")

    def invoke(
        self, caller: Caller, identity: Identity, function: FunctionRef, exchange: Exchange
    ) -> None:
        """The same for an invoke; `identity` is of the account whose function it is."""
        if caller.grants is None and caller.principal.account == identity.account:
            return
        scope = Scope(identity.account, identity.region)
        arn = scope.arn(function.name, function.qualifier)
        text = self._policy(scope, function)
        key = (caller.principal.arn, arn, text)
        remembered = self._invokes.get(key)
        decision = remembered or self.decide(caller, INVOKE, arn, exchange, policy=text)
        if remembered is None and _unconditional(caller, text):
            if len(self._invokes) >= _REMEMBERED_MAX:
                self._invokes.clear()
            self._invokes[key] = decision
        if not decision.allowed:
            raise refusal(caller, INVOKE, arn, decision)

    def require(
        self,
        caller: Caller,
        action: str,
        arn: str,
        exchange: Exchange,
        given: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Raises `AccessDenied`."""
        if caller.grants is None:
            return
        decision = self.decide(caller, action, arn, exchange, given)
        if not decision.allowed:
            raise refusal(caller, action, arn, decision)

    def decide(
        self,
        caller: Caller,
        action: str,
        arn: str,
        exchange: Exchange,
        given: Mapping[str, Sequence[str]] | None = None,
        *,
        policy: str = "",
        account: str | None = None,
    ) -> Decision:
        """`policy` is the resource's own, as JSON; `account` whose it is, if not the ARN's."""
        context = self.context(caller, exchange.peer, secure=exchange.secure)
        parts = arn.split(":", 5)
        if account is None:
            account = parts[4] if len(parts) == 6 else ""
        decision = evaluate(
            Query(caller.principal, action, arn, {**context, **(given or {})}),
            applicable(caller, account, policy),
        )
        if not decision.allowed:
            log.warning(
                "iam.denied",
                caller=caller.principal.arn,
                action=action,
                resource=arn,
                why=decision.why,
                policy=decision.policy,
                sid=decision.sid,
            )
        return decision

    def context(self, caller: Caller, peer: str, *, secure: bool) -> dict[str, list[str]]:
        """The global condition keys, in lower case."""
        now_s = self._clock.time_ms() // 1000
        principal = caller.principal
        context = {
            "aws:sourceip": [peer],
            "aws:securetransport": ["true" if secure else "false"],
            "aws:currenttime": [datetime.fromtimestamp(now_s, UTC).isoformat()],
            "aws:epochtime": [str(now_s)],
            # A role session's is its role.
            "aws:principalarn": [principal.role_arn or principal.arn],
            "aws:principalaccount": [principal.account],
            "aws:principaltype": ["User" if caller.kind == "IAMUser" else caller.kind],
            "aws:userid": [caller.name or principal.account],
        }
        if caller.kind == "IAMUser":
            context["aws:username"] = [caller.name.rsplit("/", 1)[-1]]
        if caller.organization:
            context["aws:principalorgid"] = [caller.organization]
        if caller.kind == "AssumedRole":
            context["aws:rolesessionname"] = [caller.name]
        return context


_OWNER: Final = Grants(
    (
        document.read(
            "what an account's own key may do",
            {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}},
        ),
    )
)


def root(identity: Identity) -> Caller:
    """Who calls with an account's own key."""
    arn = f"arn:{partition(identity.region)}:iam::{identity.account}:root"
    return Caller(Principal(arn, identity.account), "Root")


def applicable(caller: Caller, account: str, policy: str) -> Applicable:
    """All policies that have a say; `policy` is the resource's own."""
    grants = caller.grants or _OWNER
    return Applicable(
        identity=grants.policies,
        boundaries=grants.boundaries,
        resource=[_function_policy(policy)] if policy else [],
        resource_account=account,
    )


@lru_cache(maxsize=1024)
def _function_policy(text: str) -> Policy:
    try:
        return document.read("the function's policy", text)
    except MalformedPolicy:
        # What cannot be read must not fail to deny.
        return document.read(
            "the function's policy, which cannot be read",
            {"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}},
        )


def _unconditional(caller: Caller, policy: str) -> bool:
    """Whether nothing but caller and function decides."""
    grants = caller.grants or _OWNER
    policies = [*grants.policies, *grants.boundaries]
    if policy:
        policies.append(_function_policy(policy))
    return not any(
        statement.conditions or any("${" in text for text in statement.resources)
        for one in policies
        for statement in one.statements
    )


def refusal(caller: Caller, action: str, arn: str, decision: Decision) -> Denied:
    """AWS's words (IAM user guide, "Troubleshoot access denied error messages")."""
    kind = decision.kind or "identity-based policy"
    article = "an" if kind.startswith("i") else "a"
    why = (
        f"with an explicit deny in {article} {kind}"
        if decision.explicit
        else f"because no {kind} allows the {action} action"
    )
    return Denied(
        f"User: {caller.principal.arn} is not authorized to perform: {action} on resource: {arn} "
        f"{why}",
        decision,
    )
