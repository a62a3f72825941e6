"""Who asks for one of our own pages, beside AWS's API: the same credentials hold for both."""

from __future__ import annotations

from lambent.api.auth import Authenticator, Head
from lambent.api.browsers import refuse_foreign_pages
from lambent.http.exchange import Exchange


def scope(authenticator: Authenticator, exchange: Exchange) -> tuple[str, str]:
    """Account and region of a request without a body; raises what the API would."""
    if authenticator.verifies:
        head = Head(exchange.method, exchange.path, exchange.query, exchange.headers)
        claim = authenticator.claim(head)
        authenticator.verify(head, claim, b"")
        return claim.identity.account, claim.identity.region
    refuse_foreign_pages(exchange.headers)
    header = exchange.headers.get(b"authorization")
    identity = authenticator.identify(header, exchange.query)
    return identity.account, identity.region
