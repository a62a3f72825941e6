"""Who may use a function URL: signatures as for any call, then the function's own policy.

`AuthType` NONE still needs the policy to let everybody in: `lambda:InvokeFunctionUrl` for that
auth type and, since October 2025, `lambda:InvokeFunction` by way of a URL. With AWS_IAM the caller
signs for the service `lambda`; whoever is of the function's account may, unless the policy says no,
and another account only by the policy. (AWS Lambda developer guide, "Control access to Lambda
function URLs".)
"""

from __future__ import annotations

from typing import Any, Final

from lambent.api.auth import Authenticator, Head
from lambent.api.credentials import Identity
from lambent.control.iam import document
from lambent.control.iam.evaluate import Applicable, evaluate
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

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

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
        identity = self._identity(exchange, body)
        principal = Principal(f"arn:aws:iam::{identity.account}:root", identity.account)
        self._require(target, principal, exchange)
        return Visitor(identity.account, {"iam": _iam(identity, principal)})

    def _signs(self, exchange: Exchange) -> bool:
        signed = exchange.headers.get(b"authorization") or b""
        return signed.startswith(b"AWS4-") or b"X-Amz-Signature=" in exchange.query

    def _identity(self, exchange: Exchange, body: bytes) -> Identity:
        if not self._authenticator.verifies:
            return self._authenticator.identify(
                exchange.headers.get(b"authorization"), exchange.query
            )
        try:
            claim = self._authenticator.claim(_head(exchange))
            self._authenticator.verify(_head(exchange), claim, body)
        except LambentError:
            raise forbidden() from None
        return claim.identity

    def _require(self, target: UrlTarget, principal: Principal, exchange: Exchange) -> None:
        """Both actions must be allowed."""
        policies = Applicable(
            identity=[] if principal.anonymous else [_OWNER],
            resource=[] if target.policy is None else [target.policy],
            resource_account=target.account,
        )
        context: Context = {
            "lambda:functionurlauthtype": [target.auth_type],
            "lambda:invokedviafunctionurl": ["true"],
            "aws:sourceip": [exchange.peer],
            "aws:securetransport": ["true" if exchange.secure else "false"],
        }
        for action in (URL, FUNCTION):
            if not evaluate(Query(principal, action, target.arn, context), policies).allowed:
                raise forbidden()


def _iam(identity: Identity, principal: Principal) -> dict[str, Any]:
    return {
        "accessKey": identity.access_key,
        "accountId": identity.account,
        "callerId": identity.access_key,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": principal.arn,
        "userId": identity.access_key,
    }


def _head(exchange: Exchange) -> Head:
    return Head(exchange.method, exchange.path, exchange.query, exchange.headers)
