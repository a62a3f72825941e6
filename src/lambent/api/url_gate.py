"""Who may use a function URL: signatures as for any call, then the function's own policy.

`AuthType` NONE still needs the policy to let everybody in: `lambda:InvokeFunctionUrl` for that
auth type and, since October 2025, `lambda:InvokeFunction` by way of a URL. With AWS_IAM the caller
signs for the service `lambda`; in the function's account the caller's own policies or the function's
let it in (keys of `auth_keys` may everything), unless one says no, and another account only by the
policy. (AWS Lambda developer guide, "Control access to Lambda
function URLs".)
"""

from __future__ import annotations

from typing import Any, Final

from lambent.api.access import Access
from lambent.api.auth import Authenticator, Head
from lambent.api.credentials import Identity
from lambent.control.iam import document
from lambent.control.iam.document import Policy
from lambent.control.iam.evaluate import Applicable, evaluate
from lambent.control.iam.keyring import Caller
from lambent.control.iam.query import Context, Principal, Query
from lambent.errors import LambentError
from lambent.gateway.gate import Visitor, forbidden
from lambent.gateway.urls import UrlTarget
from lambent.http.exchange import Exchange

URL: Final = "lambda:InvokeFunctionUrl"
FUNCTION: Final = "lambda:InvokeFunction"
_OWNER: Final = document.read(
    "what the account may do",
    {"Statement": {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}},
)


class UrlGate:
    """The gateway's `Gate`."""

    def __init__(self, authenticator: Authenticator, access: Access | None = None) -> None:
        self._authenticator = authenticator
        self._access = access

    def admit_head(self, exchange: Exchange, target: UrlTarget) -> None:
        """Raises `Refusal` for whoever need not send a body."""
        if target.auth_type == "NONE":
            self._require(target, Principal(), exchange)
        elif not self._signs(exchange):
            raise forbidden()
        elif self._authenticator.verifies:
            try:
                self._authenticator.claim(_head(exchange))
            except LambentError:
                raise forbidden() from None

    def admit(self, exchange: Exchange, target: UrlTarget, body: bytes) -> Visitor:
        if target.auth_type == "NONE":
            return Visitor()
        identity, caller = self._identity(exchange, body)
        self._require(target, caller.principal, exchange, caller)
        return Visitor(identity.account, {"iam": _iam(identity, caller)})

    def _signs(self, exchange: Exchange) -> bool:
        signed = exchange.headers.get(b"authorization") or b""
        return signed.startswith(b"AWS4-") or b"X-Amz-Signature=" in exchange.query

    def _identity(self, exchange: Exchange, body: bytes) -> tuple[Identity, Caller]:
        if not self._authenticator.verifies:
            identity = self._authenticator.identify(
                exchange.headers.get(b"authorization"), exchange.query
            )
            root = Principal(f"arn:aws:iam::{identity.account}:root", identity.account)
            return identity, Caller(root, "Root")
        try:
            claim = self._authenticator.claim(_head(exchange))
            payload = self._authenticator.verify(_head(exchange), claim, body)
        except LambentError:
            raise forbidden() from None
        if payload is not body:  # chunks would reach the function as they came
            raise forbidden()
        return claim.identity, claim.caller

    def _require(
        self,
        target: UrlTarget,
        principal: Principal,
        exchange: Exchange,
        caller: Caller | None = None,
    ) -> None:
        """Both actions must be allowed."""
        grants = None if caller is None else caller.grants
        policies = Applicable(
            identity=_own(principal) if grants is None else grants.policies,
            boundaries=() if grants is None else grants.boundaries,
            resource=[] if target.policy is None else [target.policy],
            resource_account=target.account,
        )
        context: Context = {
            "lambda:functionurlauthtype": [target.auth_type],
            "lambda:invokedviafunctionurl": ["true"],
            "aws:sourceip": [exchange.peer],
            "aws:securetransport": ["true" if exchange.secure else "false"],
            **(
                self._access.context(caller, exchange.peer, secure=exchange.secure)
                if self._access is not None and caller is not None
                else {}
            ),
        }
        for action in (URL, FUNCTION):
            if not evaluate(Query(principal, action, target.arn, context), policies).allowed:
                raise forbidden()


def _own(principal: Principal) -> list[Policy]:
    """What an account's own key may do; nobody has no policies."""
    return [] if principal.anonymous else [_OWNER]


def _iam(identity: Identity, caller: Caller) -> dict[str, Any]:
    return {
        "accessKey": identity.access_key,
        "accountId": identity.account,
        "callerId": identity.access_key,
        "cognitoIdentity": None,
        "principalOrgId": caller.organization or None,
        "userArn": caller.principal.arn,
        "userId": identity.access_key,
    }


def _head(exchange: Exchange) -> Head:
    return Head(exchange.method, exchange.path, exchange.query, exchange.headers)
