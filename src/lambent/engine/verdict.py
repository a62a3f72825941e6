"""How an invoke ended, and telling everybody: the log, the metrics, the caller.

An `Environment` decides the verdict; `conclude` writes END and REPORT, counts, and answers. The
order matters: whoever reads the log after the answer finds the REPORT line there.
"""

from __future__ import annotations

import msgspec

from lambent.control.targets import VersionTarget
from lambent.cost.billing import billed_ms
from lambent.engine.call import Call
from lambent.engine.invocation import Outcome
from lambent.engine.journal import Journal
from lambent.observe.metrics import Metrics
from lambent.observe.report import Report, Status


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What the runtime answered, or why it did not. `status` other than success stands in REPORT."""

    payload: bytes
    function_error: str | None = None
    """`Unhandled`, or None."""
    error_type: str = ""
    status: Status = "success"


class Measured(msgspec.Struct, frozen=True, gc=False):
    """What an invoke took."""

    duration_ms: float
    init_ms: float | None
    """Only when it was the first after Init."""
    used_mb: int


def conclude(
    call: Call,
    verdict: Verdict,
    measured: Measured,
    target: VersionTarget,
    journal: Journal,
    metrics: Metrics,
) -> None:
    """END and REPORT, then the caller's answer."""
    duration_ms, init_ms, used_mb = measured.duration_ms, measured.init_ms, measured.used_mb
    billed = billed_ms(duration_ms, init_ms)
    payload = verdict.payload
    journal.ended(
        Report(
            request_id=call.invocation.request_id,
            duration_ms=duration_ms,
            billed_ms=billed,
            memory_mb=target.memory_mb,
            used_mb=used_mb,
            init_ms=init_ms,
            status=verdict.status,
            error_type=verdict.error_type,
            trace=call.trace,
            produced_bytes=len(payload),
        )
    )
    function_error = verdict.function_error
    metrics.invocation(target, duration_ms, init_ms, failed=function_error is not None)
    call.finish(
        Outcome(
            payload=payload,
            executed_version=target.version,
            function_error=function_error,
            log_tail=b"" if call.tail is None else call.tail.text(),
            duration_ms=duration_ms,
            billed_ms=billed,
            init_ms=init_ms,
            memory_used_mb=used_mb,
            log_stream=journal.stream_name,
            executed_arn=target.function_arn,
        )
    )
