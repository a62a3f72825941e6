"""One invoke, from whoever asks to whoever answers.

Every way to run a function (API, URL, event source, async retry) makes an `Invocation` and hands
it to `Dispatcher.invoke`. Answers come through plain callbacks, on the event loop, exactly once:
the hot path makes no task and no future. `Dispatcher.call` wraps the same in an awaitable.
Both are msgspec Structs because one is made per invoke, and those are made in C.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from lambent.engine.streaming import StreamSink
from lambent.errors import LambentError


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What a function made of an invoke. An error *of the function* is an outcome, not an exception."""

    payload: bytes
    """The function's JSON, as it sent it; for an error, the error document; empty when a sink
    has had it in parts."""
    executed_version: str
    function_error: str | None = None
    """`Unhandled`, or None."""
    log_tail: bytes = b""
    """The last 4 KB of this invoke's log, only when asked for."""
    duration_ms: float = 0.0
    billed_ms: int = 0
    init_ms: float | None = None
    """Init duration when this invoke was a cold start."""
    memory_used_mb: int = 0
    log_stream: str = ""
    executed_arn: str = ""


class Invocation(msgspec.Struct):
    """One request to run a function."""

    request_id: str
    """Lower-case UUID: the answer's, the context's and the log's."""
    account: str
    region: str
    name: str
    qualifier: str | None
    """Version, alias, `$LATEST`, or None (which means `$LATEST`, and an unqualified context ARN)."""
    payload: bytes
    """Checked to be JSON by the caller; never parsed here."""
    on_done: Callable[[Outcome], None]
    on_failed: Callable[[LambentError], None]
    """No outcome: throttled, unknown, not ready, our own fault."""
    client_context: bytes | None = None
    """Decoded JSON of X-Amz-Client-Context."""
    trace_header: str = ""
    """X-Amzn-Trace-Id as it came; empty makes a new one."""
    want_log_tail: bool = False
    source: Literal["sync", "async"] = "sync"
    tenant_id: str = ""
    sink: StreamSink | None = None
    """Takes an answer that streams; without one it is collected into the outcome's payload."""
    cancelled: bool = False
    """Set by the caller when nobody waits for the answer any more; a queued one is then dropped."""
