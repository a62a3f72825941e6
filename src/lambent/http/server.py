"""The server: listeners, the connections they accepted, and the one sweep that keeps time.

A `Server` owns everything it starts: connections, the tasks that exchanges spawn, the sweep. It
ends by `drain` (or by leaving `async with`), after which none of them is left. There are no
timers per request: connections note deadlines on the sweep's coarse clock, which runs late by at
most one tick and never early.
"""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Final, Self

from lambent.clock import Clock, SystemClock
from lambent.http.answer import CommonLines, Fields, answer_head, error_answer
from lambent.http.connection import Connection
from lambent.http.exchange import Exchange
from lambent.http.limits import Limits

Handler = Callable[[Exchange], None]
"""Called on the loop once a head is complete; must read the body or answer, now or later."""

_MAX_TICK_S: Final = 0.5
_MIN_TICK_S: Final = 0.02
_BACKLOG: Final = 1024
_LAST_GASP_S: Final = 5.0
"""How long `drain` waits for aborted connections and cancelled tasks to end."""


class Listener:
    """One listening socket of a server, with whatever its connections are known by."""

    __slots__ = ("_accepting", "_server", "handler", "host", "port", "tag")

    def __init__(self, server: Server, handler: Handler, tag: object) -> None:
        self._server = server
        self._accepting: asyncio.Server | None = None
        self.handler = handler
        self.tag = tag
        self.host = ""
        self.port = 0

    def accept_on(self, accepting: asyncio.Server) -> None:
        self._accepting = accepting
        name = accepting.sockets[0].getsockname()
        if isinstance(name, tuple):
            self.host, self.port = name[0], name[1]

    def close(self) -> None:
        """Accept nothing more; what is connected stays. Idempotent."""
        if self._accepting is not None:
            self._accepting.close()
            self._accepting = None
            self._server.listeners.discard(self)


def answer_too_large(exchange: Exchange, limit: int) -> None:
    """What `on_too_large` is until the owner of the server sets its own."""
    status, fields, body = error_answer(413, f"the body is larger than {limit} bytes")
    exchange.respond(status, fields, body)


class Server:
    """One HTTP/1.1 server, on any number of listening sockets."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.handler = handler
        self.limits = limits or Limits()
        self.clock: Clock = clock or SystemClock()
        self.on_too_large: Callable[[Exchange, int], None] = answer_too_large
        """Answers a body that passes the limit of `read_all`."""
        self.draining = False
        self.listeners: set[Listener] = set()
        self.connections: set[Connection] = set()
        self.lines = CommonLines(self.clock.time_ms())
        limits = self.limits
        shortest = min(limits.header_s, limits.body_s, limits.idle_s, limits.linger_s)
        self._tick_s = min(_MAX_TICK_S, max(_MIN_TICK_S, shortest / 8))
        window = limits.body_rate * limits.body_s
        self.body_progress = max(1, int(window)) if math.isfinite(window) else 1
        """Bytes in `body_s` that count as progress."""
        self._now = self.clock.monotonic()
        self.idle_deadline = self.after(limits.idle_s)
        """For a connection that becomes idle now."""
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.Task[None] | None = None
        self._emptied: asyncio.Event | None = None

    # Life

    async def listen(
        self, host: str, port: int, *, handler: Handler | None = None, tag: object = None
    ) -> Listener:
        """Listen on an address; port 0 takes a free one (`Listener.port`)."""
        listener = Listener(self, handler or self.handler, tag)
        accepting = await self._loop().create_server(
            lambda: Connection(self, listener), host, port, backlog=_BACKLOG, **self._tls_options()
        )
        return self._accept_on(listener, accepting)

    async def serve_socket(
        self, sock: socket.socket, *, handler: Handler | None = None, tag: object = None
    ) -> Listener:
        """Serve a listening socket, which is the server's from here on.

        It may have been made in another network namespace and passed as a descriptor.
        """
        listener = Listener(self, handler or self.handler, tag)
        loop = self._loop()
        create = loop.create_unix_server if sock.family == socket.AF_UNIX else loop.create_server
        accepting = await create(
            lambda: Connection(self, listener), sock=sock, backlog=_BACKLOG, **self._tls_options()
        )
        return self._accept_on(listener, accepting)

    async def drain(self, timeout_s: float) -> None:
        """Accept nothing more, finish running answers, close idle connections, then stop.

        What is not finished after `timeout_s` is aborted.
        """
        self.draining = True
        for listener in list(self.listeners):
            listener.close()
        for connection in list(self.connections):
            connection.retire()
        await self._until_empty(timeout_s)
        for connection in list(self.connections):
            connection.destroy()
        for task in self._tasks:
            task.cancel()
        await self._until_empty(_LAST_GASP_S)
        if self._sweep is not None:
            self._sweep.cancel()
            await asyncio.wait([self._sweep])
            self._sweep = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.drain(0)

    def _loop(self) -> asyncio.AbstractEventLoop:
        """The running loop, with the sweep on it."""
        self.loop = asyncio.get_running_loop()
        if self._sweep is None:
            self._sweep = self.loop.create_task(self._keep_time(), name="http sweep")
        return self.loop

    def _accept_on(self, listener: Listener, accepting: asyncio.Server) -> Listener:
        listener.accept_on(accepting)
        self.listeners.add(listener)
        return listener

    def _tls_options(self) -> dict[str, Any]:
        if self._tls is None:
            return {}
        header_s = self.limits.header_s
        return {
            "ssl": self._tls,
            "ssl_handshake_timeout": header_s if math.isfinite(header_s) else None,
            "ssl_shutdown_timeout": self.limits.linger_s,
        }

    async def _until_empty(self, timeout_s: float) -> None:
        self._emptied = asyncio.Event()
        self._check_empty()
        try:
            async with asyncio.timeout(timeout_s):
                await self._emptied.wait()
        except TimeoutError:
            pass
        finally:
            self._emptied = None

    def _check_empty(self) -> None:
        if self._emptied is not None and not self.connections and not self._tasks:
            self._emptied.set()

    # Time

    def after(self, seconds: float) -> float:
        """A deadline that is never early: the sweep's clock may be one tick old."""
        return self._now + self._tick_s + seconds

    async def _keep_time(self) -> None:
        while True:
            await self.clock.sleep(self._tick_s)
            self._now = now = self.clock.monotonic()
            self.lines.turn(self.clock.time_ms())
            self.idle_deadline = self.after(self.limits.idle_s)
            late = [
                connection
                for connection in self.connections
                if connection.deadline <= now or connection.outlet.deadline <= now
            ]
            for connection in late:
                connection.expire(now)

    # For connections

    def admit(self, connection: Connection) -> bool:
        """Take note of a connection; False when it is one too many."""
        self.connections.add(connection)
        return len(self.connections) <= self.limits.max_connections and not self.draining

    def forget(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._check_empty()

    def closing_answer(self, status: int, fields: Fields, body: bytes) -> bytes:
        """An answer for which there is no exchange; the connection closes behind it."""
        return answer_head(status, fields, self.lines.close, len(body)) + body

    def spawn(self, coro: Coroutine[Any, Any, None], exchange: Exchange) -> None:
        """Own a task for an exchange; `drain` awaits it, or cancels it in the end."""
        task = self.loop.create_task(coro)
        self._tasks.add(task)
        exchange.tasks = tasks = exchange.tasks or set()
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(self._forget_task)

    def _forget_task(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._check_empty()
