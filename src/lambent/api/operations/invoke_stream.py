"""InvokeWithResponseStream: an invoke whose answer leaves as it comes, as an event stream.

Everything up to the run is `invoke`'s; here stands only how the answer is framed: `PayloadChunk`
events, then one `InvokeComplete`. A function that does not stream gives one chunk. While the client
is slow the flow is stopped, so a stream occupies some hundred kilobytes here however long it is; a
client that leaves is no error, and the function runs to its end. (AWS Lambda API reference,
"InvokeWithResponseStream"; botocore's parser is the oracle.)
"""

from __future__ import annotations

import base64
from collections.abc import Set as AbstractSet
from typing import ClassVar, Final

from lambent.api import event_stream
from lambent.api.operations.invoke import InvokeCall
from lambent.engine.invocation import Invocation, Outcome
from lambent.engine.streaming import Flow, StreamHead
from lambent.errors import AwsError, LambentError
from lambent.http.exchange import OPEN, STARTED, Exchange
from lambent.http.faults import PeerGone

STREAM_PREFIX: Final = "/2021-11-15/functions/"
STREAM_SUFFIX: Final = "/response-streaming-invocations"


class StreamCall(InvokeCall):
    """One streaming invoke; the sink of its own answer."""

    __slots__ = ("_flow", "_waiting")

    kinds: ClassVar[AbstractSet[bytes | None]] = frozenset({None, b"RequestResponse", b"DryRun"})
    operation: ClassVar[str] = "InvokeWithResponseStream"

    _flow: Flow | None
    _waiting: bool
    """The flow is stopped, and a task waits for the client to take what there is."""

    def _start(self, invocation: Invocation) -> None:
        self._flow = None
        self._waiting = False
        invocation.sink = self
        super()._start(invocation)

    # ── the sink ─────────────────────────────────────────────────────────────────────────────

    def on_stream(self, head: StreamHead, flow: Flow) -> None:
        self._flow = flow
        self._begin(head.executed_version)

    def on_chunk(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange.gone:  # the function runs to its end for nobody
            return
        exchange.write(event_stream.blob_event("PayloadChunk", data))
        if exchange.congested and not self._waiting and self._flow is not None:
            self._waiting = True
            self._flow.pause()
            exchange.spawn(self._wait(exchange, self._flow))

    async def _wait(self, exchange: Exchange, flow: Flow) -> None:
        try:
            await exchange.drain()
        except PeerGone:
            return  # on_gone lets the flow go on
        self._waiting = False
        if self._flow is flow:  # otherwise the answer is over, and the flow somebody else's
            flow.resume()

    def on_done(self, outcome: Outcome) -> None:
        self._flow = None
        self._record()
        exchange = self._exchange
        exchange.on_gone = self._invocation = None
        if exchange.gone:
            return
        if exchange.stage is OPEN:  # it did not stream
            self._begin(outcome.executed_version)
            if outcome.function_error is None:
                exchange.write(event_stream.blob_event("PayloadChunk", outcome.payload))
        exchange.write(event_stream.event("InvokeComplete", self._complete(outcome)))
        exchange.finish()

    def on_failed(self, error: LambentError) -> None:
        self._flow = None
        exchange = self._exchange
        if exchange.stage is not STARTED:
            super().on_failed(error)
            return
        self._record(error)
        # The status is out already; SDKs raise what the last frame says.
        exchange.on_gone = self._invocation = None
        code = error.code if isinstance(error, AwsError) else "ServiceException"
        exchange.write(event_stream.exception(code, str(error)))
        exchange.finish()

    def on_gone(self) -> None:
        super().on_gone()
        flow, self._flow = self._flow, None
        if flow is not None:
            flow.resume()

    # ── the frames ───────────────────────────────────────────────────────────────────────────

    def _begin(self, executed_version: str) -> None:
        headers = [
            (b"Content-Type", event_stream.CONTENT_TYPE),
            self._request_id_header(),
            (b"X-Amz-Executed-Version", executed_version.encode()),
            (b"X-Amzn-Trace-Id", self._answered_trace),
        ]
        self._exchange.start(200, headers)

    def _complete(self, outcome: Outcome) -> dict[str, str]:
        members = {}
        if outcome.function_error is not None:
            members["ErrorCode"] = outcome.function_error
            members["ErrorDetails"] = outcome.payload.decode("utf-8", "replace")
        if self._head.want_tail:
            members["LogResult"] = base64.b64encode(outcome.log_tail).decode()
        return members
