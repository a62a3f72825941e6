"""What one environment writes: its function's output and the platform's lines, in one log stream.

Also keeps the tail of the running invoke for callers that asked for it (`LogType=Tail`). It is
given each fact once and knows the order: START, output, END, REPORT.
"""

from __future__ import annotations

from lambent.clock import Clock
from lambent.control.targets import VersionTarget
from lambent.engine.call import Call
from lambent.engine.faults import Fault
from lambent.observe.log_name import new_stream_name
from lambent.observe.logs import LogStore
from lambent.observe.platform_lines import platform_lines
from lambent.observe.report import Report
from lambent.observe.tail import LogTail


class Journal:
    """The log of one environment."""

    __slots__ = ("_clock", "_last_ms", "_lines", "_stream", "_tail", "stream_name")

    def __init__(self, target: VersionTarget, logs: LogStore, clock: Clock) -> None:
        self._clock = clock
        self._lines = platform_lines(target, runtime_version=target.runtime or "")
        self.stream_name = new_stream_name(clock.time_ms(), target.version)
        self._stream = logs.open(target.account, target.region, target.log_group, self.stream_name)
        self._tail: LogTail | None = None
        self._last_ms = 0

    def on_message(self, time_us: int | None, message: bytes) -> None:
        """One event of the function's output, with its own time if it has one."""
        now = self._clock.time_ms()
        self._append(now if time_us is None else min(now, time_us // 1000), message)

    def init_started(self) -> None:
        now = self._clock.time_ms()
        self._append(now, self._lines.init_start(now))

    def init_done(self, init_ms: float, fault: Fault | None = None, *, phase: str = "init") -> None:
        now = self._clock.time_ms()
        for line in self._lines.init_done(
            now,
            init_ms,
            phase=phase,
            status="timeout"
            if fault and fault.status == "timeout"
            else "error"
            if fault
            else "success",
            error_type=fault.error_type if fault else "",
        ):
            self._append(now, line)

    def restore_started(self) -> None:
        now = self._clock.time_ms()
        self._append(now, self._lines.restore_start(now))

    def restore_done(self, restore_ms: float) -> None:
        now = self._clock.time_ms()
        for line in self._lines.restore_done(now, restore_ms):
            self._append(now, line)

    def started(self, call: Call, now_ms: int) -> None:
        self._tail = call.tail
        invocation = call.invocation
        line = self._lines.start(now_ms, invocation.request_id, invocation.tenant_id)
        self._append(now_ms, line)

    def fault(self, request_id: str, fault: Fault, timeout_s: float) -> None:
        """The platform ended the invoke, or the runtime did."""
        now = self._clock.time_ms()
        if fault.status == "timeout":
            self._append(now, self._lines.timed_out(now, request_id, timeout_s))
        else:
            self._append(now, self._lines.exited(request_id, fault.message, fault.error_type))

    def ended(self, report: Report) -> None:
        now = self._clock.time_ms()
        lines = self._lines
        self._append(now, lines.end(now, report))
        self._append(now, lines.report(now, report))
        self._tail = None

    def _append(self, time_ms: int, line: bytes | None) -> None:
        if line is None:  # the log's format or level leaves it out
            return
        # Readers sort by time; what was written later must not seem earlier.
        self._last_ms = max(self._last_ms, time_ms)
        self._stream.append(self._last_ms, line)
        if self._tail is not None:
            self._tail.append(line)
