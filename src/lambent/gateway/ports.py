"""Ports of their own, one per id, remembered: an address that somebody has written down holds."""

from __future__ import annotations

import socket
from collections.abc import Callable, Container
from pathlib import Path
from typing import Final

import msgspec
import structlog

from lambent.settings import Settings

log = structlog.get_logger()

_BACKLOG: Final = 128

Open = Callable[[socket.socket, str], None]
"""Serve a listening socket for that id, from now on."""


class Ports:
    """The ports of one kind of thing, kept in a file of the data directory."""

    def __init__(self, settings: Settings, file_name: str, known: Container[str]) -> None:
        self._host = settings.host
        self._file = settings.data_dir / file_name
        self._known = known
        self._ports = _remembered(self._file)
        self._listening: dict[str, socket.socket] = {}
        self._open: Open | None = None

    def serve(self, open_port: Open) -> None:
        """The server listens: everything that had a port gets it back."""
        self._open = open_port
        for own_id in list(self._ports):
            if own_id in self._known:
                self.port(own_id)
            else:
                del self._ports[own_id]

    def port(self, own_id: str) -> int:
        """Its own, opened if need be; 0 when there is none to be had."""
        if own_id in self._listening:
            return self._ports[own_id]
        if self._open is None:
            return self._ports.get(own_id, 0)
        try:
            found = self._bind(self._ports.get(own_id, 0))
        except OSError as error:
            log.warning("url.no_port", url=own_id, why=str(error))
            return 0
        self._listening[own_id] = found
        port = int(found.getsockname()[1])
        if self._ports.get(own_id) != port:
            self._ports[own_id] = port
            self._remember()
        self._open(found, own_id)
        return port

    def _bind(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
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
            made.bind((self._host, port))
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
