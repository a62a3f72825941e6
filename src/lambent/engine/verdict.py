"""How an invoke ended, and telling everybody: the log, the metrics, the caller.

An `Environment` decides the verdict; `conclude` answers, writes END and REPORT, and counts. The
caller comes first, because the rest needs no waiting for: it happens before the loop turns to
anything else. Only a caller that wants the log's tail waits for it.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from lambent.control.targets import VersionTarget
from lambent.cost.billing import billed_ms
from lambent.engine.call import Call
from lambent.engine.invocation import Outcome
from lambent.observe.metrics import Metrics
from lambent.observe.report import Report, Status


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What the runtime answered, or why it did not. `status` other than success stands in REPORT."""

    payload: bytes
    function_error: str | None = None
    """`Unhandled`, or None."""
    error_type: str = ""
    status: Status = "success"
    streamed_bytes: int = 0
    """What went to a sink beforehand."""


class Measured(msgspec.Struct, frozen=True, gc=False):
    """What an invoke took."""

    duration_ms: float
    init_ms: float | None
    """Only when it was the first after Init."""
    used_mb: int
    latency_ms: float | None = None
    """Until a streamed answer began."""
    restore_ms: float | None = None
    """Instead, when it was the first after a restore; `billed_restore_ms` of it is billed."""
    billed_restore_ms: int | None = None


class Witness(Protocol):
    """What `conclude` needs of an environment."""

    target: VersionTarget
    metrics: Metrics

    @property
    def log_stream(self) -> str: ...

    def write_report(self, report: Report) -> None:
        """All output of the invoke, then END and REPORT."""
        ...


def conclude(
    call: Call,
    verdict: Verdict,
    measured: Measured,
    environment: Witness,
) -> None:
    """The caller's answer; END and REPORT; the metrics."""
    duration_ms, init_ms, used_mb = measured.duration_ms, measured.init_ms, measured.used_mb
    billed = billed_ms(duration_ms, init_ms)
    if measured.billed_restore_ms is not None:
        billed += measured.billed_restore_ms
    target, payload, error = environment.target, verdict.payload, verdict.function_error
    report = Report(
        request_id=call.invocation.request_id,
        duration_ms=duration_ms,
        billed_ms=billed,
        memory_mb=target.memory_mb,
        used_mb=used_mb,
        init_ms=init_ms,
        restore_ms=measured.restore_ms,
        billed_restore_ms=measured.billed_restore_ms,
        status=verdict.status,
        error_type=verdict.error_type,
        trace=call.trace,
        produced_bytes=verdict.streamed_bytes or len(payload),
        latency_ms=measured.latency_ms,
    )
    tail = b""
    if call.tail is not None:
        environment.write_report(report)
        tail = call.tail.text()
    call.finish(
        Outcome(
            payload=payload,
            executed_version=target.version,
            function_error=error,
            log_tail=tail,
            duration_ms=duration_ms,
            billed_ms=billed,
            init_ms=init_ms,
            memory_used_mb=used_mb,
            log_stream=environment.log_stream,
            executed_arn=target.function_arn,
        )
    )
    if call.tail is None:
        environment.write_report(report)
    environment.metrics.invocation(target, duration_ms, init_ms, failed=error is not None)
