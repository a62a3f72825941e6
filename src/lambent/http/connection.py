"""One client connection: bytes in, exchanges, bytes out.

Requests are served strictly one after the other; what a client pipelines waits in the inbox, and
past a limit in the kernel, so answers are in order and memory is bounded. `_serve` is the loop
that takes heads and hands them to the handler; everything that can unblock it (more bytes, an
answer, a drained socket) leads back to it. Time is the server's sweep's (`expire`); there is no
timer here. Bodies come in through `intake.py`, bytes leave through `outlet.py`.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, cast

import structlog

from lambent.http.answer import error_answer
from lambent.http.exchange import DONE, GONE, OPEN, STARTED, WAITING, Exchange
from lambent.http.faults import PeerGone, Refused
from lambent.http.head import HeadReader
from lambent.http.inbox import Inbox
from lambent.http.intake import Intake
from lambent.http.outlet import Outlet
from lambent.http.phase import BODY, CLOSING, FRESH, HANDLING, HEAD, IDLE, LINGER, LOST, Phase

if TYPE_CHECKING:
    from lambent.http.server import Listener, Server

log = structlog.get_logger(__name__)

AHEAD_BYTES: Final = 65_536
"""How much may wait in the inbox before the transport is paused (one read may exceed it)."""
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: close becomes a reset."""


