"""One request and its answer: what a handler sees.

A handler is called once the head is complete. It reads the body (`read_all` with a callback, or
`read_stream` from a coroutine) or does not, and answers whole (`respond`) or in parts (`start`,
`write`, `finish`). After the peer has left every part of an answer is dropped silently;
`on_gone` says so once. The bytes go through `connection.py`.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import structlog

from lambent.http.answer import BODILESS, Fields, answer_head, field_lines, status_line
from lambent.http.head import Head
from lambent.http.headers import NO_HEADERS, Headers
from lambent.http.outlet import JOIN_BYTES

if TYPE_CHECKING:
    import asyncio

    from lambent.http.connection import Connection
    from lambent.http.intake import Intake

log = structlog.get_logger(__name__)

BodyHandler = Callable[["Exchange", bytes], None]


class Stage(enum.Enum):
    """How far the answer is."""

    OPEN = enum.auto()
    STARTED = enum.auto()
    DONE = enum.auto()
    GONE = enum.auto()
    """Over without an answer of the handler's: the peer left, or was refused."""


class Reading(enum.Enum):
    """What happens to the request's body."""

    WAITING = enum.auto()
    """Nobody asked for it: it stays with the client and in the kernel."""
    WHOLE = enum.auto()
    READ = enum.auto()
    """The handler has the whole of it, or will never have it."""
    STREAM = enum.auto()
    DISCARD = enum.auto()
    """The answer is out; what is left of the body is only in the way of the next request."""


OPEN, STARTED, DONE, GONE = Stage
WAITING, WHOLE, READ, STREAM, DISCARD = Reading
# Members by a name of the module's: an attribute of an enumeration costs four times as much.


class Framing(enum.Enum):
    """How the client learns where a started answer ends."""

    NONE = enum.auto()
    LENGTH = enum.auto()
    CHUNKED = enum.auto()
    CLOSE = enum.auto()


