"""`GET /metrics`: the server's numbers, for Prometheus.

With `auth = "any"` whoever reaches the server may read them (it listens on loopback). With
`auth = "sigv4"` they are for requests from this machine, or signed like any AWS request
(`curl --aws-sigv4 aws:amz:REGION:lambda`). A request that a proxy on this machine has forwarded
does not count as this machine's.
"""

from __future__ import annotations

from typing import Final

from lambent.api import callers
from lambent.api.access import Access
from lambent.api.auth import Authenticator
from lambent.api.browsers import LOOPBACK_PEERS, refuse_foreign_pages
from lambent.api.errors import respond_error
from lambent.api.health import NO_STORE
from lambent.clock import new_uuid
from lambent.errors import LambentError
from lambent.http.exchange import Exchange
from lambent.observe.prometheus import Exposition

_FORWARDED: Final = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")
"""What proxies add."""


class MetricsPage:
    """Serves the page."""

    def __init__(
        self, exposition: Exposition, authenticator: Authenticator, access: Access | None = None
    ) -> None:
        self._access = access
        self._exposition = exposition
        self._authenticator = authenticator

    def serve(self, exchange: Exchange) -> None:
        try:
            self._authorise(exchange)
        except LambentError as error:
            respond_error(exchange, new_uuid(), error)
            return
        exchange.spawn(self._serve(exchange))

    def _authorise(self, exchange: Exchange) -> None:
        headers = exchange.headers
        signed = headers.get(b"authorization") is not None or b"X-Amz-Signature=" in exchange.query
        if self._authenticator.verifies and (signed or not _from_here(exchange)):
            callers.scope(self._authenticator, exchange, self._access, "cloudwatch:GetMetricData")
        else:
            refuse_foreign_pages(headers)

    async def _serve(self, exchange: Exchange) -> None:
        accept = (exchange.headers.get(b"accept") or b"").decode("latin-1")
        body, content_type = await self._exposition.page(accept)
        exchange.respond(200, [(b"Content-Type", content_type.encode()), NO_STORE], body)


def _from_here(exchange: Exchange) -> bool:
    headers = exchange.headers
    return exchange.peer in LOOPBACK_PEERS and all(headers.get(n) is None for n in _FORWARDED)
