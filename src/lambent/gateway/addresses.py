"""Where a function URL can be reached: by host, by path, or at a port of its own.

`*.localhost` is resolved by browsers, and by the C library where systemd's resolver is in it; Python
and Node ask the C library. Where it is not, each URL gets a port, which is remembered, so that an
address that somebody has written down still holds after a restart.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from lambent.gateway.catalog import UrlCatalog
from lambent.gateway.urls import PATH_PREFIX
from lambent.settings import Settings

log = structlog.get_logger()

PROBE: Final = "probe.lambda-url.us-east-1.localhost"
_BACKLOG: Final = 128

Open = Callable[[socket.socket, str], None]
"""Serve a listening socket for the URL of that id, from now on."""


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
        self._file = settings.data_dir / "url-ports.json"
        self._ports = _remembered(self._file)
        self._listening: dict[str, socket.socket] = {}
        self._scheme = "https" if settings.tls_cert else "http"
        style = settings.url_style
        if style == "auto":
            style = "host" if resolves() else "port"
        self.style = style
        self._main_port = settings.port
        self._open: Open | None = None

    def serve(self, main_port: int, open_port: Open) -> None:
        """The server listens: every URL that has a port gets it back."""
        self._main_port = main_port
        self._open = open_port
        if self.style == "port":
            for url_id in list(self._ports):
                if url_id in self._catalog:
                    self._port(url_id)
                else:
                    del self._ports[url_id]

    def address(self, url_id: str, region: str) -> str:
        """As `FunctionUrl` shows it."""
        if self._settings.url_base_domain is not None:
            return f"https://{self._catalog.domain(url_id, region)}/"
        if self.style == "host":
            host = f"{self._catalog.domain(url_id, region)}:{self._main_port}"
            return f"{self._scheme}://{host}/"
        host = self._settings.host
        if self.style == "port" and (port := self._port(url_id)):
            return f"{self._scheme}://{host}:{port}/"
        return f"{self._scheme}://{host}:{self._main_port}{PATH_PREFIX}{url_id}/"

    def _port(self, url_id: str) -> int:
        """The URL's own, opened if need be; 0 when there is none to be had."""
        if url_id in self._listening:
            return self._ports[url_id]
        if self._open is None:
            return self._ports.get(url_id, 0)
        try:
            found = self._bind(self._ports.get(url_id, 0))
        except OSError as error:
            log.warning("url.no_port", url=url_id, why=str(error))
            return 0
        self._listening[url_id] = found
        port = int(found.getsockname()[1])
        if self._ports.get(url_id) != port:
            self._ports[url_id] = port
            self._remember()
        self._open(found, url_id)
        return port

    def _bind(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._settings.host else socket.AF_INET
        try:
            return self._listen(family, port)
        except OSError:
            if not port:
                raise
            return self._listen(family, 0)  # somebody else has it now

    def _listen(self, family: socket.AddressFamily, port: int) -> socket.socket:
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((self._settings.host, port))
            made.listen(_BACKLOG)
            made.setblocking(False)
        except OSError:
            made.close()
            raise
        return made

    def _remember(self) -> None:
        draft = self._file.with_suffix(".new")
        try:
            draft.write_bytes(msgspec.json.encode(self._ports))
            draft.replace(self._file)
        except OSError as error:
            log.warning("url.port_not_remembered", why=str(error))


def _remembered(file: Path) -> dict[str, int]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, int])
    except (OSError, msgspec.MsgspecError):
        return {}