class Exchange(Head):
    """One request and its answer."""

    __slots__ = (
        "_connection",
        "_framing",
        "_left",
        "on_gone",
        "reading",
        "stage",
        "tasks",
        "trailers",
    )

    _framing: Framing
    _left: int
    """Bytes of a LENGTH answer still to be written."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.trailers: Headers = NO_HEADERS
        """Of the request; complete once its body is."""
        self.on_gone: Callable[[], None] | None = None
        """Called once if the exchange ends before its answer does."""
        self.stage = OPEN
        self.reading = WAITING
        self.tasks: set[asyncio.Task[None]] | None = None

    @property
    def peer(self) -> str:
        """The client's address; empty for a Unix socket."""
        return self._connection.peer

    @property
    def local_port(self) -> int:
        return self._connection.local_port

    @property
    def secure(self) -> bool:
        """The connection is TLS."""
        return self._connection.secure

    @property
    def tag(self) -> object:
        """What the listener was given as its tag: whose socket this came in on."""
        return self._connection.listener.tag

    @property
    def gone(self) -> bool:
        """Nobody waits for this answer any more."""
        return self.stage is GONE

    # The request's body

    def read_all(self, limit: int, on_body: BodyHandler) -> None:
        """Buffer the body and call `on_body(exchange, body)` once, now or later, on the loop.

        A body past `limit` bytes goes to the server's `on_too_large` instead.
        """
        if self.reading is not WAITING:
            raise RuntimeError("the body of this exchange is already being read")
        if self.stage is not GONE:
            self._connection.intake.want_whole(self, limit, on_body)

    def read_stream(self) -> AsyncIterator[bytes]:
        """The body in parts, as they come; what is not taken stays with the client.

        Raises `PeerGone` when the body ends before its end.
        """
        if self.reading is not WAITING:
            raise RuntimeError("the body of this exchange is already being read")
        self.reading = STREAM
        return _BodyStream(self, self._connection.intake)

    # The answer

    def respond(self, status: int, headers: Fields, body: bytes) -> None:
        """The whole answer; Content-Length, Date and Connection are added."""
        if self.stage is not OPEN:
            self._late("respond")
            return
        connection = self._connection
        keep_alive, common = connection.persistence(self)
        head = answer_head(status, headers, common, len(body))
        self.stage = DONE
        if self.method == "HEAD" or status in BODILESS:
            connection.outlet.send(head)
        elif len(body) <= JOIN_BYTES:
            connection.outlet.send(head + body)
        else:
            connection.outlet.send_parts(head, body)
        connection.answered(keep_alive=keep_alive)

    def start(self, status: int, headers: Fields, *, chunked: bool = True) -> None:
        """The head of an answer that comes in parts.

        With `chunked=False` a Content-Length among `headers` frames it, or else the end of the
        connection does, as it must for a client of HTTP/1.0.
        """
        if self.stage is not OPEN:
            self._late("start")
            return
        framing, line = self._frame(status, headers, chunked=chunked)
        if framing is Framing.CLOSE:
            self.keep_alive = False
        self.keep_alive, common = self._connection.persistence(self, starting=True)
        head = b"".join((status_line(status), field_lines(headers), common, line, b"\r\n"))
        self._framing = framing
        self.stage = STARTED
        self._connection.outlet.send(head)

    def _frame(self, status: int, headers: Fields, *, chunked: bool) -> tuple[Framing, bytes]:
        self._left = 0
        if status in BODILESS:
            return Framing.NONE, b""
        if chunked and not self.http10:
            framing, line = Framing.CHUNKED, b"Transfer-Encoding: chunked\r\n"
        else:
            framing, line = Framing.CLOSE, b""
            for name, value in headers:
                if name.lower() == b"content-length":
                    self._left = int(value)
                    framing, line = Framing.LENGTH, b"Content-Length: %d\r\n" % self._left
        return (Framing.NONE if self.method == "HEAD" else framing), line

    def write(self, data: bytes) -> None:
        """A part of the body; `await drain()` after it, or a slow client fills our memory."""
        if self.stage is not STARTED:
            self._late("write")
            return
        if not data or self._framing is Framing.NONE:
            return
        if self._framing is Framing.CHUNKED:
            self._connection.outlet.send_chunk(data)
            return
        if self._framing is Framing.LENGTH:
            self._left -= len(data)
            if self._left < 0:
                self.abort()
                raise ValueError("more body than its Content-Length")
        self._connection.outlet.send(data)

    @property
    def congested(self) -> bool:
        """The client takes less than is written: time to stop, and `drain`."""
        return self.stage is not GONE and self._connection.outlet.congested

    async def drain(self) -> None:
        """Wait until the client has taken enough of the answer; raises `PeerGone`."""
        await self._connection.drained(self)

    def finish(self, trailers: Fields = ()) -> None:
        """The end of an answer in parts. Trailers reach the client only in chunked answers."""
        if self.stage is not STARTED:
            self._late("finish")
            return
        if self._framing is Framing.LENGTH and self._left:
            self.abort()
            raise ValueError("less body than its Content-Length")
        if self._framing is Framing.CHUNKED:
            self._connection.outlet.send(b"0\r\n" + field_lines(trailers) + b"\r\n")
        self.stage = DONE
        keep_alive, _ = self._connection.persistence(self)
        self._connection.answered(keep_alive=keep_alive)

    def abort(self) -> None:
        """Close in the middle of the answer, so that the client sees that it is not whole."""
        if self.stage is OPEN or self.stage is STARTED:
            truncation_shows = self.stage is STARTED and (
                self._framing is Framing.CHUNKED or self._framing is Framing.LENGTH
            )
            self.stage = DONE
            self._connection.cut(flush=truncation_shows)

    def leave(self) -> None:
        """The connection's word that nobody waits for this answer any more."""
        self.stage = GONE
        for task in self.tasks or ():
            task.cancel()
        on_gone, self.on_gone = self.on_gone, None
        if on_gone is not None:
            try:
                on_gone()
            except Exception as error:
                log.error("http.on_gone_failed", method=self.method, path=self.path, exc_info=error)

    def _late(self, what: str) -> None:
        """After the peer left everything is dropped; out of order it is a bug of the handler's."""
        if self.stage is not GONE:
            raise RuntimeError(f"{what} on an exchange whose answer is {self.stage.name}")

    # Asynchronous work

    def spawn(self, coro: Coroutine[Any, Any, None]) -> None:
        """Run `coro` for this exchange. It is cancelled if the peer leaves; if it raises, 500."""
        if self.stage is GONE:
            coro.close()
            return
        self._connection.spawn(self, coro)


class _BodyStream:
    """`async for part in exchange.read_stream()`; a plain iterator needs no closing."""

    __slots__ = ("_exchange", "_intake")

    def __init__(self, exchange: Exchange, intake: Intake) -> None:
        self._exchange = exchange
        self._intake = intake

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        part = await self._intake.next_part(self._exchange)
        if not part:
            raise StopAsyncIteration
        return part
