"""Where the SDKs of an environment fetch their credentials: the container credentials endpoint.

What is in a process's variables when a snapshot is taken would be in all its forks. So environments
that are forked ask for their own, at a listener that was made inside their network namespace, with
a token that is theirs. (AWS SDKs reference guide, "Container credential provider".)
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import msgspec

from lambent.clock import Clock
from lambent.engine.credentials import Credentials
from lambent.errors import LambentError
from lambent.http.exchange import Exchange
from lambent.http.limits import Limits
from lambent.http.server import Server
from lambent.observe.moment import moment

PATH: Final = "/2021-04-23/credentials"
JSON: Final = (b"content-type", b"application/json")
LIMITS: Final = Limits(max_connections=16)
ENDLESS_S: Final = 6 * 3600.0
"""What SDKs are told of credentials that do not end."""
OF_TEMPLATE_S: Final = 60.0
"""So short that an SDK which fetched them in Init fetches its own after the fork, at first use."""


class CredentialsPage:
    """What is asked, and answered, wherever it stands."""

    def __init__(
        self,
        port: int,
        issue: Callable[[], Awaitable[Credentials]],
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        *,
        longest_s: float = ENDLESS_S,
    ) -> None:
        self.token = secrets.token_urlsafe(32)
        self.url = f"http://127.0.0.1:{port}{PATH}"
        self._issue = issue
        self._clock = clock
        self._spawn = spawn
        self._longest_s = longest_s

    def handle(self, exchange: Exchange) -> None:
        given = exchange.headers.get(b"authorization") or b""
        if exchange.method != "GET" or exchange.path != PATH:
            exchange.respond(404, [JSON], b"{}")
        elif not hmac.compare_digest(given, self.token.encode()):
            exchange.respond(401, [JSON], b"{}")
        else:
            self._spawn(self._answer(exchange))

    async def _answer(self, exchange: Exchange) -> None:
        try:
            found = await self._issue()
        except LambentError as error:
            body = msgspec.json.encode({"code": type(error).__name__, "message": str(error)})
            exchange.respond(500, [JSON], body)
            return
        lifetime_s = min(found.lifetime_s or ENDLESS_S, self._longest_s)
        body = msgspec.json.encode(
            {
                "AccessKeyId": found.access_key_id,
                "SecretAccessKey": found.secret_access_key,
                "Token": found.session_token,
                "Expiration": moment(self._clock.time_ms() + int(lifetime_s * 1000)),
            }
        )
        exchange.respond(200, [JSON], body)


class CredentialsEndpoint:
    """One environment's, at a listener of its own; nothing runs until the first connection comes."""

    def __init__(
        self,
        listener: socket.socket,
        issue: Callable[[], Awaitable[Credentials]],
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        *,
        longest_s: float = ENDLESS_S,
        otherwise: Callable[[Exchange], None] | None = None,
    ) -> None:
        """`otherwise` answers every other path."""
        port = listener.getsockname()[1]
        self.page = CredentialsPage(port, issue, clock, spawn, longest_s=longest_s)
        # Its own copy: the sandbox may be closed, with its listeners, before this is.
        self._listener = listener.dup()
        self._listener.setblocking(False)
        self._otherwise = otherwise
        self._clock = clock
        self._spawn = spawn
        self._loop = asyncio.get_running_loop()
        self._server: Server | None = None
        self._waiting = True
        self._loop.add_reader(self._listener.fileno(), self._first)

    def _first(self) -> None:
        self._stop_waiting()
        self._server = Server(self._handle, LIMITS, clock=self._clock)
        self._spawn(self._serve(self._server))

    async def _serve(self, server: Server) -> None:
        await server.serve_socket(self._listener.dup())

    def _handle(self, exchange: Exchange) -> None:
        if exchange.path != PATH and self._otherwise is not None:
            self._otherwise(exchange)
        else:
            self.page.handle(exchange)

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting = False
            self._loop.remove_reader(self._listener.fileno())

    async def close(self) -> None:
        """Idempotent."""
        self._stop_waiting()
        if self._server is not None:
            await self._server.drain(0)
        self._listener.close()
