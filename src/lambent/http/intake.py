"""Handing a request's body to whoever asked for it.

Until somebody asks, a body stays in the inbox, and past a limit in the kernel and with the
client. `read_all` buffers here; `read_stream` takes part by part; an answered exchange whose body
is short has the rest skipped, so that the connection lives on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from lambent.http.answer import CONTINUE
from lambent.http.body import Body
from lambent.http.exchange import Exchange, Reading
from lambent.http.faults import PeerGone, Refused
from lambent.http.phase import Phase

if TYPE_CHECKING:
    from lambent.http.connection import Connection

DISCARD_BYTES: Final = 65_536
"""An unread body up to this size is skipped to keep the connection; past it, closing is cheaper."""


class Intake:
    """The body of a connection's current exchange."""

    __slots__ = ("_body", "_connection", "_gained", "_limit", "_so_far", "_waiter")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._body: Body
        self._so_far: bytes | bytearray = b""
        self._gained = 0
        self._waiter: asyncio.Future[None] | None = None

    def begin(self, body: Body) -> None:
        self._body = body

    @property
    def done(self) -> bool:
        return self._body.done

    def skippable(self, exchange: Exchange) -> bool:
        """Whether what is left may be dropped to reach the next request."""
        if self._body.done:
            return True
        remaining = self._body.remaining()
        # A client that still waits for 100 may send the body or not: nobody can tell.
        return remaining is not None and remaining <= DISCARD_BYTES and not exchange.expects

    def feed(self, exchange: Exchange) -> None:
        """New bytes have arrived."""
        if exchange.reading is Reading.WHOLE:
            self._collect(exchange)
        elif exchange.reading is Reading.DISCARD:
            self.skip(exchange)
        else:
            self.wake()

    def want_whole(self, exchange: Exchange) -> None:
        remaining = self._body.remaining()
        if remaining is not None and remaining > exchange.body_limit:
            self._too_large(exchange)
            return
        self._collect(exchange)
        if exchange.reading is Reading.WHOLE and exchange is self._connection.exchange:
            self._await_bytes(exchange)

    def skip(self, exchange: Exchange) -> None:
        """Drop what is left of an answered exchange's body."""
        part = self._take()
        if part is None:
            return
        if self._body.done:
            self._connection.next()
        elif exchange.reading is Reading.DISCARD:
            self._progress(len(part))
        else:
            exchange.reading = Reading.DISCARD
            self._await_bytes(exchange)

    async def next_part(self, exchange: Exchange) -> bytes:
        """The next bytes for `read_stream`; empty at the end of the body."""
        while True:
            if exchange is not self._connection.exchange or exchange.reading is not Reading.STREAM:
                raise PeerGone("the exchange was over before its body was")
            if self._body.done:
                return b""
            part = self._take()
            self._connection.balance()
            if part is None:
                raise PeerGone("the client broke off its body")
            if part:
                return part
            if self._body.done:
                exchange.trailers = self._body.trailers
                return b""
            await self._wait(exchange)

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, exchange: Exchange) -> None:
        self._waiter = self._connection.server.loop.create_future()
        self._await_bytes(exchange)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if self._connection.exchange is exchange and exchange.reading is Reading.STREAM:
                self._connection.handling()

    def _await_bytes(self, exchange: Exchange) -> None:
        connection = self._connection
        if exchange.expects:
            exchange.expects = False
            connection.outlet.send(CONTINUE)
        connection.phase = Phase.BODY
        self._gained = 0
        connection.deadline = connection.server.after(connection.server.limits.body_s)
        connection.balance()

    def _collect(self, exchange: Exchange) -> None:
        part = self._take()
        if part is None:
            return
        whole = self._so_far
        if not whole:
            self._so_far = whole = part
        elif part:
            if isinstance(whole, bytes):
                self._so_far = whole = bytearray(whole)
            whole += part
        if len(whole) > exchange.body_limit:
            self._so_far = b""
            self._too_large(exchange)
        elif self._body.done:
            self._so_far = b""
            self._complete(exchange, bytes(whole))
        elif part:
            self._progress(len(part))

    def _complete(self, exchange: Exchange, whole: bytes) -> None:
        exchange.reading = Reading.READ
        exchange.trailers = self._body.trailers
        self._connection.handling()
        on_body, exchange.body_handler = exchange.body_handler, None
        assert on_body is not None
        try:
            on_body(exchange, whole)
        except Exception as error:  # noqa: BLE001  whatever a handler raises is a 500
            self._connection.failed(exchange, error)

    def _too_large(self, exchange: Exchange) -> None:
        exchange.reading = Reading.READ
        exchange.body_handler = None
        self._connection.handling()
        try:
            self._connection.server.on_too_large(exchange, exchange.body_limit)
        except Exception as error:  # noqa: BLE001  whatever a handler raises is a 500
            self._connection.failed(exchange, error)

    def _take(self) -> bytes | None:
        """What has arrived of the body; None when it was malformed, which ends the exchange."""
        try:
            return self._body.take()
        except Refused as refused:
            self._connection.refuse(refused)
            return None

    def _progress(self, count: int) -> None:
        """Renew the deadline once enough has come: a byte now and then does not count."""
        connection = self._connection
        self._gained += count
        if self._gained >= connection.server.body_progress:
            self._gained = 0
            connection.deadline = connection.server.after(connection.server.limits.body_s)

    def end(self) -> None:
        """The exchange is over: nothing buffered stays."""
        self._so_far = b""
        self.wake()
