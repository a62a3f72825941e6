"""The seam of streamed answers: what whoever invokes gives, and what they are told.

An `Invocation` with a `sink` gets an answer that its function streams part by part:

    sink.on_stream(head, flow)      at most once: the answer begins, and it comes in parts
    sink.on_chunk(data)             any number of times
    invocation.on_done(outcome)     exactly once (or on_failed): the end, and how it ended

A function that does not stream, or fails before it begins to, never calls `on_stream`: its answer
is the outcome's payload as ever. A sink that cannot keep up calls `flow.pause()`, and
`flow.resume()` once it can; the runtime's writes block meanwhile, and its time goes on. A sink whose
client has left resumes the flow and throws away what still comes: on Lambda the function runs to
its end. Who streams over HTTP: `api/operations/invoke_stream.py` (as an event stream). The bytes of
a function that speaks to an HTTP integration begin with a prelude: `http_prelude.py` reads it.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

STREAM_LIMIT: Final = 200 * 1024 * 1024
"""Bytes of a streamed answer."""

HTTP_INTEGRATION: Final = "application/vnd.awslambda.http-integration-response"
"""Content type of a stream that begins with the metadata prelude."""


class Flow(Protocol):
    """Where a stream's bytes come from. Both may be called again and again, in any order."""

    def pause(self) -> None:
        """No more, for now; what is already under way (some 100 KB) still comes."""
        ...

    def resume(self) -> None: ...


class StreamHead(msgspec.Struct, frozen=True, gc=False):
    """What is known when an answer begins to stream."""

    content_type: str
    """As the function says; empty when it does not."""
    executed_version: str


class StreamSink(Protocol):
    """Takes a streamed answer; called on the event loop."""

    def on_stream(self, head: StreamHead, flow: Flow) -> None: ...

    def on_chunk(self, data: bytes) -> None: ...
