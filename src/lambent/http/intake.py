"""Handing a request's body to whoever asked for it.

Until somebody asks, a body stays in the inbox, and past a limit in the kernel and with the
client. `read_all` buffers here; `read_stream` takes part by part; an answered exchange whose body
is short has the rest skipped, so that the connection lives on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from lambent.http.answer import CONTINUE
from lambent.http.chunks import Chunks
from lambent.http.exchange import DISCARD, READ, STREAM, WHOLE, BodyHandler, Exchange
from lambent.http.faults import PeerGone, Refused
from lambent.http.head import CHUNKED
from lambent.http.phase import BODY

if TYPE_CHECKING:
    from lambent.http.connection import Connection
    from lambent.http.inbox import Inbox

DISCARD_BYTES: Final = 65_536
"""An unread body up to this size is skipped to keep the connection; past it, closing is cheaper."""


class Intake:
    """The body of a connection's current exchange; `done` once its end has been taken."""

    __slots__ = (
        "_chunks",
        "_connection",
        "_gained",
        "_inbox",
        "_left",
        "_limit",
        "_on_body",
        "_so_far",
        "_waiter",
        "done",
    )

    def __init__(self, connection: Connection, inbox: Inbox) -> None:
        self._connection = connection
        self._inbox = inbox
        self._chunks: Chunks | None = None
        self._left = 0
        """Bytes still to be taken, or CHUNKED when only the client knows."""
        self._limit = 0
        self._on_body: BodyHandler | None = None
        self._so_far: bytes | bytearray = b""
        self._gained = 0
        self._waiter: asyncio.Future[None] | None = None
        self.done = True

    def begin(self, length: int) -> None:
        """The next exchange's body has `length` bytes, or is CHUNKED."""
        self._left = length
        self.done = not length
        self._chunks = (
            Chunks(self._inbox, self._connection.server.limits) if length == CHUNKED else None
        )

    def end(self) -> None:
        """The exchange is over: nothing buffered stays."""
        self._so_far = b""
        self._on_body = None
        self._chunks = None
        self.wake()

    def skippable(self, exchange: Exchange) -> bool:
        """Whether what is left may be dropped to reach the next request."""
        if self.done:
            return True
        # A client that still waits for 100 may send the body or not: nobody can tell.
        return 0 <= self._left <= DISCARD_BYTES and not exchange.expects

    def feed(self, exchange: Exchange) -> None:
        """New bytes have arrived."""
        if exchange.reading is WHOLE:
            self._collect(exchange)
        elif exchange.reading is DISCARD:
            self.skip(exchange)
        else:
            self.wake()

    def want_whole(self, exchange: Exchange, limit: int, on_body: BodyHandler) -> None:
        """For `read_all`."""
        left = self._left
        self._limit = limit
        if left > limit:
            self._too_large(exchange)
        elif 0 <= left <= self._inbox.size:
            # The common case: all of it came with the head.
            self._left = 0
            self.done = True
            self._complete(exchange, on_body, self._inbox.take(left))
        else:
            exchange.reading = WHOLE
            self._on_body = on_body
            self._collect(exchange)
            if exchange.reading is WHOLE and exchange is self._connection.exchange:
                self._await_bytes(exchange)

    def skip(self, exchange: Exchange) -> None:
        """Drop what is left of an answered exchange's body."""
        part = self._take()
        if part is None:
            return
        if self.done:
            self._connection.next()
        elif exchange.reading is DISCARD:
            self._progress(len(part))
        else:
            exchange.reading = DISCARD
            self._await_bytes(exchange)

    async def next_part(self, exchange: Exchange) -> bytes:
        """The next bytes for `read_stream`; empty at the end of the body."""
        while True:
            if exchange is not self._connection.exchange or exchange.reading is not STREAM:
                raise PeerGone("the exchange was over before its body was")
            part = self._take()
            self._connection.balance()
            if part is None:
                raise PeerGone("the client broke off its body")
            if part:
                return part
            if self.done:
                self._hand_trailers(exchange)
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
            if self._connection.exchange is exchange and exchange.reading is STREAM:
                self._connection.handling()

    def _await_bytes(self, exchange: Exchange) -> None:
        connection = self._connection
        if exchange.expects:
            exchange.expects = False
            connection.outlet.send(CONTINUE)
        connection.phase = BODY
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
        if len(whole) > self._limit:
            self._so_far = b""
            self._too_large(exchange)
        elif self.done:
            assert self._on_body is not None
            self._so_far = b""
            self._hand_trailers(exchange)
            self._connection.handling()
            self._complete(exchange, self._on_body, bytes(whole))
        elif part:
            self._progress(len(part))

    def _complete(self, exchange: Exchange, on_body: BodyHandler, whole: bytes) -> None:
        exchange.reading = READ
        try:
            on_body(exchange, whole)
        except Exception as error:  # noqa: BLE001  whatever a handler raises is a 500
            self._connection.failed(exchange, error)

    def _too_large(self, exchange: Exchange) -> None:
        exchange.reading = READ
        self._connection.handling()
        try:
            self._connection.server.on_too_large(exchange, self._limit)
        except Exception as error:  # noqa: BLE001  whatever a handler raises is a 500
            self._connection.failed(exchange, error)

    def _hand_trailers(self, exchange: Exchange) -> None:
        if self._chunks is not None:
            exchange.trailers = self._chunks.trailers

    def _take(self) -> bytes | None:
        """What has arrived of the body; None when it was malformed, which ends the exchange."""
        if self.done:
            return b""
        if self._chunks is None:
            part = self._inbox.take(self._left)
            self._left -= len(part)
            self.done = not self._left
            return part
        try:
            part = self._chunks.take()
        except Refused as refused:
            self._connection.refuse(refused)
            return None
        if self._chunks.done:
            self.done = True
        return part

    def _progress(self, count: int) -> None:
        """Renew the deadline once enough has come: a byte now and then does not count."""
        connection = self._connection
        self._gained += count
        if self._gained >= connection.server.body_progress:
            self._gained = 0
            connection.deadline = connection.server.after(connection.server.limits.body_s)
