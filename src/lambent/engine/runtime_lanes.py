"""The Runtime API for a runtime that calls for several invokes at once.

One server for the environment, one `Lane` per seat. A `next` is given to a lane that waits for one;
a response finds its lane by its request id. Within its lane everything is as with a single invoke
(`RuntimeApi`). A runtime learns how many it may call for from AWS_LAMBDA_MAX_CONCURRENCY.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from lambent.clock import Clock
from lambent.engine import faults
from lambent.engine.channel import RuntimeEvents
from lambent.engine.door import JSON, LIMITS, refuse
from lambent.engine.log_pipe import LogPipe
from lambent.engine.runtime_api import INIT_ERROR, INVOCATION, RuntimeApi
from lambent.http.exchange import Exchange
from lambent.http.server import Server

NEXT: Final = INVOCATION + "next"


class HostEvents(Protocol):
    """What concerns all lanes."""

    def on_ready(self) -> None: ...

    def on_init_error(self, document: bytes) -> None: ...


class Lane(RuntimeApi):
    """One seat's part; its `next` comes from the front."""

    def __init__(self, front: RuntimeLanes, events: RuntimeEvents) -> None:
        super().__init__(events, None)
        self._front = front
        self._at_rest = False
        """The environment knows that it may deliver, even if a call for an invoke broke off."""
        self._undelivered: tuple[Sequence[str], bytes] | None = None

    @property
    def wants_next(self) -> bool:
        """No invoke is with the runtime, and no call for one waits here."""
        return self._waiting is None and not self._running and not self._closed

    @property
    def running(self) -> str:
        return self._running

    def take_next(self, exchange: Exchange) -> None:
        """The front has a call for an invoke for this lane."""
        if not self._at_rest and self._undelivered is None:
            self._at_rest = True
            self._next(exchange)
            return
        self._waiting = exchange
        exchange.on_gone = self._next_gone
        undelivered, self._undelivered = self._undelivered, None
        if undelivered is not None:
            super().deliver(*undelivered)

    def deliver(self, header: Sequence[str], payload: bytes) -> None:
        self._at_rest = False
        if self._waiting is None:
            self._undelivered = (header, payload)
        else:
            super().deliver(header, payload)

    def handle(self, exchange: Exchange) -> None:
        self._handle(exchange)

    def too_large(self, exchange: Exchange, limit: int) -> None:
        self._too_large(exchange, limit)

    def _next_gone(self) -> None:
        """One call broke off; the runtime may make others, and its exit would be reported."""
        self._waiting = None
        self._front.match()

    def _report(self, exchange: Exchange, report: Callable[[bytes], None], body: bytes) -> None:
        super()._report(exchange, report, body)
        self._front.match()

    async def close(self) -> None:
        self._closed = True
        exchange, self._waiting = self._waiting, None
        self._running = ""
        self._front.left(self, exchange)


class RuntimeLanes:
    """The front: one server, and who gets what."""

    def __init__(self, events: HostEvents, listener: socket.socket, clock: Clock) -> None:
        self._events = events
        self._listener = listener
        self._server = Server(self._handle, LIMITS, clock=clock)
        self._server.on_too_large = self._too_large
        self._lanes: list[Lane] = []
        self._spare: deque[Exchange] = deque()
        """Calls for an invoke that no lane waits for yet."""
        self._started = False
        self._closed = False

    async def open(self) -> None:
        await self._server.serve_socket(self._listener.dup())

    def lane(self, events: RuntimeEvents) -> Lane:
        lane = Lane(self, events)
        self._lanes.append(lane)
        self.match()
        return lane

    def left(self, lane: Lane, exchange: Exchange | None) -> None:
        """A seat is given up; its runtime's call for an invoke serves another."""
        if lane in self._lanes:
            self._lanes.remove(lane)
        if exchange is not None and not self._closed:
            self._keep(exchange)
            self.match()

    def reset(self) -> None:
        """The runtime is gone, and with it all its calls; another one will begin with Init."""
        self._started = False
        for exchange in self._spare:
            exchange.on_gone = None
        self._spare.clear()

    async def close(self) -> None:
        self._closed = True
        await self._server.drain(0)

    # ── requests ─────────────────────────────────────────────────────────────────────────────

    def _handle(self, exchange: Exchange) -> None:
        if self._closed:
            exchange.abort()
        elif exchange.method == "GET" and exchange.path == NEXT:
            if not self._started:
                self._started = True
                self._events.on_ready()
            self._keep(exchange)
            self.match()
        elif exchange.method == "POST" and exchange.path == INIT_ERROR:
            exchange.read_all(faults.PAYLOAD_LIMIT, self._init_error)
        elif not exchange.path.startswith(INVOCATION):
            refuse(exchange, 404, "NotFound", f"no such path: {exchange.path}")
        elif (lane := self._by_request(exchange)) is None:
            refuse(exchange, 400, "InvalidRequestID", "Invalid request ID")
        else:
            lane.handle(exchange)

    def _keep(self, exchange: Exchange) -> None:
        exchange.on_gone = lambda: self._spare.remove(exchange)
        self._spare.append(exchange)

    def match(self) -> None:
        """Give calls for an invoke to lanes without one, those that have just answered first."""
        for lane in list(self._lanes):
            if not self._spare:
                return
            if lane.wants_next:
                lane.take_next(self._spare.popleft())

    def _by_request(self, exchange: Exchange) -> Lane | None:
        """The lane that runs the request in its path."""
        request_id = exchange.path[len(INVOCATION) :].partition("/")[0]
        return next((lane for lane in self._lanes if lane.running == request_id), None)

    def _init_error(self, exchange: Exchange, body: bytes) -> None:
        if self._started:
            refuse(exchange, 403, "InvalidStateTransition", "Init is over")
            return
        self._events.on_init_error(body)
        exchange.respond(202, [JSON], b'{"status":"OK"}\n')

    def _too_large(self, exchange: Exchange, limit: int) -> None:
        lane = self._by_request(exchange)
        if lane is None:
            refuse(exchange, 413, "RequestEntityTooLarge", f"more than {limit} bytes")
        else:
            lane.too_large(exchange, limit)


class SharedPipe:
    """One pipe for all lanes: it is drained with every answer, and closed with its process."""

    def __init__(self, pipe: LogPipe) -> None:
        self._pipe = pipe

    def drain(self, *, partial: bool = False) -> None:
        if not self._pipe.closed:
            self._pipe.drain(partial=partial)

    def close(self) -> None:
        """The others go on."""
