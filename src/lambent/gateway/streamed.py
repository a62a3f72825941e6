"""A function URL's answer that leaves as the function writes it (`RESPONSE_STREAM`).

The sink of `engine/streaming.py`. Status and headers come from the metadata prelude when the
stream's content type promises one; otherwise it is 200 and the stream's own type. A stream that
breaks is cut, so that the client sees that it is not whole; while the client is slow the runtime
is held up, and nothing gathers here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lambent.engine.http_prelude import MalformedPrelude, Prelude, PreludeReader
from lambent.engine.invocation import Outcome
from lambent.engine.streaming import HTTP_INTEGRATION, Flow, StreamHead
from lambent.gateway.answer import AnswerError, Fields, HttpAnswer, prelude_fields
from lambent.http.exchange import STARTED, Exchange
from lambent.http.faults import PeerGone

_PLAIN: Final = b"application/octet-stream"


class StreamedUrlAnswer:
    """One answer in parts."""

    __slots__ = ("_cors", "_exchange", "_flow", "_own", "_reader", "_started", "_waiting")

    def __init__(
        self, exchange: Exchange, own: Fields, with_cors: Callable[[Fields], Fields]
    ) -> None:
        self._exchange = exchange
        self._own = own
        self._cors = with_cors
        self._reader: PreludeReader | None = None
        self._flow: Flow | None = None
        self._started = False
        self._waiting = False

    # ── the sink ─────────────────────────────────────────────────────────────────────────────

    def on_stream(self, head: StreamHead, flow: Flow) -> None:
        self._flow = flow
        if head.content_type == HTTP_INTEGRATION:
            self._reader = PreludeReader()
        else:
            self._start(200, [(b"Content-Type", head.content_type.encode() or _PLAIN)])

    def on_chunk(self, data: bytes) -> None:
        if self._exchange.gone:
            return
        if self._reader is not None:
            data = self._read_prelude(self._reader, data)
        if data and self._exchange.stage is STARTED:
            self._exchange.write(data)
            self._hold_up()

    def _read_prelude(self, reader: PreludeReader, data: bytes) -> bytes:
        """What of `data` is body; starts the answer once the prelude is whole."""
        try:
            found = reader.feed(data)
            if found is None:
                return b""
            self._reader = None
            self._start(*_head(found[0]))
        except (MalformedPrelude, AnswerError):
            self._reader = None
            return b""  # `end` answers 502, as nothing has started
        return found[1]

    def _start(self, status: int, fields: Fields) -> None:
        if not self._exchange.gone:
            self._started = True
            self._exchange.start(status, [*self._own, *self._cors(fields)])

    def _hold_up(self) -> None:
        """Stop the runtime until a slow client has taken what there is."""
        flow = self._flow
        if flow is not None and self._exchange.congested and not self._waiting:
            self._waiting = True
            flow.pause()
            self._exchange.spawn(self._wait(flow))

    async def _wait(self, flow: Flow) -> None:
        try:
            await self._exchange.drain()
        except PeerGone:
            return  # `gone` lets the flow go on
        self._waiting = False
        if self._flow is flow:  # otherwise the answer is over, and the flow somebody else's
            flow.resume()

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def end(self, outcome: Outcome) -> bool:
        """The run is over; False when nothing has been answered yet."""
        self._flow = None
        if self._exchange.gone:
            return True
        if not self._started:
            return False
        if outcome.function_error is None:
            self._exchange.finish()
        else:
            self._exchange.abort()
        return True

    def fail(self) -> bool:
        """The run failed without an outcome; False when nothing has been answered yet."""
        self._flow = None
        if self._started and not self._exchange.gone:
            self._exchange.abort()
        return self._started or self._exchange.gone

    def gone(self) -> None:
        """The client left: on Lambda the function runs to its end."""
        flow, self._flow = self._flow, None
        if flow is not None:
            flow.resume()


def prelude_answer(payload: bytes) -> HttpAnswer:
    """A whole stream that begins with a prelude; raises `AnswerError`."""
    try:
        found = PreludeReader().feed(payload)
    except MalformedPrelude as error:
        raise AnswerError(str(error)) from None
    if found is None:
        raise AnswerError("the prelude is not whole")
    status, fields = _head(found[0])
    return HttpAnswer(status, fields, found[1])


def _head(prelude: Prelude) -> tuple[int, Fields]:
    if not 200 <= prelude.status_code <= 599:
        raise AnswerError(f"{prelude.status_code} is not the status of a response")
    value = {"headers": prelude.headers, "cookies": prelude.cookies}
    return prelude.status_code, prelude_fields(value)
