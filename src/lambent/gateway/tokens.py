"""JWT authorizers of HTTP APIs: a token of the issuer, for this audience, with the route's scopes.

No function is asked. Why a token does not count stands in `www-authenticate`, as on AWS: 401 for
one that is missing or wrong, 403 for one that lacks the scope. (API Gateway developer guide,
"Control access to HTTP APIs with JWT authorizers" and "Troubleshooting issues with HTTP API JWT
authorizers".)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lambent.clock import Clock
from lambent.control.gateways import JwtAuthorizer
from lambent.gateway import jwt
from lambent.gateway.authorizing import Question, source
from lambent.gateway.jwks import KeySets
from lambent.gateway.own_answers import OwnAnswer

_BEARER: Final = "bearer "
CHALLENGE: Final = b"www-authenticate"


class Tokens:
    """Judges the tokens of all gateways."""

    def __init__(self, clock: Clock, keys: KeySets) -> None:
        self._clock = clock
        self._keys = keys

    async def judge(
        self, authorizer: JwtAuthorizer, scopes: Sequence[str], question: Question
    ) -> Mapping[str, Any]:
        """`requestContext.authorizer` of the event; raises `OwnAnswer` for who may not."""
        text = _token(authorizer, question)
        if not text:
            raise OwnAnswer("unauthorized", [(CHALLENGE, b"Bearer")])
        try:
            token = jwt.decode(text)
            key = await self._keys.key(authorizer.issuer, token.kid)
            jwt.check_signature(token, key)
            now_s = self._clock.time_ms() / 1000
            jwt.check_claims(token.claims, authorizer.issuer, authorizer.audience, now_s)
        except jwt.InvalidToken as error:
            why = _challenge(scopes, "invalid_token", str(error))
            raise OwnAnswer("unauthorized", [(CHALLENGE, why)]) from None
        had = jwt.scopes(token.claims)
        if scopes and not set(scopes) & set(had):
            why = _challenge(
                scopes, "insufficient_scope", "the token does not have the required scopes"
            )
            raise OwnAnswer("denied", [(CHALLENGE, why)])
        return {"jwt": {"claims": jwt.shown(token.claims), "scopes": had if scopes else None}}


def _token(authorizer: JwtAuthorizer, question: Question) -> str:
    found = next((text for one in authorizer.identity if (text := source(one, question))), "")
    return found[len(_BEARER) :].strip() if found.lower().startswith(_BEARER) else found.strip()


def _challenge(scopes: Sequence[str], error: str, why: str) -> bytes:
    wanted = " ".join(scopes)
    return f'Bearer scope="{wanted}" error="{error}" error_description="{why}"'.encode(
        "ascii", "replace"
    )
