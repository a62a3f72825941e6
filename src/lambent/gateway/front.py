"""Which requests are for a function URL: by Host, by path, by the port they came in at.

Stands before the API's handler. The first look costs one comparison of the Host header.
"""

from __future__ import annotations

from collections.abc import Callable

from lambent.gateway.api_gateway import ApiGateways
from lambent.gateway.function_url import FunctionUrls
from lambent.gateway.urls import MARK, PATH_PREFIX, by_host, by_path
from lambent.http.exchange import Exchange


class Front:
    """The server's handler: the gateway's requests, and everybody else's."""

    def __init__(
        self,
        urls: FunctionUrls,
        gateways: ApiGateways,
        others: Callable[[Exchange], None],
        too_large: Callable[[Exchange, int], None],
    ) -> None:
        self._urls = urls
        self._gateways = gateways
        self._others = others
        self._others_too_large = too_large

    def handle(self, exchange: Exchange) -> None:
        host = exchange.headers.get(b"host")
        if host is not None and MARK in host and (url_id := by_host(host)):
            self._urls.handle(exchange, url_id, exchange.path)
        else:
            self._others(exchange)

    def by_path(self, exchange: Exchange) -> None:
        """Below `/_url/`."""
        url_id, path = by_path(exchange.path)
        self._urls.handle(exchange, url_id, path)

    def at_port(self, exchange: Exchange) -> None:
        """At a URL's own port, whose listener has the id as its tag."""
        self._urls.handle(exchange, str(exchange.tag), exchange.path)

    def too_large(self, exchange: Exchange, limit: int) -> None:
        """The server's `on_too_large`."""
        host = exchange.headers.get(b"host") or b""
        if self._gateways.owns(exchange):
            self._gateways.too_large(exchange)
        elif exchange.tag is not None or MARK in host or exchange.path.startswith(PATH_PREFIX):
            self._urls.too_large(exchange)
        else:
            self._others_too_large(exchange, limit)
