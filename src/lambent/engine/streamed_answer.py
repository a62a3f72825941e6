"""One streamed answer on its way: to the invocation's sink, or collected for a buffered invoke.

An `Environment` makes one when its runtime begins to stream and asks it for the verdict at the end.
What is past the limit is dropped, not waited for: the runtime writes on, and stays usable.
(AWS Lambda developer guide, "Response streaming for Lambda functions".)
"""

from __future__ import annotations

from lambent.engine import faults
from lambent.engine.streaming import STREAM_LIMIT, Flow, StreamHead, StreamSink
from lambent.engine.verdict import Verdict


class StreamedAnswer:
    """The parts of one answer, in order."""

    __slots__ = ("_flow", "_limit", "_parts", "_sink", "_size")

    def __init__(
        self, sink: StreamSink | None, content_type: str, executed_version: str, flow: Flow
    ) -> None:
        self._sink = sink
        self._flow = flow
        self._parts: list[bytes] = []
        self._size = 0
        self._limit = faults.PAYLOAD_LIMIT if sink is None else STREAM_LIMIT
        if sink is not None:
            sink.on_stream(StreamHead(content_type, executed_version), flow)

    def chunk(self, data: bytes) -> None:
        room = self._limit - self._size
        self._size += len(data)
        if self._size > self._limit:
            self._parts.clear()  # a buffered invoke answers with an error alone
            data = data[: max(0, room)]
        if self._sink is None:
            if self._size <= self._limit:
                self._parts.append(data)
        elif data:
            self._sink.on_chunk(data)

    def end(self, error: bytes) -> Verdict:
        """How it ended; the next invoke's answer must not find the flow stopped."""
        self._flow.resume()
        streamed = 0 if self._sink is None else min(self._size, self._limit)
        if self._size > self._limit:
            document = faults.too_large(self._limit)
            return Verdict(document, "Unhandled", streamed_bytes=streamed)
        if error:
            return Verdict(error, "Unhandled", streamed_bytes=streamed)
        return Verdict(b"".join(self._parts), streamed_bytes=streamed)
