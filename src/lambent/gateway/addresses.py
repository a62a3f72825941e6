"""Where a function URL can be reached: by host, by path, or at a port of its own.

`*.localhost` is resolved by browsers, and by the C library where systemd's resolver is in it; Python
and Node ask the C library. Where it is not, each URL gets a port of its own (`ports`). Gateways have
no hosts: theirs is a port, or a path.
"""

from __future__ import annotations

import socket
from typing import Final

from lambent.control.gateways import DEFAULT, Gateway, Gateways
from lambent.gateway.catalog import UrlCatalog
from lambent.gateway.ports import Open, Ports
from lambent.gateway.stages import PATH_PREFIX as GATEWAY_PREFIX
from lambent.gateway.urls import PATH_PREFIX
from lambent.settings import Settings

PROBE: Final = "probe.lambda-url.us-east-1.localhost"


def resolves(name: str = PROBE) -> bool:
    """Whether this machine's C library finds names below localhost."""
    try:
        found = socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(str(address[4][0]) in ("127.0.0.1", "::1") for address in found)


class Addresses:
    """The `FunctionUrl` of every id."""

    def __init__(self, settings: Settings, catalog: UrlCatalog) -> None:
        self._settings = settings
        self._catalog = catalog
        self._ports = Ports(settings, "url-ports.json", catalog)
        self._scheme = _scheme(settings)
        style = settings.url_style
        if style == "auto":
            style = "host" if resolves() else "port"
        self.style = style
        self._main_port = settings.port

    def serve(self, main_port: int, open_port: Open) -> None:
        """The server listens: every URL that has a port gets it back."""
        self._main_port = main_port
        if self.style == "port":
            self._ports.serve(open_port)

    def address(self, url_id: str, region: str) -> str:
        """As `FunctionUrl` shows it."""
        if self._settings.url_base_domain is not None:
            return f"https://{self._catalog.domain(url_id, region)}/"
        if self.style == "host":
            host = f"{self._catalog.domain(url_id, region)}:{self._main_port}"
            return f"{self._scheme}://{host}/"
        host = self._settings.host
        if self.style == "port" and (port := self._ports.port(url_id)):
            return f"{self._scheme}://{host}:{port}/"
        return f"{self._scheme}://{host}:{self._main_port}{PATH_PREFIX}{url_id}/"


class GatewayAddresses:
    """Where each stage of a gateway is reached."""

    def __init__(self, settings: Settings, gateways: Gateways) -> None:
        self._settings = settings
        self._ports = Ports(settings, "gateway-ports.json", gateways)
        self._own = settings.url_style != "path"
        self._main_port = settings.port

    def serve(self, main_port: int, open_port: Open) -> None:
        """The server listens: every gateway gets its port back."""
        self._main_port = main_port
        if self._own:
            self._ports.serve(open_port)

    def stages(self, gateway: Gateway) -> dict[str, str]:
        """Stage → its address; a load balancer has one, which has no name."""
        base = f"{_scheme(self._settings)}://{self._settings.host}"
        port = self._ports.port(gateway.gateway_id) if self._own else 0
        root = (
            f"{base}:{port}/"
            if port
            else f"{base}:{self._main_port}{GATEWAY_PREFIX}{gateway.gateway_id}/"
        )
        names = list(gateway.config.stages) or [""]
        return {name: root if name in ("", DEFAULT) else f"{root}{name}/" for name in names}


def _scheme(settings: Settings) -> str:
    return "https" if settings.tls_cert else "http"
