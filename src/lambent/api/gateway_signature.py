"""Who signed a request to a route with `AWS_IAM`: as for any call, scoped to `execute-api`.

A caller with policies of its own needs `execute-api:Invoke` on the route; another account's caller
may not at all, since a gateway has no resource policy here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lambent.api.access import Access
from lambent.api.auth import Authenticator, Head
from lambent.control.gateways import Gateway
from lambent.errors import LambentError
from lambent.gateway.authorizing import ACTION
from lambent.gateway.own_answers import OwnAnswer
from lambent.http.exchange import Exchange

SERVICE: Final = "execute-api"


class GatewaySignature:
    """The gateways' `Signature`."""

    def __init__(self, authenticator: Authenticator, access: Access) -> None:
        self._authenticator = authenticator
        self._access = access

    def __call__(
        self, exchange: Exchange, body: bytes, gateway: Gateway, arn: str
    ) -> Mapping[str, Any]:
        signed = exchange.headers.get(b"authorization") or b""
        if not (signed.startswith(b"AWS4-") or b"X-Amz-Signature=" in exchange.query):
            raise OwnAnswer("unsigned")
        if not self._authenticator.verifies:
            identity = self._authenticator.identify(signed or None, exchange.query)
            found = (identity.access_key, identity.account, _root(identity.account))
        else:
            found = self._verified(exchange, body, arn)
        if found[1] != gateway.account:
            raise OwnAnswer("denied")
        return {"iam": _shown(*found)}

    def _verified(self, exchange: Exchange, body: bytes, arn: str) -> tuple[str, str, str]:
        head = Head(exchange.method, exchange.path, exchange.query, exchange.headers)
        try:
            claim = self._authenticator.claim(head, SERVICE)
            payload = self._authenticator.verify(head, claim, body)
            self._access.require(claim.caller, ACTION, arn, exchange)
        except LambentError:
            raise OwnAnswer("denied") from None
        if payload is not body:  # chunks would reach the function as they came
            raise OwnAnswer("denied")
        return claim.identity.access_key, claim.identity.account, claim.caller.principal.arn


def _root(account: str) -> str:
    return f"arn:aws:iam::{account}:root"


def _shown(access_key: str, account: str, user_arn: str) -> dict[str, Any]:
    return {
        "accessKey": access_key,
        "accountId": account,
        "callerId": access_key,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": user_arn,
        "userId": access_key,
    }
