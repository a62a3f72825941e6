"""X-Ray segments of the latest traced requests, for `lambent trace`.

What functions send to the daemon's port and what the platform makes of their invokes, per trace, in
memory: the oldest trace goes when there are too many or they are too large together, and one trace
takes a bounded share. Ids in it are the caller's choice, so accounts and regions are kept apart.
(AWS X-Ray developer guide, "X-Ray segment documents" and "Sending trace data to X-Ray".)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

MOST_TRACES: Final = 1_024
MOST_BYTES: Final = 32 * 1024 * 1024
MOST_OF_ONE: Final = 1024 * 1024
MOST_DOCUMENTS: Final = 1_000
OWN_BYTES: Final = 2_048
"""What a document of the platform counts as."""

Document = dict[str, Any]
Scope = tuple[str, str]
"""Account and region."""
Segment = tuple[Scope, str, Document]
"""A whole document, and the name of the function that it comes from."""


@dataclass(slots=True)
class _Trace:
    documents: list[Document] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    bytes: int = 0


class Traces:
    """The store; every method returns at once."""

    def __init__(self, most_traces: int = MOST_TRACES, most_bytes: int = MOST_BYTES) -> None:
        self._most_traces = most_traces
        self._most_bytes = most_bytes
        self._traces: OrderedDict[tuple[Scope, str], _Trace] = OrderedDict()
        self._by_request: dict[tuple[Scope, str], str] = {}
        self._bytes = 0
        self.dropped = 0
        """Documents that were too many for their trace."""
        self.exporter: Callable[[Scope, str, Document, int], None] | None = None
        """Hears of every document once it is whole, with its function's name and its size."""

    def export(
        self, scope: Scope, function: str, document: Document, size: int = OWN_BYTES
    ) -> None:
        """The document will not change any more."""
        if self.exporter is not None:
            self.exporter(scope, function, document, size)

    def add(self, scope: Scope, document: Document, size: int = OWN_BYTES) -> bool:
        """Keep a document with a `trace_id`; False when its trace is full."""
        key = scope, document["trace_id"]
        trace = self._traces.setdefault(key, _Trace())
        self._traces.move_to_end(key)
        if len(trace.documents) >= MOST_DOCUMENTS or trace.bytes + size > MOST_OF_ONE:
            self.dropped += 1
            return False
        trace.documents.append(document)
        trace.bytes += size
        self._bytes += size
        while len(self._traces) > self._most_traces or self._bytes > self._most_bytes:
            self._forget_oldest()
        return True

    def name_request(self, scope: Scope, request_id: str, trace_id: str) -> None:
        """`find` knows the trace by this request from now on."""
        trace = self._traces.get((scope, trace_id))
        if trace is not None and len(trace.requests) < MOST_DOCUMENTS:
            trace.requests.append(request_id)
            self._by_request[scope, request_id] = trace_id

    def find(self, account: str, region: str, request_id: str) -> list[Document]:
        """All documents of the trace that a request belongs to; none when it was not traced."""
        scope = account, region
        trace = self._traces.get((scope, self._by_request.get((scope, request_id), "")))
        return [] if trace is None else list(trace.documents)

    def _forget_oldest(self) -> None:
        (scope, _), trace = self._traces.popitem(last=False)
        self._bytes -= trace.bytes
        for request_id in trace.requests:
            self._by_request.pop((scope, request_id), None)


def parse(datagram: bytes) -> Document | None:
    """What the SDK sent: a header line of JSON and a document; None for anything else."""
    head, _, body = datagram.partition(b"\n")
    try:
        header = msgspec.json.decode(head)
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if header != {"format": "json", "version": 1} or not isinstance(document, dict):
        return None
    texts = all(isinstance(document.get(key), str) for key in ("trace_id", "id", "name"))
    return document if texts and isinstance(document.get("start_time"), (int, float)) else None
