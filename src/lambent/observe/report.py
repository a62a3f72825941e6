"""What is known of an invoke when it is over: the facts of Lambda's REPORT line.

The engine makes one per invoke; `platform_lines.PlatformLines` writes it as text or JSON.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["success", "error", "timeout", "failure"]
"""As Lambda's telemetry schema has it: `error` when the function failed without answering
(exit, out of memory), `timeout`, `failure` for what went wrong outside of it."""


# No cycle can go through it, so the collector need not look at one per invoke.
class Report(msgspec.Struct, frozen=True, gc=False):
    """One invoke. Times in milliseconds as measured; `billed_ms` already rounded."""

    request_id: str
    duration_ms: float
    billed_ms: int
    memory_mb: int
    """MemorySize as configured."""
    used_mb: int
    init_ms: float | None = None
    """Only when this invoke was a cold start."""
    restore_ms: float | None = None
    """Only when the environment was restored from a snapshot for this invoke."""
    billed_restore_ms: int | None = None
    status: Status = "success"
    error_type: str = ""
    """`Runtime.ExitError` and the like, with status `error`. May come from the function."""
    trace: str = ""
    """The invoke's X-Amzn-Trace-Id (`Root=…;Parent=…;Sampled=1`); shown when it is sampled."""
    produced_bytes: int | None = None
    """Size of the answer, for JSON logs."""
    latency_ms: float | None = None
    """Until a streamed answer began; None for one that came whole."""