class Connection(asyncio.Protocol):
    """The protocol of one accepted socket."""

    __slots__ = (
        "_eof",
        "_heads",
        "_inbox",
        "_paused",
        "_transport",
        "_turn",
        "deadline",
        "exchange",
        "intake",
        "listener",
        "local_port",
        "outlet",
        "peer",
        "phase",
        "secure",
        "server",
    )

    def __init__(self, server: Server, listener: Listener) -> None:
        self.server = server
        self.listener = listener
        self.exchange: Exchange | None = None
        self.phase: Phase = FRESH
        self.deadline = math.inf
        self._heads = HeadReader()
        self._inbox = Inbox()
        self.intake = Intake(self, self._inbox)
        self._turn: asyncio.Handle | None = None
        self._paused = False
        self._eof = False

    # What the transport reports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.outlet = Outlet(self._transport)
        peer = transport.get_extra_info("peername")
        local = transport.get_extra_info("sockname")
        self.peer: str = peer[0] if isinstance(peer, tuple) else ""
        self.local_port: int = local[1] if isinstance(local, tuple) else 0
        self.secure: bool = transport.get_extra_info("sslcontext") is not None
        self.deadline = self.server.after(self.server.limits.header_s)
        if not self.server.admit(self):
            self.refuse(Refused(503, "too many connections"))

    def data_received(self, data: bytes) -> None:
        if self.phase < LINGER:
            self._inbox.append(data)
            self._serve()

    def eof_received(self) -> bool:
        """The client sends no more. While an answer is pending, that means that it left.

        One that half-closes behind what it pipelined is still served all of it.
        """
        if self._turn is not None and self.exchange is None:
            self._eof = True
            return True
        self._leave()
        self._close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.phase = LOST
        self.deadline = math.inf
        self._leave()
        self.outlet.resume()
        self._inbox.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self.server.forget(self)

    def pause_writing(self) -> None:
        self.outlet.pause(self.server.after(self.server.limits.body_s))

    def resume_writing(self) -> None:
        self.outlet.resume()
        if self.exchange is None:
            self._serve_later()

    # Requests

    def _serve(self) -> None:
        """Serve what has arrived, request after request, until something has to wait."""
        inbox, outlet = self._inbox, self.outlet
        outlet.holding = True
        if self.exchange is not None:
            self.intake.feed(self.exchange)
        budget = self.server.limits.max_pipelined
        while inbox.size and self.exchange is None and self.phase < LINGER:
            if outlet.congested:
                break
            if not budget:
                self._serve_later()
                break
            budget -= 1
            if not self._next_request():
                break
        outlet.holding = False
        if outlet.held:
            outlet.flush()
        if self._paused or inbox.size > AHEAD_BYTES:
            self.balance()
        if self._eof and self._turn is None and self.exchange is None:
            self._close()

    def _serve_later(self) -> None:
        """Serve what is pipelined in a turn of its own: never inside somebody's `respond`."""
        if self._turn is None and self._inbox.size and self.phase < LINGER:
            self._turn = self.server.loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        if self.phase < LINGER:
            self._serve()

    def _next_request(self) -> bool:
        """Start the next exchange; False when its head is incomplete or refused."""
        limits = self.server.limits
        try:
            raw = self._inbox.head(limits)
            if raw is None:
                self._await_head()
                return False
            exchange = Exchange(self)
            self._heads.read(exchange, raw, limits)
        except Refused as refused:
            self.refuse(refused)
            return False
        self.intake.begin(exchange.length)
        self.exchange = exchange
        self.phase = HANDLING
        self.deadline = math.inf
        try:
            self.listener.handler(exchange)
        except Exception as error:  # noqa: BLE001  whatever a handler raises is a 500
            self.failed(exchange, error)
        return True

    def _await_head(self) -> None:
        """A head's time runs from its first byte and is never renewed."""
        if self._inbox.size:
            if self.phase is IDLE:
                self.deadline = self.server.after(self.server.limits.header_s)
            self.phase = HEAD

    def handling(self) -> None:
        """The handler has what it asked for; its time is its own."""
        self.phase = HANDLING
        self.deadline = math.inf

    def balance(self) -> None:
        """Stop reading while too much waits in the inbox; go on once there is room."""
        too_much = self._inbox.size > AHEAD_BYTES
        if too_much == self._paused or self.phase >= LINGER:
            return
        self._paused = too_much
        if too_much:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # Answers

    def persistence(self, exchange: Exchange, *, starting: bool = False) -> tuple[bool, bytes]:
        """Whether the connection outlives this answer, and the lines that say so."""
        server = self.server
        if exchange.keep_alive and not server.draining:
            intake = self.intake
            being_read = starting and exchange.reading is not WAITING
            if intake.done or being_read or intake.skippable(exchange):
                return True, server.lines.keep_alive
        return False, server.lines.close

    async def drained(self, exchange: Exchange) -> None:
        if exchange.stage is not GONE:
            await self.outlet.drained(self.server.loop)
        if exchange.stage is GONE:
            raise PeerGone("the client left before its answer was complete")

    def answered(self, *, keep_alive: bool) -> None:
        """The current exchange's answer is complete."""
        exchange = self.exchange
        assert exchange is not None
        if not keep_alive:
            self._end()
        elif self.intake.done:
            self.next()
        else:
            self.intake.skip(exchange)

    def next(self) -> None:
        """Ready for the next request."""
        self.exchange = None
        self.phase = IDLE
        self.deadline = self.server.idle_deadline
        self.intake.wake()
        if not self.outlet.holding:
            if self._inbox.size:
                self._serve_later()
            if self._paused:
                self.balance()

    def failed(self, exchange: Exchange, error: BaseException) -> None:
        """A handler raised: say so once, answer 500 if there is still time, close."""
        log.error("http.handler_failed", method=exchange.method, path=exchange.path, exc_info=error)
        if exchange is not self.exchange:
            return
        if exchange.stage is OPEN:
            exchange.keep_alive = False
            status, fields, body = error_answer(500, "")
            exchange.respond(status, fields, body)
        else:
            exchange.abort()

    def refuse(self, refused: Refused) -> None:
        """Answer what is not served, unless an answer is already under way, and close."""
        exchange = self.exchange
        if exchange is not None and exchange.stage is STARTED:
            self._leave()
            self.cut(flush=True)
            return
        unanswered = exchange is None or exchange.stage is OPEN
        self._leave()
        if unanswered:
            status, fields, body = error_answer(refused.status, refused.reason)
            self.outlet.send(self.server.closing_answer(status, fields, body))
        self._end()

    # Ends

    def _leave(self) -> None:
        """The current exchange, if it is unanswered, is over."""
        exchange = self.exchange
        if exchange is None:
            return
        self.exchange = None
        self.intake.end()
        if exchange.stage is not DONE:
            exchange.leave()

    def _end(self) -> None:
        """Close behind the last answer.

        What the client still sends must be read, or the reset that meets it throws our answer away.
        """
        whole = self.exchange is not None and self.intake.done and not self._inbox.size
        self._leave()
        self.outlet.flush()
        if whole:
            self._close()
        elif self.phase < LINGER:
            self.phase = LINGER
            self.deadline = self.server.after(self.server.limits.linger_s)
            self.outlet.mark()
            self._inbox.clear()
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            if self._transport.can_write_eof():
                self._transport.write_eof()

    def _close(self) -> None:
        """Close once everything has left."""
        if self.phase < CLOSING:
            self.phase = CLOSING
            self.deadline = self.server.after(self.server.limits.linger_s)
            self.outlet.flush()
            self.outlet.mark()
            self._inbox.clear()
            self._transport.close()

    def cut(self, *, flush: bool) -> None:
        """Close in the middle of an answer; without `flush`, by a reset."""
        self._leave()
        if flush:
            self._close()
            return
        sock = self._transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.destroy()

    def destroy(self) -> None:
        self.phase = max(self.phase, CLOSING)
        self._transport.abort()

    def retire(self) -> None:
        """The server drains: close unless something is being served."""
        if self.exchange is None and not self._inbox.size and self.phase < LINGER:
            self._close()

    def expire(self, now: float) -> None:
        """A deadline has passed."""
        if self.outlet.deadline <= now:
            if self.outlet.stalled(self.server.body_progress):
                self.destroy()
                return
            self.outlet.deadline = self.server.after(self.server.limits.body_s)
        if self.deadline > now:
            return
        if self.phase in (FRESH, IDLE):
            self._close()
        elif self.phase is HEAD:
            self.refuse(Refused(408, "the request head took too long"))
        elif self.phase is BODY:
            self.refuse(Refused(408, "the request body took too long"))
        elif self.outlet.congested:
            # The last answer is on its way to a slow client; the outlet's own deadline watches it.
            self.deadline = self.outlet.deadline
        elif self.outlet.pending() and not self.outlet.stalled(1):
            self.deadline = self.server.after(self.server.limits.linger_s)
        elif self.phase is LINGER:
            self._close()
        else:
            self.destroy()

    # Tasks

    def spawn(self, exchange: Exchange, coro: Coroutine[Any, Any, None]) -> None:
        self.server.spawn(self._run(exchange, coro), exchange)

    async def _run(self, exchange: Exchange, coro: Coroutine[Any, Any, None]) -> None:
        try:
            await coro
        except Exception as error:  # noqa: BLE001  whatever a handler raises is a 500
            # Whatever the coroutine was doing for a client that left, nobody waits for it.
            over = exchange.stage is GONE or exchange.stage is DONE
            if not (over and isinstance(error, PeerGone)):
                self.failed(exchange, error)
