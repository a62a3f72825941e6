"""Traces to an OpenTelemetry collector, over OTLP's HTTP form with protobuf bodies.

Off unless the setting `otlp_endpoint` names a collector; then `Traces` hands every finished segment
over once. `offer` costs its caller one tuple in a bounded queue; a thread of its own turns segments
into spans (`otlp_spans`) and sends them in batches. What the collector does not take is tried again
as OTLP says; what there is no room for meanwhile is dropped and counted (`otlp.dropped`), so a
collector that is away costs neither memory nor a call's time. Needs the extra `otel`.
"""

from __future__ import annotations

import gzip
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog
import urllib3

from lambent.errors import ConfigurationError
from lambent.observe.traces import Document, Scope, Segment

log = structlog.get_logger()

QUEUE_MAX: Final = 4_096
"""Segments that may wait."""
BYTES_MAX: Final = 32 * 1024 * 1024
"""What they may take together: functions write them, of up to 64 KB each."""
BATCH: Final = 512
GATHER_S: Final = 1.0
SEND_S: Final = 10.0
TRIES: Final = 5
FIRST_WAIT_S: Final = 1.0
AGAIN: Final = frozenset({429, 502, 503, 504})
"""Answers after which OTLP's clients try again."""
PATH: Final = "/v1/traces"


class OtlpExporter:
    """Sends from one thread; `close` sends what is left, for a moment."""

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        *,
        gather_s: float = GATHER_S,
        first_wait_s: float = FIRST_WAIT_S,
    ) -> None:
        """Raises `ConfigurationError` where the extra is not installed."""
        self._encode = _encoder()
        base = endpoint.rstrip("/")
        self._url = base if base.endswith(PATH) else base + PATH
        self._headers = {
            **headers,
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "gzip",
        }
        self._gather_s = gather_s
        self._first_wait_s = first_wait_s
        self._queue: deque[tuple[Segment, int]] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._pool = urllib3.PoolManager(maxsize=1, retries=False, timeout=SEND_S)
        self._thread = threading.Thread(target=self._run, name="lambent-otlp", daemon=True)
        self._failing = False
        self.dropped = 0
        """Segments for which there was no room, or that nobody took."""

    def start(self) -> None:
        self._thread.start()

    def offer(self, scope: Scope, function: str, document: Document, size: int) -> None:
        """A finished segment of that function, not to be changed any more; `size` in bytes."""
        with self._lock:
            if len(self._queue) >= QUEUE_MAX or self._bytes + size > BYTES_MAX:
                self.dropped += 1
                return
            self._queue.append(((scope, function, document), size))
            self._bytes += size
        if len(self._queue) >= BATCH or not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """What is left is sent if the collector takes it at the first try."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(SEND_S)
        self._pool.clear()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.wait()
            if len(self._queue) < BATCH:
                self._closing.wait(self._gather_s)
            self._wake.clear()
            while self._queue:
                self._send_batch()

    def _send_batch(self) -> None:
        with self._lock:
            parts = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            self._bytes -= sum(size for _, size in parts)
        taken = [segment for segment, _ in parts]
        try:
            why = self._send(gzip.compress(self._encode(taken), 1))
        except Exception:
            log.exception("otlp.batch_failed", segments=len(taken))
            why = "see above"
        if why:
            with self._lock:
                self.dropped += len(taken)
        if bool(why) != self._failing:  # one line when it begins, one when it is over
            self._failing = bool(why)
            if why:
                log.warning("otlp.not_sent", url=self._url, why=why, segments=len(taken))
            else:
                log.info("otlp.sent_again", url=self._url)

    def _send(self, body: bytes) -> str:
        """Why it was not taken; empty when it was."""
        why = ""
        wait_s = self._first_wait_s
        for _ in range(TRIES):
            try:
                answer = self._pool.request("POST", self._url, body=body, headers=self._headers)
                if 200 <= answer.status < 300:
                    return ""
                why = f"the collector answered {answer.status}"
                if answer.status not in AGAIN:
                    return why
            except urllib3.exceptions.HTTPError as error:
                why = type(error).__name__
            if self._closing.wait(wait_s):
                return why
            wait_s *= 2
        return why


def _encoder() -> Callable[[Sequence[Segment]], bytes]:
    """Imported only where asked for: it needs the extra, and a tenth of a second."""
    try:
        from lambent.observe.otlp_spans import encode
    except ImportError:
        raise ConfigurationError(
            "otlp_endpoint needs the package opentelemetry-proto",
            code="OTLP_NOT_INSTALLED",
            fix="pip install 'lambent[otel]', or leave otlp_endpoint out",
        ) from None
    return encode
