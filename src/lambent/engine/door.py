"""The HTTP server at `AWS_LAMBDA_RUNTIME_API` inside one sandbox, shared by the APIs that stand there.

One per launch, on the listener that was made inside. For managed runtimes, which speak the channel,
it costs a watched descriptor until somebody knocks: only internal extensions do. `RuntimeApi`,
`ExtensionApi` and `TelemetryApi` each take the paths below a prefix.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final

from lambent.clock import Clock
from lambent.http.exchange import Exchange
from lambent.http.limits import Limits
from lambent.http.server import Server

Handler = Callable[[Exchange], None]
TooLarge = Callable[[Exchange, int], None]

RUNTIME_API: Final = "/2018-06-01/"
"""Never anybody else's, also where the runtime speaks the channel."""
JSON: Final = (b"content-type", b"application/json")
# A runtime may wait hours for its next invoke, and take as long as its function may to answer.
LIMITS: Final = Limits(idle_s=86_400.0, body_s=900.0, body_rate=0, max_connections=64)


class Door:
    """Serves requests by the prefix of their path."""

    def __init__(
        self,
        listener: socket.socket,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._listener = listener
        self._clock = clock
        self._spawn = spawn
        self._routes: dict[str, tuple[Handler, TooLarge]] = {}
        self.otherwise: Handler | None = None
        """For every other path."""
        self._server: Server | None = None
        self._watching = False
        self._closed = False

    def route(self, prefix: str, handler: Handler, too_large: TooLarge | None = None) -> None:
        self._routes[prefix] = (handler, too_large or _too_large)

    def watch(self) -> None:
        """Serve from the first connection on."""
        asyncio.get_running_loop().add_reader(self._listener.fileno(), self._knocked)
        self._watching = True

    def _knocked(self) -> None:
        self._unwatch()
        self._spawn(self.open())

    def _unwatch(self) -> None:
        if self._watching:
            asyncio.get_running_loop().remove_reader(self._listener.fileno())
            self._watching = False

    async def open(self) -> None:
        """Serve now."""
        self._unwatch()
        if self._server is None and not self._closed:
            self._server = server = Server(self._handle, LIMITS, clock=self._clock)
            server.on_too_large = self._too_large
            await server.serve_socket(self._listener.dup())

    async def close(self) -> None:
        self._closed = True
        self._unwatch()
        if self._server is not None:
            await self._server.drain(0)

    def _handle(self, exchange: Exchange) -> None:
        found = self._find(exchange.path)
        if self._closed:
            exchange.abort()
        elif found is None and self.otherwise and not exchange.path.startswith(RUNTIME_API):
            self.otherwise(exchange)
        elif found is None:
            refuse(exchange, 404, "NotFound", f"no such path: {exchange.path}")
        else:
            found[0](exchange)

    def _too_large(self, exchange: Exchange, limit: int) -> None:
        found = self._find(exchange.path)
        (found[1] if found else _too_large)(exchange, limit)

    def _find(self, path: str) -> tuple[Handler, TooLarge] | None:
        return next((to for prefix, to in self._routes.items() if path.startswith(prefix)), None)


def refuse(exchange: Exchange, status: int, kind: str, text: str) -> None:
    """An error as these APIs write it."""
    body = b'{"errorMessage":"%s","errorType":"%s"}\n' % (text.encode(), kind.encode())
    exchange.respond(status, [JSON], body)


def _too_large(exchange: Exchange, limit: int) -> None:
    text = f"Exceeded maximum allowed payload size ({limit} bytes)."
    refuse(exchange, 413, "RequestEntityTooLarge", text)
