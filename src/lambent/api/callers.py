"""Who asks for one of our own pages, beside AWS's API: the same credentials hold for both."""

from __future__ import annotations

from lambent.api.access import Access
from lambent.api.auth import Authenticator, Head
from lambent.api.browsers import refuse_foreign_pages
from lambent.control.iam.keyring import Caller
from lambent.http.exchange import Exchange


def scope(
    authenticator: Authenticator,
    exchange: Exchange,
    access: Access | None = None,
    action: str = "",
    resource: str = "*",
    body: bytes = b"",
) -> tuple[str, str]:
    """Account and region of a request with that body; raises what the API would.

    With `access` the caller must be allowed `action`. In `resource`, `{scope}` stands for
    `region:account`.
    """
    if authenticator.verifies:
        head = Head(exchange.method, exchange.path, exchange.query, exchange.headers)
        claim = authenticator.claim(head)
        authenticator.verify(head, claim, body, reads=exchange.method in {"GET", "HEAD"})
        identity = claim.identity
        if access is not None:
            _require(access, claim.caller, action, resource, exchange, identity.region)
        return identity.account, identity.region
    refuse_foreign_pages(exchange.headers)
    header = exchange.headers.get(b"authorization")
    identity = authenticator.identify(header, exchange.query)
    return identity.account, identity.region


def _require(
    access: Access, caller: Caller, action: str, resource: str, exchange: Exchange, region: str
) -> None:
    arn = resource.replace("{scope}", f"{region}:{caller.principal.account}")
    access.require(caller, action, arn, exchange)
